#!/usr/bin/env python3
"""Measures sandlock against the bare program, the floor of confinement, bubblewrap and a peer, in the same run.

    tests/bench/bench.py --build build --sandlock build-musl/src/sandlock [--peer PATH] [--quick] [--only PATTERN]
                         [--json FILE] [--markdown FILE]

Every figure is the median of interleaved rounds; ratios are what to look at. `floor` is a program confined by one
Landlock rule and a filter that allows everything: nobody can be cheaper. Results go to build/bench.json and
build/bench.md. tools/bench-table puts the table into the README.
"""
import argparse
import fnmatch
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SYSTEM = [p for p in ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/opt", "/proc", "/dev") if os.path.exists(p)]
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else shutil.which("python3")


class Bench:
    """The programs, and how each kind of sandbox is put in front of a command."""

    def __init__(self, args, work):
        self.work = work
        self.quick = args.quick
        self.build = os.path.abspath(args.build)
        self.sandlock = os.path.abspath(args.sandlock)
        self.peer = args.peer
        self.bwrap = shutil.which("bwrap")
        self.tools = os.path.join(self.build, "tests/bench")
        self.rows = []

    def tool(self, name):
        return os.path.join(self.tools, "bench-" + name)

    def grants(self):
        flags = [f for p in SYSTEM for f in ("-r", p)]
        return flags + ["-r", self.tools, "-w", self.work]

    def variants(self, ours=(), peer=(), names=("bare", "floor", "sandlock", "bwrap", "peer")):
        """name -> the words before the command; what is not installed is left out."""
        found = {
            "bare": [],
            "floor": [self.tool("floor")],
            "sandlock": [self.sandlock, "run", "--quiet", *self.grants(), *ours, "--"],
            "bwrap": self.bwrap and [self.bwrap, "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev",
                                     "--bind", self.work, self.work, "--"],
            "peer": self.peer and [self.peer, "run", *self.grants(), *peer, "--"],
        }
        return {n: found[n] for n in names if found.get(n) is not None}

    def row(self, name, unit, values, compare, target, better="lower", note=""):
        """compare: the variant that the target is a ratio to. None where it is not there."""
        ratio = None
        if values.get("sandlock") is not None and values.get(compare):
            ratio = values["sandlock"] / values[compare]
        met = None
        if ratio is not None and target is not None:
            met = ratio <= target if better == "lower" else ratio >= target
        self.rows.append({"name": name, "unit": unit, "values": values, "compare": compare, "ratio": ratio,
                          "target": target, "better": better, "met": met, "note": note})
        shown = "  ".join(f"{k} {v:.4g}" for k, v in values.items() if v is not None)
        print(f"{'ok ' if met else '-- ' if met is None else 'NO '} {name} [{unit}]: {shown}" +
              (f"  | {ratio:.2f} x {compare}, target {target}" if ratio is not None else ""), flush=True)

    def number(self, name, unit, value, target, better="lower", note="", peer=None):
        met = value <= target if better == "lower" else value >= target
        self.rows.append({"name": name, "unit": unit, "values": {"sandlock": value, "peer": peer}, "compare": None,
                          "ratio": None, "target": target, "better": better, "met": met, "note": note})
        print(f"{'ok ' if met else 'NO '} {name} [{unit}]: {value:.4g}, target {target}" +
              (f", peer {peer:.4g}" if peer is not None else ""), flush=True)


def output(command, **kw):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:4])} ... {' '.join(command[-4:])}: status {done.returncode}: "
                           f"{done.stderr.strip()[:400]}")
    return done.stdout


def times(b, prefixes, command, rounds):
    """Median microseconds of the whole command under each prefix, interleaved by the timer."""
    words = [b.tool("timer"), str(rounds)]
    for i, prefix in enumerate(prefixes.values()):
        words += (["---"] if i else []) + [*prefix, *command]
    lines = output(words, cwd=b.work).split("\n")
    return {name: float(lines[i].split()[0]) for i, name in enumerate(prefixes)}


def inner(b, prefixes, arguments, rounds, middle=statistics.median):
    """Median of what the `calls` program says about itself, rounds interleaved here."""
    samples = {name: [] for name in prefixes}
    for _ in range(rounds):
        for name, prefix in prefixes.items():
            samples[name].append(float(output([*prefix, b.tool("calls"), *arguments], cwd=b.work)))
    return {name: middle(s) for name, s in samples.items()}


# --- measures: each a function that adds rows ---------------------------------------------------------------------

def measure_start(b):
    grants = [f for p in ("/usr", "/bin", "/lib", "/lib64", "/etc") if os.path.exists(p) for f in ("-r", p)]
    prefixes = b.variants(names=("bare", "floor", "bwrap"))
    prefixes["sandlock"] = [b.sandlock, "run", *grants, "--"]
    prefixes["no-supervisor"] = [b.sandlock, "run", "--no-supervisor", *grants, "--"]
    if b.peer:
        prefixes["peer"] = [b.peer, "run", *grants, "--"]
    got = times(b, prefixes, ["/bin/true"], 40 if b.quick else 300)
    ms = {k: v / 1000 for k, v in got.items()}
    b.row("start and end of /bin/true", "ms", ms, "bare", 1.8)
    if "bwrap" in ms:
        b.row("the same, against bubblewrap", "ms", {k: ms[k] for k in ("sandlock", "bwrap")}, "bwrap", 0.4)


def measure_spawn(b):
    program = b.tool("library")
    for name, heap in (("library: spawn and wait of /bin/true", 0), ("the same from a host with 2 GiB of heap", 2048)):
        got = json.loads(output([program, "spawn", str(50 if b.quick else 300), str(heap)]))
        b.row(name, "us", {"bare": got["posix_spawn_us"], "sandlock": got["sandlock_us"]}, "bare", 1.05,
              note="bare is posix_spawn")


CALLS = [("getppid", "getppid"), ("read", "read of one byte"), ("open", "openat and close"), ("stat", "stat"),
         ("lseek", "lseek"), ("mmap", "mmap and munmap"), ("pipe", "pipe and close"),
         ("thread", "thread: create and join")]


def measure_calls(b):
    limits = ["-P", "200", "-m", "8G"]
    prefixes = b.variants(ours=limits, peer=limits)
    for name, title in CALLS:
        got = inner(b, prefixes, [name, "0.1" if b.quick else "0.3"], 3 if b.quick else 9)
        b.row(title, "us", {k: v / 1000 for k, v in got.items()}, "floor", 1.05, note="with -P and -m")


def measure_work(b):
    prefixes = b.variants()
    rounds = 3 if b.quick else 9
    with open(os.path.join(b.work, "a.c"), "w") as f:
        f.write("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint main(void)\n{\n"
                "\tputs(\"x\");\n\treturn 0;\n}\n")
    if shutil.which("gcc"):
        script = "i=0; while [ $i -lt 30 ]; do gcc -O1 -c a.c -o a.o || exit 1; i=$((i+1)); done"
        got = times(b, prefixes, ["/bin/sh", "-c", script], rounds)
        b.row("30 runs of gcc", "ms", {k: v / 1000 for k, v in got.items()}, "floor", 1.05)
    got = times(b, prefixes, [PYTHON, "-c", "import json, http.client, asyncio, sqlite3, unittest, decimal, ssl"],
                rounds * 2)
    b.row("python3: large imports", "ms", {k: v / 1000 for k, v in got.items()}, "floor", 1.05)
    os.makedirs(os.path.join(b.work, "files"), exist_ok=True)
    got = inner(b, prefixes, ["files", "1", os.path.join(b.work, "files")], rounds)
    b.row("1,500 small files: create, read, rename, remove", "ms", {k: v / 1e6 for k, v in got.items()}, "floor", 1.05)
    make_tree(os.path.join(b.work, "tree"))
    got = inner(b, prefixes, ["walk", "1", os.path.join(b.work, "tree")], rounds)
    b.row("walk of 3,000 files in 600 directories", "ms", {k: v / 1e6 for k, v in got.items()}, "floor", 1.05)


def make_tree(top):
    """The shape of node_modules: many small packages, some nested."""
    for package in range(200):
        for sub in ("", "lib", "node_modules/inner"):
            folder = os.path.join(top, f"package-{package}", sub)
            os.makedirs(folder, exist_ok=True)
            for i in range(5):
                with open(os.path.join(folder, f"file{i}.js"), "w") as f:
                    f.write("module.exports = 1;\n" * 20)


def busy_pair(prefix, command):
    """Calls a microsecond of two busy children, each in its own sandbox."""
    started = [subprocess.Popen([*prefix, *command], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return sum(1000 / float(p.communicate()[0]) for p in started)


def measure_trapped(b):
    prefixes = b.variants(ours=["--name", "bench"], names=("bare", "sandlock", "peer"))      # the peer always traps it
    prefixes["loop"] = [b.tool("loop")]
    rounds = 3 if b.quick else 9
    seconds = "0.2" if b.quick else "0.5"
    got = inner(b, prefixes, ["uname", seconds], rounds)
    b.row("a trapped call (uname with a given name)", "us", {k: v / 1000 for k, v in got.items()}, "loop", 1.2,
          note="loop: a minimal program that receives and answers")
    samples = {name: [] for name in prefixes}
    for _ in range(rounds):
        for name, prefix in prefixes.items():
            samples[name].append(busy_pair(prefix, [b.tool("calls"), "uname", "1"]))
    b.row("the same from two busy sandboxes at once", "calls/us",
          {k: statistics.median(v) for k, v in samples.items()}, "loop", 0.9, better="higher")


def measure_fork(b):
    limits = ["-P", "100"]
    prefixes = b.variants(ours=limits, peer=limits)
    got = inner(b, prefixes, ["fork", "0.3" if b.quick else "1"], 3 if b.quick else 9)
    b.row("fork, exit and wait", "us", {k: v / 1000 for k, v in got.items()}, "bare", 1.1, note="with -P")


def measure_memory(b):
    limits = ["-m", "2G"]
    prefixes = b.variants(ours=limits, peer=limits)
    script = "for i in range(60):\n a = [bytearray(100000) for _ in range(100)]\n del a\n"
    got = times(b, prefixes, [PYTHON, "-c", script], 5 if b.quick else 15)
    b.row("python3: allocate and free", "ms", {k: v / 1000 for k, v in got.items()}, "bare", 1.03, note="with -m")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def redis_once(prefix, port, requests):
    server = subprocess.Popen([*prefix, "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                               "--appendonly", "no", "--daemonize", "no"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        text = output(["redis-benchmark", "-p", str(port), "-n", str(requests), "-c", "20", "-t", "set,get", "--csv"])
        return {m.group(1): float(m.group(2)) for m in re.finditer(r'"(SET|GET)","([\d.]+)"', text)}
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


# --- the network ---------------------------------------------------------------------------------------------------

class Echo:
    """bench-echo on a free port, bare or behind a prefix."""

    def __init__(self, b, kind, prefix=(), port=0):
        self.process = subprocess.Popen([*prefix, b.tool("echo"), kind, str(port)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self.port

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def net_prefix(b, *rules):
    """Without unix sockets in reach, for which connect would be trapped under any rule."""
    return b.variants(ours=["--no-unix-write", *(w for rule in rules for w in ("--net-allow", rule))])["sandlock"]


# Both ends on one processor, and the round that was disturbed least: where they run, and what else runs there, decides
# more than anything that is measured here.
TOGETHER = ["taskset", "-c", "0"] if shutil.which("taskset") else []


def net_rounds(b, prefixes, work, port, middle=statistics.median):
    """Microseconds of one round of `work`, the rounds of the variants interleaved."""
    got = inner(b, prefixes, [work, "0.2" if b.quick else "0.5", str(port)], 7 if b.quick else 15, middle)
    return {k: v / 1000 for k, v in got.items()}


def trap_cost(b):
    got = inner(b, {"bare": [], "loop": [b.tool("loop")]}, ["uname", "0.2"], 5)
    return (got["loop"] - got["bare"]) / 1000


def measure_net(b):
    trap = trap_cost(b)
    with Echo(b, "accept") as port:
        prefixes = {"bare": [], "sandlock": net_prefix(b, f"tcp://*:{port}"), "host": net_prefix(b, f"tcp://127.0.0.1:{port}")}
        us = net_rounds(b, prefixes, "connect", port)
        b.row("connect and close, rule of a port", "us", {k: us[k] for k in ("bare", "sandlock")}, "bare", 1.1)
        b.row("connect and close, rule of a host", "us",
              {"bare": us["bare"], "budget": us["bare"] + 2 * trap, "sandlock": us["host"]}, "budget", 1.0,
              note="budget: bare and two round trips of a minimal notifier")
        measure_rules(b, port)
    for work, kind, title in (("request", "echo", "request and answer on a TCP connection"),
                              ("bulk", "sink", "one megabyte by sendmsg on a TCP connection")):
        with Echo(b, kind, TOGETHER) as port:
            inside = net_prefix(b, f"tcp://127.0.0.1:{port}")
            us = net_rounds(b, {"bare": TOGETHER, "sandlock": TOGETHER + inside}, work, port, min)
            b.row(title, "us", us, "bare", 1.03, note="rule of a host; only connect is trapped")
    measure_server(b)
    with Echo(b, "datagram") as port:
        us = net_rounds(b, {"bare": [], "sandlock": net_prefix(b, f"udp://127.0.0.1:{port}")}, "datagram", port)
        rate = {"bare": 1000 / us["bare"], "ceiling": 1000 / (us["bare"] + trap), "sandlock": 1000 / us["sandlock"]}
        b.row("UDP echo", "per ms", rate, "ceiling", 0.5, better="higher", note="ceiling: bare and one round trip of a notifier")


def measure_server(b):
    """A server that answers by sendmsg, in the sandbox; its client outside."""
    samples = {"bare": [], "sandlock": []}
    for _ in range(7 if b.quick else 15):
        for name in samples:
            port = free_port()
            rules = b.variants(ours=["--net-allow-bind", str(port), "--net-allow", "tcp://192.0.2.1:443"])["sandlock"]
            with Echo(b, "echo", TOGETHER + rules if name == "sandlock" else TOGETHER, port):
                samples[name].append(float(output([*TOGETHER, b.tool("calls"), "request", "0.2", str(port)])) / 1000)
    b.row("a server that answers by sendmsg", "us", {k: min(v) for k, v in samples.items()}, "bare", 1.03,
          note="rule of a host; nothing of it is trapped")


def measure_rules(b, port):
    """What a connect costs with N rules of single addresses, the one that allows it last."""
    counts = [10, 100, 1000, 10000]
    prefixes = {}
    for count in counts:
        rules = [f"tcp://10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}:443" for i in range(1, count)] + [f"tcp://127.0.0.1:{port}"]
        profile = os.path.join(b.work, f"rules{count}.toml")
        with open(profile, "w") as f:
            f.write("[network]\nallow = " + json.dumps(rules) + "\n")
        prefixes[str(count)] = [b.sandlock, "run", "--quiet", "--profile-file", profile, *b.grants(), "--"]
    us = net_rounds(b, prefixes, "connect", port)
    us["sandlock"] = us["10000"]
    b.row("connect and close with 10 to 10,000 rules", "us", us, "10", 1.15, note="sandlock: 10,000 rules")


def measure_redis(b):
    if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
        print("-- redis: not installed")
        return
    samples = {}
    for _ in range(3 if b.quick else 7):
        port = free_port()
        allow = ["--net-allow-bind", str(port)]
        for name, prefix in b.variants(ours=allow, peer=allow, names=("bare", "sandlock", "bwrap", "peer")).items():
            for kind, value in redis_once(prefix, port, 20000 if b.quick else 60000).items():
                samples.setdefault(kind, {}).setdefault(name, []).append(value)
    for kind, by_name in samples.items():
        b.row(f"redis {kind} over the granted port", "requests/s",
              {k: statistics.median(v) for k, v in by_name.items()}, "bare", 0.98, better="higher")


def measure_many(b):
    for name, arguments in ((f"{100 if b.quick else 1000} sandboxes in sequence: left behind", ["sequence", 100 if b.quick else 1000]),
                            (f"{50 if b.quick else 200} sandboxes at once: left behind", ["crowd", 50 if b.quick else 200])):
        got = json.loads(output([b.tool("library"), *map(str, arguments)]))
        left = sum(got[k] for k in ("descriptors", "processes", "threads", "files", "ipc"))
        b.number(name, "objects", left, 0, note=json.dumps(got))
        b.number(name.replace("left behind", "memory that grew"), "KiB", got["private_kib"], 512)


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(m.group(1)) for m in re.finditer(r"^Private_(?:Clean|Dirty):\s+(\d+)", f.read(), re.M))


def supervisor_kib(prefix):
    """Private memory of the command while its program sleeps. The reaper shares it, so it is counted once."""
    process = subprocess.Popen([*prefix, "/bin/sleep", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    value = private_kib(process.pid)
    process.wait()
    return value


def measure_footprint(b):
    prefixes = b.variants(ours=["--name", "x"], names=("sandlock", "peer"))
    got = {name: supervisor_kib(prefix) for name, prefix in prefixes.items()}
    b.number("private memory of a supervisor", "KiB", got["sandlock"], 512, peer=got.get("peer"))
    linked = subprocess.run(["ldd", b.sandlock], capture_output=True, text=True)
    static = "not a dynamic executable" in linked.stdout + linked.stderr or "statically" in linked.stdout
    names = set() if static else {l.split()[0] for l in linked.stdout.splitlines()}
    foreign = [n for n in names if not re.match(r"(linux-vdso|libc\.|libpthread|.*/ld-)", n)]
    b.number("libraries that the command links beside libc", "libraries", len(foreign), 0,
             note="static" if static else " ".join(sorted(names)))


def measure_overshoot(b):
    """How much above --max-memory a program gets that touches memory as fast as it can."""
    limit, worst = 200, 0
    progress = os.path.join(b.work, "progress")
    for _ in range(3 if b.quick else 10):
        with open(progress, "wb") as f:
            f.write(bytes(4096))
        prefix = b.variants(ours=["-m", f"{limit}M"], names=("sandlock",))["sandlock"]
        subprocess.run([*prefix, b.tool("calls"), "hog", "5", progress], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        with open(progress, "rb") as f:
            worst = max(worst, int.from_bytes(f.read(8), "little"))
    b.number("overshoot of --max-memory 200M, worst of the runs", "MiB", worst - limit, 200)


MEASURES = {
    "start": measure_start, "spawn": measure_spawn, "calls": measure_calls, "work": measure_work,
    "trapped": measure_trapped, "net": measure_net, "fork": measure_fork, "memory": measure_memory, "redis": measure_redis,
    "many": measure_many, "footprint": measure_footprint, "overshoot": measure_overshoot,
}


def markdown(result):
    columns = [c for c in ("bare", "floor", "loop", "no-supervisor", "sandlock", "bwrap", "peer")
               if any(r["values"].get(c) is not None for r in result["rows"])]
    lines = ["| measure | unit | " + " | ".join(columns) + " | ratio | target | met |",
             "|---" * (len(columns) + 5) + "|"]
    for r in result["rows"]:
        cells = [f"{r['values'][c]:,.4g}" if r["values"].get(c) is not None else "" for c in columns]
        ratio = f"{r['ratio']:.2f} x {r['compare']}" if r["ratio"] is not None else ""
        sign = "at most" if r["better"] == "lower" else "at least"
        lines.append(f"| {r['name']} | {r['unit']} | " + " | ".join(cells) +
                     f" | {ratio} | {sign} {r['target']} | {'' if r['met'] is None else 'yes' if r['met'] else 'no'} |")
    return "\n".join(lines) + "\n"


def machine():
    model = ""
    with open("/proc/cpuinfo") as f:
        found = re.search(r"model name\s*:\s*(.*)", f.read())
        model = found.group(1) if found else platform.machine()
    return {"kernel": platform.release(), "cpu": model, "cores": os.cpu_count()}


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--sandlock", required=True)
    parser.add_argument("--peer", help="another sandlock command to compare with")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, not a result")
    parser.add_argument("--only", default="*", help="names of measures, with * and commas")
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    args = parser.parse_args()
    failures = []
    with tempfile.TemporaryDirectory(prefix="sandlock-bench.") as work:
        os.environ["TMPDIR"] = work     # the one folder that every sandbox here may write to
        b = Bench(args, work)
        for name, measure in MEASURES.items():
            if not any(fnmatch.fnmatch(name, p) for p in args.only.split(",")):
                continue
            try:
                measure(b)
            except (RuntimeError, OSError, ValueError, KeyError) as problem:
                failures.append(f"{name}: {problem}")
                print(f"!!  {name}: {problem}", flush=True)
    result = {"machine": machine(), "quick": args.quick, "rows": b.rows, "failures": failures}
    with open(args.json or os.path.join(args.build, "bench.json"), "w") as f:
        json.dump(result, f, indent=1)
    with open(args.markdown or os.path.join(args.build, "bench.md"), "w") as f:
        f.write(markdown(result))
    missed = [r["name"] for r in b.rows if r["met"] is False]
    print(f"bench: {len(b.rows)} rows, {len(missed)} targets missed, {len(failures)} measures failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

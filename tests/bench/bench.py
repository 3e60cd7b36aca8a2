#!/usr/bin/env python3
"""Measures sandlock against the bare program, the floor of confinement, bubblewrap and a peer, in the same run.

    tests/bench/bench.py --build build --sandlock build-musl/src/sandlock [--peer PATH] [--quick] [--only PATTERN]
                         [--json FILE] [--markdown FILE]

Every figure is the median of interleaved rounds; ratios are what to look at. `floor` is a program confined by one
Landlock rule and a filter that allows everything: nobody can be cheaper. Results go to build/bench.json and
build/bench.md. tools/bench-table puts the table into the README.
"""
import argparse
import contextlib
import fnmatch
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from servers import CLIENT, SERVER, Echo, Nginx, Redis, free_port, program

# Not /proc: where it is granted opens are trapped, for its files about the network.
SYSTEM = [p for p in ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/opt", "/dev") if os.path.exists(p)]
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

    def row(self, name, unit, values, compare, target, better="lower", note="", ratio=None):
        """compare: the variant that the target is a ratio to. None where it is not there."""
        if ratio is None and values.get("sandlock") is not None and values.get(compare):
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


# --- the network ---------------------------------------------------------------------------------------------------

def alternate(work, rounds):
    """Samples of each of `work`, name -> function, in turns: forwards, then backwards, so that a drift hits all alike."""
    samples = {name: [] for name in work}
    for i in range(rounds):
        for name in list(work)[::-1 if i % 2 else 1]:
            samples[name].append(work[name]())
    return samples


def paired(b, name, unit, samples, ours, base, target, columns=(), **kw):
    """A row of medians. Its ratio is the median of ratios of runs that were made one after the other."""
    values = {"bare": samples["bare"], base: samples[base], **{to: samples[c] for c, to in columns if c in samples},
              "sandlock": samples[ours]}
    b.row(name, unit, {k: statistics.median(v) for k, v in values.items()}, base, target,
          ratio=statistics.median(x / y for x, y in zip(samples[ours], samples[base])), **kw)


def sandlock(b, *rules, flags=()):
    """Without unix sockets in reach, for which connect would be trapped under any rule."""
    return b.variants(ours=["--no-unix-write", *flags, *(w for r in rules for w in ("--net-allow", r))])["sandlock"]


def timed(b, work, port, **prefixes):
    """Samples of microseconds of one round of `work` of bench-calls, the client on its own processor."""
    def once(prefix):
        words = [*CLIENT, *prefix, b.tool("calls"), work, "0.2" if b.quick else "0.4", str(port)]
        return lambda: float(output(words, cwd=b.work)) / 1000
    return alternate({name: once(prefix) for name, prefix in prefixes.items()}, 5 if b.quick else 15)


def measure_net(b):
    loop = [b.tool("loop")]
    with Echo(b, "accept", SERVER) as port:
        got = timed(b, "connect", port, sandlock=sandlock(b, f"tcp://*:{port}"), bare=[],
                    host=sandlock(b, f"tcp://127.0.0.1:{port}"), loop=loop)
        got["budget"] = [bare + 2 * (trap - bare) for bare, trap in zip(got["bare"], got["loop"])]
        paired(b, "connect and close, rule of a port", "us", got, "sandlock", "bare", 1.1)
        paired(b, "connect and close, rule of a host", "us", got, "host", "budget", 1.0, [("loop", "loop")],
               note="loop: a minimal program that has every connect told and lets it go on; budget: bare and twice what that adds")
        measure_rules(b, port)
    for work, kind, title in (("request", "echo", "request and answer on a TCP connection"),
                              ("bulk", "sink", "one megabyte by sendmsg on a TCP connection")):
        with Echo(b, kind, SERVER) as port:
            got = timed(b, work, port, bare=[], sandlock=sandlock(b, f"tcp://127.0.0.1:{port}"))
            paired(b, title, "us", got, "sandlock", "bare", 1.03, note="rule of a host; only connect is trapped")
    measure_sendmsg_server(b)
    with Echo(b, "datagram", SERVER) as port:
        got = timed(b, "datagram", port, bare=[], loop=loop, sandlock=sandlock(b, f"udp://127.0.0.1:{port}"))
        rate = {name: [1000 / us for us in samples] for name, samples in got.items()}
        paired(b, "UDP echo, rule of a host", "per ms", rate, "sandlock", "loop", 0.5, better="higher",
               note="loop: a minimal program that has every send told and lets it go on")


def measure_sendmsg_server(b):
    """A server that answers by sendmsg, in the sandbox; its client outside."""
    samples = {}
    with contextlib.ExitStack() as stack:
        work = {}
        for name in ("bare", "sandlock"):
            port = free_port()
            rules = sandlock(b, "tcp://192.0.2.1:443", flags=["--net-allow-bind", str(port)]) if name == "sandlock" else []
            stack.enter_context(Echo(b, "echo", [*SERVER, *rules], port))
            words = [*CLIENT, b.tool("calls"), "request", "0.2", str(port)]
            work[name] = lambda words=words: float(output(words)) / 1000
        samples = alternate(work, 7 if b.quick else 15)
    paired(b, "a server that answers by sendmsg", "us", samples, "sandlock", "bare", 1.03,
           note="rule of a host; nothing of it is trapped")


def measure_rules(b, port):
    """What a connect costs with N rules of single addresses, the one that allows it last."""
    prefixes = {}
    for count in (10, 100, 1000, 10000):
        rules = [f"tcp://10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}:443" for i in range(1, count)] + [f"tcp://127.0.0.1:{port}"]
        profile = os.path.join(b.work, f"rules{count}.toml")
        with open(profile, "w") as f:
            f.write("[network]\nallow = " + json.dumps(rules) + "\n")
        prefixes[str(count)] = [b.sandlock, "run", "--quiet", "--profile-file", profile, *b.grants(), "--"]
    got = timed(b, "connect", port, bare=[], **prefixes)
    medians = {count: statistics.median(got[count]) for count in prefixes}
    paired(b, "connect and close with 10,000 rules", "us", got, "10000", "10", 1.15,
           note=", ".join(f"{count} rules: {us:.3g} us" for count, us in medians.items()))


# What each rule is for the two sides: words for us, words for the peer. "port" traps nothing, "host" has connect judged.
SIDES = {
    "server": {"port": (["--net-allow-bind", "{port}"], ["--net-allow-bind", "{port}"]),
               "host": (["--net-allow-bind", "{port}", "--net-allow", "tcp://192.0.2.1:443"],
                        ["--net-allow-bind", "{port}", "--net-allow", "192.0.2.1:443"])},
    "client": {"port": (["--net-allow", "tcp://*:{port}"], ["--net-allow", ":{port}"]),
               "host": (["--net-allow", "tcp://127.0.0.1:{port}"], ["--net-allow", "127.0.0.1:{port}"])},
}
THROUGHPUT_TARGETS = {"port": 0.98, "host": 0.97}


def throughput_prefixes(b, side, port):
    """name -> words before the one that is confined. Ours are next to the bare one in every round."""
    made = {}
    for rule, (ours, peer) in SIDES[side].items():
        words = [[w.format(port=port) for w in words] for words in (["--no-unix-write", *ours], peer)]
        for name, prefix in b.variants(ours=words[0], peer=words[1], names=("sandlock", "floor", "bwrap", "bare", "peer")).items():
            made[name if name in ("bare", "floor", "bwrap") else f"{name} {rule}"] = prefix
    order = ["floor", "sandlock port", "bare", "sandlock host", "bwrap", "peer port", "peer host"]
    return {name: made[name] for name in order if name in made}


def throughput(b, load):
    """Requests per second with the server confined, its client outside, and the other way round: all servers run all the
    time, so that the rounds of the variants can be short and close together."""
    for side in SIDES:
        with contextlib.ExitStack() as stack:
            def start(prefix, port):
                stack.enter_context(load.server(b, [*SERVER, *prefix], port))
            work = {}
            shared = free_port()
            if side == "client":
                start([], shared)
            for name in throughput_prefixes(b, side, 0):
                port = shared if side == "client" else free_port()
                prefix = throughput_prefixes(b, side, port)[name]
                if side == "server":
                    start(prefix, port)
                words = [*CLIENT, *(prefix if side == "client" else []), *load.client(port)]
                work[name] = lambda words=words: load.rate(output(words, cwd=b.work))
            samples = alternate(work, 3 if b.quick else load.rounds)
        for rule, target in THROUGHPUT_TARGETS.items():
            paired(b, f"{load.title}, {side} in the sandbox, rule of a {rule}", "requests/s", samples, f"sandlock {rule}", "bare",
                   target, [("floor", "floor"), ("bwrap", "bwrap"), (f"peer {rule}", "peer")], better="higher")


def measure_throughput(load):
    def measure(b):
        missing = [p for p in load.programs if not program(p)]
        if missing:
            print(f"-- {load.title}: {missing[0]} is not installed")
            return
        throughput(b, load)
    return measure


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
    "trapped": measure_trapped, "net": measure_net, "redis": measure_throughput(Redis), "nginx": measure_throughput(Nginx),
    "fork": measure_fork, "memory": measure_memory,
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

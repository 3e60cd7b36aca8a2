"""Destinations: what is allowed is as without a sandbox, what is not is refused, and no race, odd argument or wait changes that."""
import contextlib
import json
import os
import resource
import socket
import subprocess
import threading
import time

import pytest

import box

TRIES = int(os.environ.get("SANDLOCK_NET_TRIES", "4000"))       # 1000000 for the whole proof
SYSTEM = ["-r", "/"]


class Port:
    """A port of this machine, IPv4 and IPv6, TCP and UDP, that counts what comes."""

    def __init__(self):
        self.udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        while True:                                     # until one is free for both
            self.tcp = socket.socket(socket.AF_INET6)
            self.tcp.bind(("::", 0))
            self.number = self.tcp.getsockname()[1]
            try:
                self.udp.bind(("::", self.number))
                break
            except OSError:
                self.tcp.close()
        self.tcp.listen(4096)
        self.connections, self.datagrams, self.kept = 0, 0, []
        for serve in (self._accept, self._receive):
            threading.Thread(target=serve, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.tcp.accept()[0]
                self.connections += 1
                if len(self.kept) < 20:
                    self.kept.append(connection)
                    threading.Thread(target=self._drain, args=(connection,), daemon=True).start()

    @staticmethod
    def _drain(connection):
        with contextlib.suppress(OSError):
            while connection.recv(1 << 16):
                pass

    def _receive(self):
        with contextlib.suppress(OSError):
            while True:
                self.udp.recv(1 << 17)
                self.datagrams += 1

    def close(self):
        self.tcp.shutdown(socket.SHUT_RDWR)
        for s in (self.tcp, self.udp, *self.kept):
            s.close()


@pytest.fixture
def port():
    made = Port()
    yield made
    made.close()


@pytest.fixture
def other():
    made = Port()
    yield made
    made.close()


@pytest.fixture
def hole():
    """A port whose queue is full: no answer comes, as from a black hole."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fill = [socket.socket() for _ in range(4)]
    for s in fill:
        s.setblocking(False)
        s.connect_ex(listener.getsockname())
    time.sleep(0.1)
    yield listener.getsockname()[1]
    for s in (listener, *fill):
        s.close()


def allow(port):
    return ["--net-allow", f"127.0.0.1:{port}", "--net-allow", f"[::1]:{port}"]


def both(helper, *words, flags):
    """What a helper prints without and within a sandbox."""
    script = [box.PYTHON, os.path.join(box.HELPERS, helper), *map(str, words)]
    bare = subprocess.run(script, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    inside = box.check(box.run(*SYSTEM, *flags, "--", *script, timeout=60))
    assert bare.returncode == 0, bare
    return bare.stdout.splitlines(), inside.stdout.splitlines(), inside


def test_what_is_allowed_is_as_without_a_sandbox_and_the_rest_is_refused(port, other):
    bare, inside, _ = both("netlike.py", port.number, other.number, flags=["--quiet", *allow(port.number)])
    assert len(bare) == len(inside)
    for line, there in zip(bare, inside):
        if not line.startswith("forbidden"):
            assert line == there
        elif "source route" in line:
            assert there.endswith("EPERM")
        else:
            assert there.endswith(": ECONNREFUSED")
            assert not line.endswith("ECONNREFUSED"), f"fails without a sandbox too: {line}"
    mine = sum(1 for line in bare if line.startswith("forbidden"))
    assert mine >= 9
    assert other.connections + other.datagrams >= 5, "it can be reached without a sandbox"


def test_nothing_reaches_the_forbidden_port_from_inside(port, other):
    box.check(box.run(*SYSTEM, "--quiet", *allow(port.number), "--", box.PYTHON,
                      os.path.join(box.HELPERS, "netlike.py"), port.number, other.number))
    time.sleep(0.1)
    assert (other.connections, other.datagrams) == (0, 0)
    assert port.connections > 0 and port.datagrams > 0


# The kernel looks at an unconnected TCP socket before it looks at data that is not sent; the copy is made before.
ORDER = ("sendto data tcp", "sendmsg data tcp", "sendmsg control tcp", "sendmsg control length tcp")


def test_odd_arguments_get_the_errno_of_the_kernel(port):
    program = box.compiled("netodd")
    bare = subprocess.run([program, str(port.number)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    inside = box.check(box.run(*SYSTEM, "--quiet", *allow(port.number), "--", program, port.number))
    assert bare.stdout.count("\n") > 1700
    different = [(a, b) for a, b in zip(bare.stdout.splitlines(), inside.stdout.splitlines(), strict=True)
                 if a != b and not a.startswith(ORDER)]
    assert different == []


RACES = [(call, flip) for call in ("connect-tcp", "connect-udp", "sendto", "sendmsg", "sendmmsg")
         for flip in ("port", "family", "name", "descriptor")
         if not (flip == "name" and not call.startswith("sendm")) and (call, flip) != ("connect-tcp", "descriptor")]
RACES += [(call, "form") for call in ("sendto", "sendmsg", "sendmmsg")]


@pytest.mark.parametrize("call,flip", RACES)
def test_two_threads_do_not_get_past_the_check(call, flip, port, other):
    command = [box.compiled("netrace", "-O2"), call, flip]
    ports = [str(port.number), str(other.number)]
    for _ in range(30):
        subprocess.run([*command, "4000" if call.startswith("connect") else "40000", *ports], check=True, capture_output=True, timeout=60)
        time.sleep(0.1)
        came = other.connections if call == "connect-tcp" else other.datagrams
        if came:
            break
    assert came, "the race is not won without a sandbox, so it would prove nothing"
    before = (other.connections, other.datagrams)
    done = box.check(box.run(*SYSTEM, "--quiet", "--net-allow", f"127.0.0.1:{port.number}", "--", *command, TRIES, *ports,
                             timeout=60 + TRIES / 2000))
    time.sleep(0.2)
    assert (other.connections, other.datagrams) == before
    if flip in ("port", "name"):
        assert int(done.stdout) > TRIES / 20, "nearly nothing was let through: the race was not run"


@pytest.mark.parametrize("count", [60, 300])
def test_connects_that_wait_are_native_and_delay_nobody(count, hole, port):
    bare, inside, _ = both("netwait.py", hole, port.number, count,
                           flags=["--quiet", "--net-allow", f"tcp://127.0.0.1:{hole},{port.number}"])
    assert len(bare) == 5

    def times(line):
        return [float(word.strip(",()")) for word in line.split() if word[0].isdigit() and "." in word]

    for line, there in zip(bare, inside, strict=True):
        assert [w for w in line.split() if "." not in w] == [w for w in there.split() if "." not in w]
        assert all(abs(a - b) <= 0.3 for a, b in zip(times(line), times(there), strict=True)), (line, there)


def test_a_waiting_tree_ends_at_once_when_it_is_killed(hole):
    code = f"""
import socket, threading, time
for i in range(200):
    threading.Thread(target=lambda: socket.socket().connect(("127.0.0.1", {hole})), daemon=True).start()
time.sleep(60)
"""
    start = time.monotonic()
    done = box.run(*SYSTEM, "--quiet", "--timeout", "2", "--net-allow", f"tcp://127.0.0.1:{hole}", "--", box.PYTHON, "-c", code)
    assert done.returncode == 124
    assert time.monotonic() - start < 6


def test_what_waits_leaves_the_host_the_upper_half_of_its_descriptors(hole, port):
    """More threads in connects that get no answer than the host has descriptors; others still connect."""
    code = f"""
import os, socket, threading, time
def wait():
    s = socket.socket()
    s.setsockopt(1, socket.SO_SNDTIMEO, b"\\x1e" + b"\\0" * 15)
    s.connect_ex(("127.0.0.1", {hole}))
for i in range(2):
    if os.fork() == 0:
        for n in range(150):
            threading.Thread(target=wait, daemon=True).start()
        time.sleep(60)
time.sleep(2)
for i in range(20):
    socket.create_connection(("127.0.0.1", {port.number})).close()
print("made", flush=True)
time.sleep(2)
os._exit(0)
"""
    most = 0
    child = box.start(*SYSTEM, "--quiet", "--timeout", "40", "--net-allow", f"tcp://127.0.0.1:{hole},{port.number}", "--",
                      box.PYTHON, "-c", code, text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)))
    while child.poll() is None:
        with contextlib.suppress(OSError):
            most = max(most, len(os.listdir(f"/proc/{child.pid}/fd")))
        time.sleep(0.02)
    out, err = child.communicate()
    assert (child.returncode, out) == (0, "made\n"), err
    assert 40 < most < 160, "those who wait have half of 256, and some who try are on the way"


def test_a_hostile_tree_that_makes_us_block_does_not_hold_the_end(hole):
    """A second thread takes O_NONBLOCK away while the supervisor connects."""
    code = f"""
import fcntl, os, socket, threading
s = socket.socket()
def flip():
    while True:
        fcntl.fcntl(s.fileno(), fcntl.F_SETFL, 0)
threading.Thread(target=flip, daemon=True).start()
for i in range(100000):
    n = socket.socket()
    os.dup2(n.fileno(), s.fileno())
    n.close()
    s.setsockopt(1, socket.SO_SNDTIMEO, b"\\0" * 8 + b"\\x10" + b"\\0" * 7)
    s.connect_ex(("127.0.0.1", {hole}))
"""
    start = time.monotonic()
    box.run(*SYSTEM, "--quiet", "--timeout", "3", "--net-allow", f"tcp://127.0.0.1:{hole}", "--", box.PYTHON, "-c", code)
    assert time.monotonic() - start < 8


def test_a_refusal_says_where_why_and_what_would_grant_it(other, tmp_path):
    code = f"""
import socket
for target in ("127.0.0.1", {other.number}), ("203.0.113.1", 22):
    try:
        socket.socket().connect(target)
    except ConnectionRefusedError:
        pass
"""
    report = tmp_path / "report.json"
    box.check(box.run(*SYSTEM, f"--report={report}", "--net-allow", "tcp://192.0.2.1:443", "--net-deny", "203.0.113.0/24",
                      "--", box.PYTHON, "-c", code))
    entries = {e["target"]: e for e in json.loads(report.read_text())["refusals"]}
    first, second = entries[f"127.0.0.1:{other.number} (tcp)"], entries["203.0.113.1:22 (tcp)"]
    assert first["operation"] == "connect" and first["error"] == "ECONNREFUSED"
    assert first["rule"] == "no --net-allow rule covers it"
    assert first["flag"] == f"--net-allow tcp://127.0.0.1:{other.number}"
    assert second["rule"] == "--net-deny 203.0.113.0/24"
    assert second.get("flag") is None


COUNT = """
import socket, sys
s = socket.socket()
s.connect(("127.0.0.1", int(sys.argv[1])))
for i in range(int(sys.argv[2])):
    s.sendmsg([b"a", b"b"])
    s.send(b"x")
    s.sendall(b"x")
"""


@pytest.mark.parametrize("rule,connects,sends", [("tcp://:{}", 0, 0), ("tcp://127.0.0.1:{}", 1, 0), ("127.0.0.1:{}", 1, 1000)])
def test_only_what_must_be_judged_is_trapped(rule, connects, sends, port):
    """No call under a rule of ports alone; only connect under TCP rules; sendmsg too where UDP sockets can be made."""
    def notifications(*words, code=COUNT):
        done, status = box.status(*SYSTEM, "--net-allow", rule.format(port.number), "--", box.PYTHON, "-c", code, *words)
        box.check(done)
        return status["notifications"]

    least = notifications(code="import socket, sys")
    once = notifications(port.number, 0)
    assert once - least == connects
    assert notifications(port.number, 1000) - once == sends

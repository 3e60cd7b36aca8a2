"""bind: who may have which port, ports of the sandbox's own, and names of unix sockets where bind is made on behalf."""
import os
import re
import shutil
import socket
import stat
import subprocess
import time

import pytest

import box


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(type=kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def port():
    return free_port()


class Taken:
    """Somebody outside who has a port."""

    def __init__(self, port, *options, kind=socket.SOCK_STREAM, address="0.0.0.0"):
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        for option in options:
            self.socket.setsockopt(socket.SOL_SOCKET, option, 1)
        self.socket.bind((address, port))
        if kind == socket.SOCK_STREAM:
            self.socket.listen(16)
            self.socket.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def connections(self):
        count = 0
        while True:
            try:
                self.socket.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


# Words of a program: "tcp 8080", "udp6 ::1 8080" ... one line of answer each.
TRY = """
import errno, socket, sys
def attempt(family, kind, address, port, reuse=()):
    with socket.socket(family, kind) as s:
        for option in reuse:
            s.setsockopt(socket.SOL_SOCKET, option, 1)
        s.bind((address, port))
        return s.getsockname()[1]
def say(*words, **named):
    try:
        print(attempt(*words, **named))
    except OSError as e:
        print(errno.errorcode[e.errno])
TCP, UDP, V4, V6 = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.AF_INET, socket.AF_INET6
"""


def tries(flags, *lines, **kw):
    done = box.check(box.python(TRY + "\n".join(lines), *flags, **kw))
    return done.stdout.split()


# --- who may have which port ---

def test_without_a_rule_udp_may_have_any_free_port_and_none_by_number(port):
    flags = ["--net-allow", f"udp://127.0.0.1:{port}"]
    answers = tries(flags, "say(V4, UDP, '127.0.0.1', 0)", f"say(V4, UDP, '127.0.0.1', {port})",
                    f"say(V6, UDP, '::1', {port})", f"say(V4, TCP, '127.0.0.1', {port})", "say(V4, TCP, '127.0.0.1', 0)")
    assert answers[0].isdigit() and answers[1:] == ["EACCES"] * 4


def test_an_allow_list_is_for_tcp_and_udp_alike(port):
    flags = ["--net-allow", f"udp://127.0.0.1:{port}", "--net-allow-bind", port]
    answers = tries(flags, f"say(V4, UDP, '127.0.0.1', {port})", f"say(V4, TCP, '127.0.0.1', {port})",
                    f"say(V6, UDP, '::', {port})", f"say(V6, TCP, '::', {port})", f"say(V4, UDP, '', {port + 1})",
                    f"say(V4, TCP, '', {port + 1})")
    assert answers == [str(port)] * 4 + ["EACCES"] * 2


def test_denied_ports_are_denied_for_tcp_and_udp_and_the_rest_is_free(port):
    flags = ["--net-allow", f"udp://127.0.0.1:{port}", "--net-deny-bind", f"{port}-{port + 1}"]
    lines = [f"say({family}, {kind}, {address!r}, {n})" for n in (port, port + 1) for kind in ("TCP", "UDP")
             for family, address in (("V4", "127.0.0.1"), ("V4", ""), ("V6", "::"), ("V6", "::1"))]
    answers = tries(flags, *lines, f"say(V4, TCP, '127.0.0.1', 0)", f"say(V4, TCP, '127.0.0.1', {free_port()})")
    assert set(answers[:-2]) == {"EACCES"} and answers[-1].isdigit() and answers[-2].isdigit()


def test_a_refused_port_is_reported_with_what_decided(port):
    flags = ["--net-deny-bind", port, "--net-allow", "udp://127.0.0.1:9", "--report"]
    text = box.python(TRY + f"say(V4, UDP, '', {port})", *flags).stderr
    assert f"port {port} (udp)" in text and "--net-deny-bind" in text and "no option allows this" in text
    text = box.python(TRY + f"say(V4, UDP, '', {port})", *flags[2:]).stderr
    assert f"port {port} (udp)" in text and f"--net-allow-bind {port}" in text


def test_bind_gives_the_errors_of_the_kernel(work):
    code = TRY + """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def raw(fd, data, size):
    print(errno.errorcode[ctypes.get_errno()] if libc.bind(fd, data, size) else "ok")
s, u, x = socket.socket(), socket.socket(V6), socket.socket(socket.AF_UNIX)
raw(s.fileno(), b"", 0); raw(s.fileno(), None, 16); raw(s.fileno(), bytes(200), 200); raw(s.fileno(), bytes([2, 0]), 2)
raw(999, bytes(16), 16); raw(1, bytes(16), 16); raw(s.fileno(), bytes([10, 0] + [0] * 26), 28); raw(s.fileno(), bytes(16), 16)
raw(s.fileno(), bytes(16), 16); raw(u.fileno(), bytes([2, 0] + [0] * 14), 16); raw(x.fileno(), bytes([1]), 1)
raw(x.fileno(), bytes([2, 0, 65, 65]), 4); raw(x.fileno(), bytes([1, 0] + [65] * 120), 122)
raw(socket.socket(V4, TCP).fileno(), bytes([2, 0, 0, 0, 9, 9, 9, 9] + [0] * 8), 16)
"""
    bare = box.bare_python(code)
    inside = box.check(box.python(code, "--port-remap", "--net-allow-bind", "*", "-w", work))
    assert inside.stdout.split() == bare.stdout.split()


def test_listening_on_a_socket_that_was_never_bound_takes_a_port_only_where_it_may():
    code = "import socket; s = socket.socket(); s.listen(); print(s.getsockname()[1])"
    assert "PermissionError" in box.python(code, "--port-remap").stderr
    assert box.check(box.python(code, "--port-remap", "--net-allow-bind", "0")).stdout.strip().isdigit()
    assert box.check(box.python(code, "--net-deny-bind", "1")).stdout.strip().isdigit()


CLIENT = """
import errno, socket, sys
def attempt(what, act):
    try:
        act()
        print(what, "done")
    except OSError as e:
        print(what, errno.errorcode[e.errno])
for family, host in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
    s = socket.socket(family)
    attempt("bind", lambda: s.bind((host, 0)))
    attempt("listen", s.listen)
    attempt("named", lambda: socket.socket(family).bind((host, 40555)))
s = socket.socket()
s.bind(("127.0.0.1", 0))
attempt("connect", lambda: s.connect(("127.0.0.1", int(sys.argv[1]))))
attempt("listen", s.listen)
s.close()
"""


@pytest.mark.parametrize("judged", [[], ["--net-allow", "udp://127.0.0.1:9"], ["--net-allow", "127.0.0.2:9"]])
def test_a_clients_socket_may_be_bound_to_a_free_port_and_not_listen(judged):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        done = box.check(box.run("--net-allow", f"tcp://:{port}", *judged, "--", box.PYTHON, "-c", CLIENT, port))
    assert done.stdout.split("\n") == 2 * ["bind done", "listen EACCES", "named EACCES"] + [
        "connect done", "listen EACCES", ""], done


def test_without_anything_to_connect_to_no_port_may_be_bound():
    code = "import socket; socket.socket().bind(('127.0.0.1', 0))"
    for flags in [], ["--net-allow", "udp://:9"], ["--no-supervisor", "--net-allow", "tcp://:9"]:
        assert "PermissionError" in box.python(code, *flags).stderr


def test_under_an_allow_list_alone_no_bind_is_trapped(port):
    def notifications(count, *flags):
        code = f"""
import socket
for i in range({count}):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", {port}))
        s.listen(); s.getsockname()
"""
        return box.status(*flags, "--", box.PYTHON, "-c", code)[1]["notifications"]
    for allowed in ([0, port], ["*"]):
        flags = [w for p in allowed for w in ("--net-allow-bind", p)]
        assert notifications(100, *flags) - notifications(0, *flags) < 20
    judged = ["--net-deny-bind", "1"]
    assert notifications(100, *judged) - notifications(0, *judged) >= 100


# --- SO_REUSEPORT ---

STEAL = """
import errno, socket, sys
port, address, family, kind = int(sys.argv[1]), sys.argv[2], socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET, sys.argv[3]
s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
try:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind((address, port))
    kind == "tcp" and s.listen()
    print("stolen")
except OSError as e:
    print(errno.errorcode[e.errno])
"""


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("flags,answer", [(["--net-allow-bind", "PORT"], "EACCES"), (["--net-allow-bind", "*"], "EACCES"),
                                          (["--net-deny-bind", "1"], "EADDRINUSE"),
                                          (["--net-allow", "udp://127.0.0.1:9", "--net-allow-bind", "PORT"], "EADDRINUSE")])
def test_a_shared_port_of_somebody_outside_is_not_shared_with_the_sandbox(port, address, flags, answer):
    flags = [str(port) if f == "PORT" else f for f in flags]
    with Taken(port, socket.SO_REUSEPORT):
        bare = subprocess.run([box.PYTHON, "-c", STEAL, str(port), address, "tcp"], capture_output=True, text=True)
        assert bare.stdout.strip() == "stolen"
        done = box.check(box.run(*flags, "--", box.PYTHON, "-c", STEAL, port, address, "tcp"))
        assert done.stdout.strip() == answer


# The option is set while nobody has the port.
STEAL_LATER = """
import errno, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
print("set", flush=True)
sys.stdin.readline()
try:
    s.bind(("127.0.0.1", int(sys.argv[1])))
    s.listen()
    print("stolen")
except OSError as e:
    print(errno.errorcode[e.errno])
"""


def test_a_port_that_somebody_outside_shared_since_is_not_shared_with_the_sandbox(port):
    program = [box.PYTHON, "-c", STEAL_LATER, str(port)]
    for command, answer in ((program, "stolen"), ([box.SANDLOCK, "run", "-q", "--net-allow-bind", str(port), "--", *program],
                                                  "EADDRINUSE")):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as thief:
            assert thief.stdout.readline() == "set\n"
            with Taken(port, socket.SO_REUSEPORT):
                assert thief.communicate("now\n", timeout=60)[0].strip() == answer


def test_a_shared_udp_port_of_somebody_outside_is_not_shared_either():
    port = free_port(socket.SOCK_DGRAM)
    with Taken(port, socket.SO_REUSEADDR, kind=socket.SOCK_DGRAM):
        bare = subprocess.run([box.PYTHON, "-c", STEAL, str(port), "127.0.0.1", "udp"], capture_output=True, text=True)
        assert bare.stdout.strip() in ("stolen", "EADDRINUSE")
        done = box.run("--net-allow", "udp://127.0.0.1:9", "--net-allow-bind", port, "--", box.PYTHON, "-c", STEAL, port,
                       "127.0.0.1", "udp")
        assert box.check(done).stdout.strip() == "EADDRINUSE"


@pytest.mark.parametrize("flags", [["--net-deny-bind", "1"], ["--net-allow-bind", "PORT"], ["--port-remap", "--net-allow-bind", "PORT"]])
def test_the_sandbox_shares_its_ports_with_itself(port, flags):
    code = f"""
import os, socket
def server():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("127.0.0.1", {port})); s.listen()
    return s
a = server()
pid = os.fork()
if pid == 0:
    server(); os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    flags = [str(port) if f == "PORT" else f for f in flags]
    assert box.check(box.python(code, *flags)).stdout.strip() == "0"


# --- ports of the sandbox's own ---

SERVER = """
import socket, sys, threading
port, word = int(sys.argv[1]), sys.argv[2]
family = socket.AF_INET6 if ":" in sys.argv[3] else socket.AF_INET
s = socket.socket(family)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[3], port)); s.listen()
assert s.getsockname()[1] == port, s.getsockname()
def serve():
    while True:
        c, peer = s.accept()
        assert c.getsockname()[1] == port
        c.sendall(word.encode()); c.close()
threading.Thread(target=serve, daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
for to in sys.argv[4:]:
    try:
        c = socket.create_connection((to, port), timeout=10)
        assert c.getpeername()[1] == port, c.getpeername()
        print(c.makefile().read(), flush=True)
    except OSError as e:
        print(type(e).__name__, e, flush=True)
sys.stdin.readline()
"""


def serve(port, word, bind_to, *targets, flags=()):
    return box.start("--port-remap", "--net-allow-bind", port, "--net-allow", f":{port}", *flags, "--", box.PYTHON, "-c",
                     SERVER, str(port), word, bind_to, *targets, stdin=subprocess.PIPE)


def lan_address():
    """An address of this machine that is not the loopback."""
    with socket.socket(type=socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
            return s.getsockname()[0]
        except OSError:
            return None


def answers(boxes, count):
    try:
        for b in boxes:
            assert b.stdout.readline() == "ready\n", b.stderr.read()
        for b in boxes:
            b.stdin.write("go\n")
            b.stdin.flush()
        return [[b.stdout.readline().strip() for _ in range(count)] for b in boxes]
    finally:
        for b in boxes:
            b.communicate("end\n", timeout=30)


@pytest.mark.parametrize("bind_to,targets", [("127.0.0.1", ["127.0.0.1"]),
                                             ("0.0.0.0", ["127.0.0.1", "127.9.9.9", "0.0.0.0", "LAN"]),
                                             ("::", ["::1", "127.0.0.1", "::ffff:127.0.0.1", "LAN"]), ("::1", ["::1"])])
def test_two_sandboxes_each_have_a_server_on_one_port_and_reach_their_own(port, bind_to, targets):
    lan = lan_address()
    targets = [t if t != "LAN" else lan for t in targets if t != "LAN" or lan]
    first = serve(port, "one", bind_to, *targets)
    second = serve(port, "two", bind_to, *targets)
    assert answers([first, second], len(targets)) == [["one"] * len(targets), ["two"] * len(targets)]


def test_a_port_of_the_host_is_no_obstacle_and_is_left_alone(port):
    with Taken(port) as host:
        assert answers([serve(port, "mine", "0.0.0.0", "127.0.0.1", "127.0.0.1")], 2) == [["mine", "mine"]]
        assert host.connections() == 0


def test_without_the_option_a_taken_port_is_taken(port):
    with Taken(port):
        flags = ["--net-allow-bind", port, "--net-allow", f"udp://127.0.0.1:{port}"]
        assert tries(flags, f"say(V4, TCP, '', {port})") == ["EADDRINUSE"]


def test_the_sandboxs_own_servers_are_in_one_anothers_way(port):
    code = TRY + f"""
s = socket.socket(); s.bind(("", {port}))
say(V4, TCP, "", {port}); say(V4, TCP, "127.0.0.1", {port})
s.listen(); say(V4, TCP, "", {port}); s.close()
say(V4, TCP, "", {port})
"""
    for taken in (False, True):
        with Taken(port if taken else 0):
            done = box.check(box.python(code, "--port-remap", "--net-allow-bind", port))
            assert done.stdout.split() == ["EADDRINUSE"] * 3 + [str(port)]


def test_a_dead_server_is_not_mistaken_for_who_has_its_port_now(port):
    code = f"""
import errno, socket, time
s = socket.socket(); s.bind(("127.0.0.1", {port})); s.listen()
socket.create_connection(("127.0.0.1", {port})).close()
s.close(); time.sleep(0.3)
try:
    socket.create_connection(("127.0.0.1", {port})); print("connected")
except OSError as e:
    print(errno.errorcode[e.errno])
"""
    with Taken(port) as host:
        done = box.check(box.python(code, "--port-remap", "--net-allow-bind", port, "--net-allow", f":{port}"))
        assert done.stdout.strip() == "ECONNREFUSED" and host.connections() == 0


def test_the_rules_judge_the_port_that_the_program_names(port):
    code = TRY + f"""
say(V4, TCP, "127.0.0.1", {port}); say(V4, TCP, "127.0.0.1", {port + 1})
s = socket.socket(); s.bind(("127.0.0.1", {port})); s.listen()
try:
    socket.create_connection(("127.0.0.1", {port}))
except OSError as e:
    print(errno.errorcode[e.errno])
"""
    with Taken(port):
        done = box.check(box.python(code, "--port-remap", "--net-allow-bind", port))
        assert done.stdout.split() == [str(port), "EACCES", "EACCES"]


@pytest.mark.parametrize("taken", [None, "0.0.0.0", "::"])
def test_one_family_does_not_stand_in_the_way_of_the_other(port, taken):
    code = f"""
import socket
a = socket.socket(); a.bind(("0.0.0.0", {port})); a.listen()
b = socket.socket(socket.AF_INET6); b.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); b.bind(("::", {port})); b.listen()
print(a.getsockname()[1], b.getsockname()[1])
for host, server in (("127.0.0.1", a), ("::1", b)):
    c = socket.create_connection((host, {port}), timeout=5); print(server.accept()[0].getsockname()[1])
"""
    with Taken(port if taken else 0, address=taken or "0.0.0.0"):
        done = box.check(box.python(code, "--port-remap", "--net-allow-bind", port, "--net-allow", f":{port}"))
        assert set(done.stdout.split()) == {str(port)}


def test_udp_goes_to_the_sandboxs_own_server():
    port = free_port(socket.SOCK_DGRAM)
    code = f"""
import socket
s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", {port})); s.settimeout(10)
c = socket.socket(type=socket.SOCK_DGRAM); c.settimeout(10)
print(s.getsockname()[1])
c.sendto(b"sendto", ("127.0.0.1", {port})); print(s.recv(99).decode())
c.sendmsg([b"send", b"msg"], [], 0, ("127.0.0.1", {port})); print(s.recv(99).decode())
c.connect(("127.0.0.1", {port})); c.send(b"send"); data, peer = s.recvfrom(99); print(data.decode())
s.sendto(b"back", peer); print(c.recv(99).decode(), c.getpeername()[1])
print(open("/proc/net/udp").read().count(":%04X" % {port}))
"""
    with Taken(port, kind=socket.SOCK_DGRAM) as host:
        done = box.check(box.python(code, "--port-remap", "--net-allow-bind", port, "--net-allow", "udp://127.0.0.1",
                                    "-r", "/proc"))
        assert done.stdout.split() == [str(port), "sendto", "sendmsg", "send", "back", str(port), "2"]
        host.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            host.socket.recv(99)


def test_the_tables_in_proc_show_the_sandboxs_own_numbers(port):
    code = f"""
import socket
s = socket.socket(); s.bind(("127.0.0.1", {port})); s.listen()
c = socket.create_connection(("127.0.0.1", {port})); a = s.accept()
rows = [line.split()[1:3] for line in open("/proc/net/tcp").readlines()[1:]]
want = "0100007F:%04X" % {port}
print(len(rows), sum(local == want for local, peer in rows), sum(peer == want for local, peer in rows))
"""
    with Taken(port):
        done = box.check(box.python(code, "--port-remap", "--net-allow-bind", port, "--net-allow", f":{port}", "-r", "/proc"))
        assert done.stdout.split() == ["3", "2", "1"]


def test_the_status_object_lists_the_ports(port):
    with Taken(port):
        _, status = box.status("--port-remap", "--net-allow-bind", port, "--", box.PYTHON, "-c",
                               TRY + f"say(V4, TCP, '127.0.0.1', {port})")
    [entry] = status["ports"]
    assert entry["protocol"] == "tcp" and entry["address"] == "127.0.0.1" and entry["virtual"] == port != entry["real"] > 0
    assert "ports" not in box.status("--net-allow-bind", port, "--", "/bin/true")[1]


@pytest.mark.skipif(not shutil.which("redis-server"), reason="allowed: redis is not installed")
def test_two_redis_servers_on_one_port(port, tmp_path):
    script = (f"redis-server --port {port} --bind 127.0.0.1 --save '' --daemonize no >log.$0 & "
              f"for i in $(seq 100); do grep -q 'eady to accept' log.$0 && break; sleep 0.1; done; "
              f"redis-cli -p {port} set word $0; read go; redis-cli -p {port} get word; kill %1; wait")
    boxes = [box.start("--port-remap", "--net-allow-bind", port, "--net-allow", f":{port}", "-r", "/etc", "-w", tmp_path,
                       "--cwd", tmp_path, "--", "/bin/bash", "-c", script, word, stdin=subprocess.PIPE)
             for word in ("one", "two")]
    assert [b.stdout.readline() for b in boxes] == ["OK\n"] * 2
    assert [b.communicate("go\n", timeout=60)[0].split()[-1:] for b in boxes] == [["one"], ["two"]]


def test_two_python_web_servers_on_one_port(port, tmp_path):
    script = (f"cd $0 && {box.PYTHON} -u -m http.server {port} --bind 127.0.0.1 >log 2>&1 & "
              f"for i in $(seq 100); do grep -q Serving $0/log && break; sleep 0.1; done; "
              f"{box.PYTHON} -c 'import urllib.request; print(urllib.request.urlopen(\"http://127.0.0.1:{port}/word\").read()"
              f".decode())'; read go; kill %1")
    boxes = []
    for word in ("one", "two"):
        (tmp_path / word).mkdir()
        (tmp_path / word / "word").write_text(word)
        boxes.append(box.start("--port-remap", "--net-allow-bind", port, "--net-allow", f":{port}", "-w", tmp_path, "--",
                               "/bin/bash", "-c", script, tmp_path / word, stdin=subprocess.PIPE))
    assert [b.stdout.readline().strip() for b in boxes] == ["one", "two"]
    for b in boxes:
        b.communicate("go\n", timeout=30)


# --- names of unix sockets ---

UNIX = """
import errno, os, socket, sys
def bind(path):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.bind(path)
        return s
    except OSError as e:
        print(errno.errorcode[e.errno])
"""


def unix(code, *flags, **kw):
    return box.check(box.python(UNIX + code, "--port-remap", *flags, **kw)).stdout.split()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_a_unix_socket_has_the_mode_owner_and_name_that_it_would_have(work, mask):
    path = work / "s"
    assert unix(f"os.umask({mask}); print(bind({str(path)!r}).getsockname())", "-w", work) == [str(path)]
    done = path.stat()
    bare = work / "bare"
    box.bare_python(UNIX + f"os.umask({mask}); bind({str(bare)!r})")
    assert stat.S_ISSOCK(done.st_mode) and done.st_mode == bare.stat().st_mode
    assert (done.st_uid, done.st_gid) == (bare.stat().st_uid, bare.stat().st_gid)


def test_a_unix_socket_is_made_only_below_write_grants(work, outside):
    (work / "link").symlink_to(outside)
    (work / "dangling").symlink_to(outside / "new")
    code = "".join(f"bind({str(p)!r})\n" for p in (outside / "s", work / "link" / "s", work / ".." / "outside" / "s",
                                                   work / "dangling", work / "missing" / "s", work, "/", "", "/proc/s"))
    answers = unix(code, "-w", work, "-r", outside)
    assert answers[:5] == ["EACCES"] * 3 + ["EADDRINUSE", "ENOENT"] and "ok" not in answers
    assert sorted(os.listdir(outside)) == ["secret.txt"]


def test_a_relative_name_is_the_callers(work, outside):
    (work / "deep").mkdir()
    code = f"""
os.chdir({str(work)!r}); print(bind("a").getsockname())
os.chdir("deep"); print(bind("b").getsockname(), bind("../c").getsockname())
os.chdir({str(outside)!r}); bind("d")
"""
    assert unix(code, "-w", work, "-r", outside) == ["a", "b", "../c", "EACCES"]
    assert {"a", "c"} <= set(os.listdir(work)) and os.listdir(work / "deep") == ["b"]


def test_existing_names_and_bound_sockets_have_the_errors_of_the_kernel(work):
    code = f"""
s = bind({str(work / "s")!r}); bind({str(work / "s")!r})
try: s.bind({str(work / "t")!r})
except OSError as e: print(errno.errorcode[e.errno])
print(os.path.exists({str(work / "t")!r}))
fd = os.open({str(work)!r}, os.O_PATH); print(bind(f"/proc/self/fd/{{fd}}/u") is not None)
bind({str(work / "v/")!r} + "/")
bind({str(work / "s")!r} + "/x"); bind("{"x" * 107}" ) and print("long")
"""
    bare = box.bare_python(UNIX + code, cwd=work).stdout.split()
    for name in os.listdir(work):
        os.unlink(work / name)
    assert unix(code, "-w", work, "--cwd", work) == bare


def test_abstract_names_are_the_sandboxs_and_nobody_else_reaches_them(work):
    name = f"sandlock-test-{os.getpid()}"
    code = f"""
s = bind("\\0{name}"); s.listen()
c = socket.socket(socket.AF_UNIX); c.connect("\\0{name}"); print("inside")
a = bind(""); print(len(a.getsockname()))
print("ready", flush=True); sys.stdin.readline()
"""
    inside = box.start("--port-remap", "-w", work, "--", box.PYTHON, "-c", UNIX + code, stdin=subprocess.PIPE)
    assert [inside.stdout.readline().strip() for _ in range(3)] == ["inside", "6", "ready"], inside.stderr.read()
    other = box.python(f"""
import socket
try:
    socket.socket(socket.AF_UNIX).connect("\\0{name}"); print("reached")
except OSError as e:
    print(type(e).__name__)
""", "-w", work)
    inside.communicate("end\n", timeout=30)
    assert other.stdout.strip() in ("PermissionError", "ConnectionRefusedError")


def test_an_abstract_socket_of_the_host_stays_out_of_reach_of_one_bound_here(work):
    with socket.socket(socket.AF_UNIX) as host:
        host.bind(f"\0sandlock-host-{os.getpid()}")
        host.listen()
        assert unix(f"""
s = bind("\\0sandlock-in-{os.getpid()}")
try:
    s.connect("\\0sandlock-host-{os.getpid()}"); print("reached")
except OSError as e:
    print(type(e).__name__)
""", "-w", work)[0] in ("PermissionError", "ConnectionRefusedError")


def test_the_kernel_asks_who_made_an_abstract_socket_not_who_bound_it():
    """What binding on behalf stands on: the scope of Landlock is that of the socket's maker."""
    code = f"""
import array, ctypes, os, socket, struct
here, there = socket.socketpair()
name = "\\0sandlock-maker-{os.getpid()}"
if os.fork() == 0:
    libc = ctypes.CDLL(None, use_errno=True)
    attr = struct.pack("QQQ", 1, 0, 1)             # anything handled, and the scope of abstract sockets
    ruleset = libc.syscall(444, attr, len(attr), 0)
    libc.prctl(38, 1, 0, 0, 0)
    assert ruleset >= 0 and libc.syscall(446, ruleset, 0) == 0
    s = socket.socket(socket.AF_UNIX)
    socket.send_fds(there, [b"x"], [s.fileno()]); there.recv(1); s.listen()
    for target in (name, name + "-outside"):
        try:
            socket.socket(socket.AF_UNIX).connect(target); print("reached", flush=True)
        except PermissionError:
            print("refused", flush=True)
    os._exit(0)
_, [fd], _, _ = socket.recv_fds(here, 1, 1)
outside = socket.socket(socket.AF_UNIX); outside.bind(name + "-outside"); outside.listen()
socket.socket(fileno=fd).bind(name); here.send(b"x"); os.wait()
"""
    done = box.bare_python(code)
    if "AssertionError" in done.stderr:
        pytest.skip("allowed: this kernel has no scope for abstract sockets")
    assert done.stdout.split() == ["reached", "refused"]


# --- races ---

RACE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
static union { struct sockaddr_in in; struct sockaddr_un un; char bytes[110]; } name;
static volatile int slot, stop;
static int forbidden, allowed;
static char bad[100];
static void *flip(void *arg)
{
	(void)arg;
	while (!stop) {
		name.in.sin_port = htons(forbidden); dup2(socket(AF_INET, SOCK_STREAM, 0), slot);
		name.in.sin_family = AF_UNIX; strcpy(name.un.sun_path, bad); dup2(socket(AF_UNIX, SOCK_STREAM, 0), slot);
		memset(&name, 0, sizeof name); name.in.sin_family = AF_INET; name.in.sin_port = htons(allowed);
		for (int i = slot + 1; i < slot + 64; i++) close(i);
	}
	return NULL;
}
int main(int argc, char **argv)
{
	pthread_t thread;
	int tries = atoi(argv[1]), wrong = 0, good = 0;
	forbidden = atoi(argv[2]); allowed = atoi(argv[3]); strcpy(bad, argv[4]);
	slot = 100; dup2(socket(AF_INET, SOCK_STREAM, 0), slot);
	pthread_create(&thread, NULL, flip, NULL);
	for (int i = 0; i < tries; i++) {
		if (bind(slot, (struct sockaddr *)&name, sizeof name) == 0) good++;
		struct sockaddr_in now = { 0 };
		socklen_t len = sizeof now;
		if (getsockname(slot, (struct sockaddr *)&now, &len) == 0 && now.sin_family == AF_INET && ntohs(now.sin_port) == forbidden)
			wrong++;
	}
	stop = 1; pthread_join(thread, NULL);
	printf("%d %d\n", wrong, good);
	return 0;
}
"""


@pytest.mark.parametrize("flags", [["--net-deny-bind", "FORBIDDEN"],
                                   ["--net-allow", "udp://127.0.0.1:9", "--net-allow-bind", "ALLOWED"]])
def test_two_threads_that_swap_socket_and_address_get_no_forbidden_name(work, outside, flags):
    program = work / "race"
    subprocess.run(["gcc", "-O1", "-pthread", "-w", "-x", "c", "-", "-o", program], input=RACE, text=True, check=True)
    forbidden, allowed = free_port(), free_port()
    flags = [str(forbidden) if f == "FORBIDDEN" else str(allowed) if f == "ALLOWED" else f for f in flags]
    tries = os.environ.get("SANDLOCK_RACES", "4000")
    done = box.check(box.run(*flags, "-r", work, "-r", outside, "--", program, tries, forbidden, allowed, outside / "s", timeout=300))
    wrong, good = map(int, done.stdout.split())
    assert wrong == 0 and good > 0 and not os.path.exists(outside / "s")

"""--port-remap: whom accept, recvfrom, recvmsg and recvmmsg say that they heard from, and how they wait for it."""
import os
import shutil
import socket
import subprocess
import threading

import pytest

import box
from test_net_ports import Taken, free_port


@pytest.fixture
def two():
    """Two ports that somebody outside has, of TCP and UDP."""
    ports = []
    held = []
    while len(ports) < 2:
        port = free_port()
        try:
            held += [Taken(port), Taken(port, kind=socket.SOCK_DGRAM)]
            ports.append(port)
        except OSError:
            pass
    yield ports
    for h in held:
        h.socket.close()


def flags(ports):
    names = ",".join(map(str, ports))
    return ["--port-remap", "--net-allow-bind", names + ",0", "--net-allow", f":{names}", "--net-allow", "udp://127.0.0.1",
            "--net-allow", "udp://[::1]"]


HEAD = """
import ctypes, errno, os, signal, socket, struct, sys, threading, time
port, cport = int(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
CALLS = {"x86_64": (43, 288, 45, 299), "aarch64": (202, 242, 207, 243)}
ACCEPT, ACCEPT4, RECVFROM, RECVMMSG = CALLS[os.uname().machine]
def raw(*a):
    r = libc.syscall(*[ctypes.c_long(x) for x in a])
    return (r, errno.errorcode[ctypes.get_errno()] if r < 0 else "")
def at(x):
    return ctypes.addressof(x)
def say(*a):
    print(*a, flush=True)
def client_when_it_listens():
    for _ in range(600):
        c = socket.socket(); c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); c.bind(("127.0.0.1", cport))
        try:
            c.connect(("127.0.0.1", port))
            return c
        except ConnectionRefusedError:
            c.close(); time.sleep(0.05)
def server(p=port, backlog=500):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", p)); s.listen(backlog)
    return s
def start(f, *a):
    t = threading.Thread(target=f, args=a, daemon=True); t.start()
    return t
def asleep(tid):
    # In a call: native or with the supervisor, both sleep.
    while True:
        with open(f"/proc/self/task/{tid}/stat") as f:
            if f.read().rsplit(")", 1)[1].split()[0] in "SD":
                return
        time.sleep(0.001)
def waiting(t):
    asleep(t.native_id)
    time.sleep(0.02)
"""


def run(code, ports, *more, argv=(), timeout=90):
    done = box.check(box.run(*flags(ports), "-r", "/proc", *more, "--", box.PYTHON, "-B", "-c", HEAD + code,
                             *map(str, ports), *argv, timeout=timeout))
    return done.stdout.split("\n")[:-1]


def bare(code):
    """The same without a sandbox, on ports that nobody has."""
    done = subprocess.run([box.PYTHON, "-B", "-c", HEAD + code, str(free_port()), str(free_port())], capture_output=True,
                          text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_accept_shows_the_port_that_the_client_sees(two):
    code = """
s = server(); got = []
t = start(lambda: got.append(s.accept())); waiting(t)
c = socket.socket(); c.bind(("127.0.0.1", cport)); c.connect(("127.0.0.1", port)); t.join()
say(got[0][1] == c.getsockname() == ("127.0.0.1", cport), got[0][0].getpeername() == c.getsockname())
s.setblocking(False)
d = socket.create_connection(("127.0.0.1", port)); say(s.accept()[1] == d.getsockname())
try:
    s.accept()
except OSError as e:
    say(errno.errorcode[e.errno])
"""
    assert run(code, two) == ["True True", "True", "EAGAIN"] == bare(code)


ACCEPTS = """
import fcntl, resource
s = server(); a = ctypes.create_string_buffer(128); l = ctypes.c_int(-1)
def client():
    return socket.create_connection(("127.0.0.1", port), timeout=10)
c = client(); say("garbage", raw(ACCEPT, s.fileno(), 1, 1))
c = client(); say("negative length", raw(ACCEPT, s.fileno(), at(a), at(l)))
c = client(); say("no length", raw(ACCEPT, s.fileno(), at(a), 0))
c = client(); l.value = 4; r = raw(ACCEPT4, s.fileno(), at(a), at(l), socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
say("short", r[0] > 0, l.value, fcntl.fcntl(r[0], fcntl.F_GETFL) & os.O_NONBLOCK, fcntl.fcntl(r[0], fcntl.F_GETFD))
c = client(); r = raw(ACCEPT, s.fileno(), at(a), at(l))
say("plain", fcntl.fcntl(r[0], fcntl.F_GETFL) & os.O_NONBLOCK, fcntl.fcntl(r[0], fcntl.F_GETFD))
say("no listener", raw(ACCEPT, c.fileno(), at(a), at(l)))
say("flags", raw(ACCEPT4, s.fileno(), at(a), at(l), 1), "closed", raw(ACCEPT, 999, at(a), at(l)))
u = socket.socket(type=socket.SOCK_DGRAM); say("udp", raw(ACCEPT, u.fileno(), at(a), at(l)))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 100000))
say("timeout", raw(ACCEPT, s.fileno(), at(a), at(l)), fcntl.fcntl(s, fcntl.F_GETFL) & os.O_NONBLOCK)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
# Without room for a descriptor the connection stays where it is.
c = client()
resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1])); fill = []
try:
    while True:
        fill.append(os.dup(0))
except OSError:
    pass
say("full", raw(ACCEPT, s.fileno(), at(a), at(l)))
os.close(fill.pop()); say("room", raw(ACCEPT, s.fileno(), at(a), at(l))[0] > 0)
[os.close(f) for f in fill]
# A handler runs, and the call goes on; another thread closes the socket, and the call goes on.
hits = []
signal.signal(signal.SIGALRM, lambda *_: (hits.append(1), start(client)))
signal.setitimer(signal.ITIMER_REAL, 0.2)
s.accept(); say("signal", hits)
got = []; fd = s.detach(); other = os.dup(fd); t = start(lambda: got.append(raw(ACCEPT, fd, at(a), at(l)))); waiting(t)
os.close(fd); client(); t.join(10); say("closed meanwhile", got[0][0] > 0)
s = socket.socket(fileno=other); t = start(lambda: got.append(raw(ACCEPT, other, at(a), at(l)))); waiting(t)
s.shutdown(socket.SHUT_RDWR); t.join(10); say("shut down", got[1])
"""


def test_accept_behaves_as_without_a_sandbox(two):
    assert run(ACCEPTS, two) == bare(ACCEPTS)


def test_two_hundred_threads_wait_in_accept(two):
    code = """
s = server(); got = []
def take():
    try:
        got.append(s.accept())
    except OSError as e:
        got.append((None, errno.errorcode[e.errno]))
ts = [start(take) for _ in range(200)]
for t in ts:
    asleep(t.native_id)
# Others are served meanwhile.
c = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(150)]
while len(got) < 150:
    time.sleep(0.01)
say(sorted(a for _, a in got) == sorted(x.getsockname() for x in c))
s.shutdown(socket.SHUT_RDWR)
for t in ts:
    t.join(30)
say(sum(a == "EINVAL" for _, a in got), sum(t.is_alive() for t in ts))
"""
    assert run(code, two, "--max-threads", "400") == ["True", "50 0"]


def test_more_than_can_be_parked_wait_in_the_kernel(two):
    code = """
s = server(); got = []
ts = [start(lambda: got.append(s.accept())) for _ in range(300)]
for t in ts:
    asleep(t.native_id)
c = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(300)]
for t in ts:
    t.join(30)
say(sorted(a for _, a in got) == sorted(x.getsockname() for x in c))
"""
    assert run(code, two, "--max-threads", "400") == ["True"]


def test_a_killed_acceptor_does_not_keep_its_port(two):
    code = """
for i in range(10):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        s = server(); os.write(w, b"x"); s.accept(); os._exit(0)
    os.read(r, 1); os.close(r); os.close(w)
    if i % 2:
        asleep(pid) if os.path.exists(f"/proc/self/task/{pid}") else time.sleep(0.02)
    os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
    s = socket.socket(); s.bind(("127.0.0.1", port)); s.listen(); assert s.getsockname()[1] == port; s.close()
say("done")
"""
    assert run(code, two) == ["done"]


DATAGRAMS = """
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("127.0.0.1", port)); me = ("127.0.0.1", port)
v = socket.socket(type=socket.SOCK_DGRAM); v.bind(("127.0.0.1", 0)); va = v.getsockname()
def send(*d):
    for x in d:
        u.sendto(x, va)
got = []
t = start(lambda: got.append(v.recvfrom(99))); waiting(t); send(b"late"); t.join(10); say("blocking", got[0] == (b"late", me))
t = start(lambda: got.append(v.recvmsg(99))); waiting(t); send(b"late"); t.join(10); say("blocking", got[1][3] == me)
send(b"hello")
say("peek", v.recvfrom(99, socket.MSG_PEEK) == (b"hello", me), v.recvfrom(2, socket.MSG_PEEK | socket.MSG_TRUNC)[1] == me)
b = ctypes.create_string_buffer(100); a = ctypes.create_string_buffer(128); l = ctypes.c_int(128)
def receive(n, flags, data=at(b), name=at(a), length=at(l)):
    return raw(RECVFROM, v.fileno(), data, n, flags, name, length), l.value
say("trunc", receive(2, socket.MSG_TRUNC)); say("nothing", receive(2, socket.MSG_DONTWAIT))
send(b"x"); l.value = 3; say("short", receive(2, 0))
send(b"x"); say("data", receive(2, 0, data=1))
send(b"x"); say("name", receive(2, 0, name=1))
send(b"x"); say("length", receive(2, 0, length=1))
send(b"x"); l.value = -5; say("negative", receive(2, 0))
say("consumed", receive(2, socket.MSG_DONTWAIT))
v.setsockopt(socket.IPPROTO_IP, socket.IP_PKTINFO if hasattr(socket, "IP_PKTINFO") else 8, 1)
v.setsockopt(socket.SOL_SOCKET, 29, 1)
send(b"abcdef"); one, two = bytearray(2), bytearray(99)
n, anc, fl, ad = v.recvmsg_into([one, two], 200)
say("pieces", n, bytes(one), bytes(two[:4]), sorted((x[0], x[1], len(x[2])) for x in anc), fl, ad == me)
send(b"abcdef"); say("cut", v.recvmsg(3, 4)[2] & (socket.MSG_CTRUNC | socket.MSG_TRUNC))
v.setsockopt(socket.SOL_SOCKET, 29, 0)
v.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 100000)); say("timeout", receive(9, 0)[0])
v.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
def batch(count, flags, timeout=None):
    bufs = [ctypes.create_string_buffer(16) for _ in range(count)]; names = [ctypes.create_string_buffer(28) for _ in bufs]
    iov = b"".join(struct.pack("QQ", at(x), 16) for x in bufs); iov = ctypes.create_string_buffer(iov, len(iov))
    m = b"".join(struct.pack("QiiQQQQQQ", at(names[i]), 28, 0, at(iov) + 16 * i, 1, 0, 0, 0, 0)[:64] for i in range(count))
    m = ctypes.create_string_buffer(m, len(m)); ts = ctypes.create_string_buffer(struct.pack("ll", *timeout or (0, 0)), 16)
    r = raw(RECVMMSG, v.fileno(), at(m), count, flags, at(ts) if timeout else 0)
    return (r, [bufs[i].raw[:struct.unpack_from("I", m.raw, 64 * i + 56)[0]] for i in range(max(r[0], 0))],
            all(struct.unpack_from("!H", names[i].raw, 2)[0] == port for i in range(max(r[0], 0))),
            struct.unpack("ll", ts.raw)[0] if timeout else None)
send(b"1", b"22", b"333"); say(batch(5, 0x10000))
send(b"1", b"22"); say(batch(5, 0x40)); say(batch(5, 0x40))
send(b"1"); t = threading.Timer(0.2, lambda: send(b"2", b"3")); t.start(); say(batch(3, 0)); t.join()
send(b"1"); say(batch(3, 0, (0, 1))); send(b"1"); say(batch(1, 0, (1000, 0))[:3]); say(batch(1, 0, (5, -1))[0])
w = socket.socket(type=socket.SOCK_DGRAM); w.setsockopt(socket.IPPROTO_IP, 11, 1); w.bind(("127.0.0.1", 0))
dead = socket.socket(type=socket.SOCK_DGRAM); dead.bind(("127.0.0.1", 0)); da = dead.getsockname(); dead.close()
def refused(flags):
    w.sendto(b"x", da)
    while True:
        try:
            w.recvfrom(9, flags)
        except BlockingIOError:
            time.sleep(0.01)
        except OSError as e:
            return errno.errorcode[e.errno]
say(refused(socket.MSG_DONTWAIT))
d, anc, fl, ad = w.recvmsg(99, 200, 0x2000); say("error queue", d, ad == da, len(anc), fl)
say(refused(0))
t = start(lambda: got.append(w.recvfrom(99))); waiting(t); u.sendto(b"there", w.getsockname()); t.join(10)
say("behind an error", got[-1] == (b"there", me))
s6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s6.settimeout(10); s6.bind(("::", 0))
u.sendto(b"map", ("127.0.0.1", s6.getsockname()[1])); say("mapped", s6.recvfrom(9)[1][:2] == ("::ffff:127.0.0.1", port))
p, q = socket.socketpair(); socket.send_fds(p, [b"f"], [0]); say("descriptors", len(socket.recv_fds(q, 9, 9)[1]))
s = server(); c = socket.create_connection(me); k, _ = s.accept()
k.send(b"hi"); say(c.recvmsg(9, 9)[0]); k.send(b"ho"); say(c.recvfrom(9))
ts = [start(lambda: got.append(v.recvfrom(9))) for _ in range(60)]
for t in ts:
    asleep(t.native_id)
send(*[b"%d" % i for i in range(60)])
for t in ts:
    t.join(10)
say("readers", len({d for d, _ in got[-60:]}), all(a == me for _, a in got[-60:]))
"""


def test_datagrams_are_received_as_without_a_sandbox_and_come_from_where_they_were_asked_for(two):
    assert run(DATAGRAMS, two) == bare(DATAGRAMS)


def test_the_next_datagram_may_be_of_somebody_outside(two):
    code = """
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("127.0.0.1", port))
v = socket.socket(type=socket.SOCK_DGRAM); v.bind(("127.0.0.1", 0)); say(v.getsockname()[1])
sys.stdin.readline()
u.sendto(b"in", v.getsockname())
say(v.recvfrom(9)[1][1]); say(v.recvfrom(9)[1][1] == port)
"""
    child = box.start(*flags(two), "--", box.PYTHON, "-c", HEAD + code, *map(str, two), stdin=subprocess.PIPE)
    to = int(child.stdout.readline())
    with socket.socket(type=socket.SOCK_DGRAM) as outside:
        outside.sendto(b"out", ("127.0.0.1", to))
        assert child.communicate("go\n", timeout=60)[0].split() == [str(outside.getsockname()[1]), "True"]


def test_a_client_that_is_early_is_refused_and_never_reaches_the_machines_server():
    port = free_port()
    code = f"""
import errno, socket, sys
def go():
    try:
        return socket.create_connection(("127.0.0.1", {port}), timeout=10).recv(9)
    except OSError as e:
        return errno.errorcode[e.errno]
print(go(), flush=True)
u = socket.socket(type=socket.SOCK_DGRAM)
try:
    print(u.sendto(b"x", ("127.0.0.1", {port})), flush=True)
except OSError as e:
    print(errno.errorcode[e.errno], flush=True)
s = socket.socket(); s.bind(("127.0.0.1", {port})); s.listen()
c = socket.create_connection(("127.0.0.1", {port})); print(s.accept()[1] == c.getsockname(), flush=True)
"""
    with Taken(port) as host, Taken(port, kind=socket.SOCK_DGRAM) as udp:
        words = ["--port-remap", "--net-allow-bind", port, "--net-allow", f"127.0.0.1:{port}"]
        done = box.check(box.python(code, *words, "--report"))
        assert done.stdout.split() == ["ECONNREFUSED", "ECONNREFUSED", "True"] and host.connections() == 0
        assert "the port is the sandbox's own" in done.stderr
        udp.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            udp.socket.recv(9)
        # What the sandbox may not bind is the machine's; of "*" only what it has bound is its own.
        reach = f"import socket; socket.create_connection(('127.0.0.1', {port})); print('reached')"
        for bind in (["--net-allow-bind", "1"], ["--net-allow-bind", "*"],
                     ["--net-allow-bind", f"{port},1", "--net-deny-bind", port]):
            assert box.check(box.python(reach, "--port-remap", *bind, "--net-allow", f":{port}")).stdout == "reached\n"
        assert host.connections() == 3


# --- programs ---


def test_asyncio_servers_of_udp_and_tcp(two):
    code = """
import asyncio
async def main():
    loop = asyncio.get_running_loop(); seen = []
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, t): self.t = t
        def datagram_received(self, data, addr): seen.append(addr); self.t.sendto(data, addr)
    class Ask(asyncio.DatagramProtocol):
        def __init__(self): self.done = loop.create_future()
        def datagram_received(self, data, addr): self.done.set_result((data, addr))
    await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", port))
    t, ask = await loop.create_datagram_endpoint(Ask, local_addr=("127.0.0.1", cport))
    t.sendto(b"hi", ("127.0.0.1", port)); say(await ask.done == (b"hi", ("127.0.0.1", port)), seen == [("127.0.0.1", cport)])
    peers = []
    async def serve(r, w):
        peers.append(w.get_extra_info("peername")); w.write(b"ok"); w.close()
    await asyncio.start_server(serve, "127.0.0.1", port)
    r, w = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.1", cport))
    say(await r.read() == b"ok", peers == [w.get_extra_info("sockname")] == [("127.0.0.1", cport)])
asyncio.run(main())
"""
    assert run(code, two) == ["True True", "True True"]


def test_socketserver_with_threads(two):
    code = """
import socketserver
class H(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(repr(self.client_address).encode())
class U(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(repr(self.client_address).encode(), self.client_address)
t = socketserver.ThreadingTCPServer(("127.0.0.1", port), H); start(t.serve_forever)
u = socketserver.ThreadingUDPServer(("127.0.0.1", port), U); start(u.serve_forever)
c = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.1", cport))
say(c.recv(99).decode() == repr(c.getsockname()))
d = socket.socket(type=socket.SOCK_DGRAM); d.settimeout(10); d.bind(("127.0.0.1", cport)); d.sendto(b"", ("127.0.0.1", port))
say(d.recvfrom(99) == (repr(d.getsockname()).encode(), ("127.0.0.1", port)))
t.shutdown(); u.shutdown()
"""
    assert run(code, two) == ["True", "True"]


@pytest.mark.skipif(not shutil.which("node"), reason="allowed: node is not installed")
def test_node_servers(two):
    port, cport = two
    code = f"""
const net = require('net'), dgram = require('dgram');
const u = dgram.createSocket('udp4'), v = dgram.createSocket('udp4');
u.on('message', (m, r) => u.send('seen ' + r.port, r.port, r.address));
v.on('message', (m, r) => {{ console.log(String(m), r.port); u.close(); v.close(); }});
u.bind({port}, '127.0.0.1', () => v.bind({cport}, '127.0.0.1', () => v.send('x', {port}, '127.0.0.1')));
const s = net.createServer(c => {{ console.log('tcp', c.remotePort); c.end(); s.close(); }});
s.listen({port}, '127.0.0.1', () => {{
  const c = net.connect({{ port: {port}, host: '127.0.0.1', localAddress: '127.0.0.1', localPort: {cport} }});
  c.resume();
}});
"""
    done = box.check(box.run(*flags(two), "--", shutil.which("node"), "-e", code, timeout=90))
    assert sorted(done.stdout.split("\n")[:-1]) == sorted([f"seen {cport} {port}", f"tcp {cport}"])


@pytest.mark.skipif(not shutil.which("redis-server"), reason="allowed: redis is not installed")
def test_redis_lists_its_clients_by_their_own_ports(two, tmp_path):
    code = """
import subprocess
p = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL)
c = client_when_it_listens()
c.sendall(b"CLIENT LIST\\r\\n"); say(f"addr=127.0.0.1:{cport} laddr=127.0.0.1:{port}" in c.recv(9999).decode())
p.terminate(); p.wait()
"""
    assert run(code, two, "-r", "/etc", "-w", tmp_path, "--cwd", tmp_path) == ["True"]


@pytest.mark.skipif(not shutil.which("nginx"), reason="allowed: nginx is not installed")
def test_nginx_logs_the_clients_port(two, tmp_path):
    port, cport = two
    (tmp_path / "conf").write_text(f"""
{"user root;" if box.IS_ROOT else ""} daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error; worker_processes 2;
events {{ worker_connections 64; }}
http {{ log_format f "$remote_addr:$remote_port"; access_log {tmp_path}/access f;
  client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p; fastcgi_temp_path {tmp_path}/f;
  uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "$remote_port"; }} }} }}
""")
    code = f"""
import subprocess
p = subprocess.Popen([{shutil.which("nginx")!r}, "-e", {str(tmp_path / "error")!r}, "-c", {str(tmp_path / "conf")!r}])
c = client_when_it_listens()
c.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); said = c.makefile().read().split()[-1]
say(said == str(cport))
p.terminate(); p.wait()
say(open({str(tmp_path / "access")!r}).read().strip() == f"127.0.0.1:{{cport}}")
"""
    os.chmod(tmp_path, 0o755)
    assert run(code, two, "-r", "/etc", "-w", tmp_path, "-w", "/dev/null") == ["True", "True"]

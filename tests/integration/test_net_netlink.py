"""Whatever asks for interfaces, addresses and routes hears of loopback only, and nothing else of it is slower or different."""
import json
import os
import re
import shutil
import subprocess

import pytest

import box

LO_ONLY = {"lo 17 -", "lo 2 127.0.0.1", "lo 10 ::1", "1 lo", "1 0 none"}
REAL = [name for name in os.listdir("/sys/class/net") if name != "lo"]


def needs(*programs):
    for name in programs:
        if not shutil.which(name):
            pytest.skip(f"allowed: program: {name} is not installed")


def shows_lo_only(text):
    assert "lo" in text, text
    for name in REAL:
        assert not re.search(rf"\b{re.escape(name)}\b", text), text


def printed(code, *flags, **kw):
    return box.check(box.python(code, *flags, **kw)).stdout.strip()


# --- programs

# if_nametoindex and if_indextoname of every libc ask with a unix datagram socket. Without --unix-allow another socket
# stands in for it, so both ways are tried.

UNIX = [[], ["--unix-allow", "/run/no-such-socket"]]


@pytest.mark.parametrize("flags", UNIX)
def test_python_names_one_interface(flags):
    code = ("import socket; print(socket.if_nameindex(), socket.if_nametoindex('lo'), socket.if_indextoname(1))\n"
            "try: print(socket.if_nametoindex('eth0'))\nexcept OSError as e: print('none')")
    assert printed(code, *flags).split("\n") == ["[(1, 'lo')] 1 lo", "none"]


def test_getaddrinfo_with_addrconfig_finds_every_family_as_without_netlink():
    code = ("import socket\n"
            "for f, host in ((0, 'localhost'), (socket.AF_INET, 'localhost'), (socket.AF_INET, '192.0.2.1'),\n"
            "                (socket.AF_INET6, '2001:db8::1'), (0, '192.0.2.1')):\n"
            "    print(socket.getaddrinfo(host, 80, f, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)[-1][4][0])")
    assert printed(code).split("\n") == ["127.0.0.1", "127.0.0.1", "192.0.2.1", "2001:db8::1", "192.0.2.1"]


@pytest.mark.parametrize("flags", UNIX)
@pytest.mark.parametrize("cc", ["gcc", "musl-gcc"])
def test_getifaddrs_of_c_libraries(cc, flags):
    needs(cc)
    program = box.compiled("interfaces", "-static" if cc == "musl-gcc" else "-O1", cc=cc)
    done = box.check(box.run("-r", os.path.dirname(program), *flags, "--", program))
    assert set(done.stdout.splitlines()) == LO_ONLY


@pytest.mark.parametrize("flags", [[], ["--max-open-files", "64"], ["--net-allow", ":443"]])
def test_ip(flags):
    needs("ip")
    done = box.check(box.run(*flags, "--", "ip", "addr"))
    shows_lo_only(done.stdout)
    assert done.stderr == ""
    assert [line.split()[1] for line in done.stdout.splitlines() if "inet" in line] == ["127.0.0.1/8", "::1/128"]
    assert "LOOPBACK,UP,LOWER_UP" in box.check(box.run(*flags, "--", "ip", "link", "show", "lo")).stdout
    assert "inet6" not in box.check(box.run(*flags, "--", "ip", "-4", "addr")).stdout
    assert box.check(box.run(*flags, "--", "ip", "route")).stdout == ""
    assert box.check(box.run(*flags, "--", "ip", "-6", "route")).stdout == ""
    assert box.check(box.run(*flags, "--", "ip", "neigh")).stdout == ""
    assert "dev lo" in box.check(box.run(*flags, "--", "ip", "route", "get", "127.0.0.1")).stdout
    done = box.run(*flags, "--", "ip", "route", "get", "192.0.2.1")
    assert done.returncode == 2 and "Network is unreachable" in done.stderr
    assert "does not exist" in box.run(*flags, "--", "ip", "link", "show", "eth0").stderr


@pytest.mark.parametrize("words", [["link", "add", "x0", "type", "dummy"], ["addr", "add", "192.0.2.9/32", "dev", "lo"],
                                   ["link", "set", "lo", "down"], ["route", "add", "192.0.2.0/24", "dev", "lo"]])
def test_ip_changes_nothing(words):
    needs("ip")
    done = box.run("--", "ip", *words)
    assert done.returncode == 2 and "Operation not permitted" in done.stderr, done


def test_ifconfig_which_asks_with_a_udp_socket():
    needs("ifconfig")
    flags = ["--net-allow", "udp://127.0.0.1:9", "-r", "/proc"]
    done = box.check(box.run(*flags, "--", "ifconfig", "-a"))
    shows_lo_only(done.stdout)
    for part in ("UP,LOOPBACK,RUNNING", "mtu 65536", "inet 127.0.0.1  netmask 255.0.0.0", "inet6 ::1", "RX packets 0 "):
        assert part in done.stdout, done
    done = box.run(*flags, "--", "ifconfig", "eth0")
    assert done.returncode == 1 and "Device not found" in done.stderr


def test_go(work):
    needs("go")
    (work / "m.go").write_text(
        'package main\nimport ("fmt"; "net")\nfunc main() {\n i, e := net.Interfaces(); fmt.Println(i, e)\n'
        ' a, e := net.InterfaceAddrs(); fmt.Println(a, e)\n l, e := net.InterfaceByName("lo"); fmt.Println(l.Index, e)\n'
        ' _, e = net.InterfaceByName("eth0"); fmt.Println(e)\n}\n')
    env = dict(os.environ, GOCACHE=str(work / "cache"), GOFLAGS="-mod=mod", GO111MODULE="off", HOME=str(work))
    subprocess.run(["go", "build", "-o", work / "m", work / "m.go"], check=True, env=env, cwd=work)
    lines = box.check(box.run("-r", work, "--", work / "m")).stdout.splitlines()
    assert lines[0].startswith("[{1 65536 lo") and lines[0].endswith("}] <nil>")
    assert lines[1:] == ["[127.0.0.1/8 ::1/128] <nil>", "1 <nil>", "route ip+net: no such network interface"]


def test_node():
    needs("node")
    done = box.check(box.run("--", "node", "-e", "console.log(JSON.stringify(require('os').networkInterfaces()))"))
    seen = json.loads(done.stdout)
    assert list(seen) == ["lo"] and [a["cidr"] for a in seen["lo"]] == ["127.0.0.1/8", "::1/128"]


@pytest.mark.skipif(not REAL, reason="allowed: the host has no other interface")
def test_the_same_programs_see_the_real_interfaces_without_a_sandbox():
    done = subprocess.run([box.compiled("interfaces")], capture_output=True, text=True)
    assert any(name in done.stdout for name in REAL), done


# --- the socket

ASK = """
import array, fcntl, os, socket, struct, sys
def ask(s, kind=22, family=0):
    s.sendto(struct.pack("=IHHIIB3x", 20, kind, 0x301, 7, 0, family), (0, 0))
    data, sender = s.recvfrom(65536)
    return struct.unpack_from("=IHHII", data)[1:]
def route():
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
"""


def test_its_address_is_the_one_that_replies_carry():
    code = ASK + ("s = route(); print(s.getsockname()); s.bind((0, 0)); print(s.getsockname()[0] == os.getpid())\n"
                  "print(ask(s) == (20, 2, 7, os.getpid()))\n"
                  "t = route(); t.bind((77, 1)); print(t.getsockname()[0], ask(t)[3], ask(s)[3] == os.getpid())")
    assert printed(code).split() == ["(0,", "0)", "True", "True", "77", "77", "True"]


def test_a_thread_has_the_address_of_its_process():
    code = ASK + ("import threading\ndef f():\n    s = route(); s.bind((0, 0)); print(s.getsockname()[0] - os.getpid())\n"
                  "t = threading.Thread(target=f); t.start(); t.join()")
    assert printed(code) == "0"


def test_flags_are_honoured():
    code = ASK + ("for f in (0, socket.SOCK_NONBLOCK, socket.SOCK_CLOEXEC):\n"
                  "    libc = __import__('ctypes').CDLL(None); fd = libc.socket(16, 2 | f, 0)\n"
                  "    print(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK != 0, fcntl.fcntl(fd, fcntl.F_GETFD))")
    assert printed(code).split("\n") == ["False 0", "True 0", "False 1"]


def test_it_lives_on_in_copies_children_programs_and_who_it_is_sent_to():
    code = ASK + """
s = route(); s.bind((0, 0)); me = os.getpid()
low = os.dup(s.fileno()); print(ask(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0, low))[3] == me, flush=True)
if os.fork() == 0:
    print(ask(s)[3] == me, s.getsockname()[0] == me, flush=True); os._exit(0)
os.wait()
a, b = socket.socketpair()
socket.send_fds(a, [b"x"], [s.fileno()])
fd = socket.recv_fds(b, 1, 1)[1][0]
print(ask(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0, fd))[3] == me, flush=True)
os.set_inheritable(s.fileno(), True)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1], str(s.fileno())])
"""
    after = ASK + ("fd = int(sys.argv[1]); s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0, fd)\n"
                   "print(ask(s)[3] == os.getpid(), s.getsockname()[0] == os.getpid())")
    done = box.check(box.run("--", box.PYTHON, "-c", code, after))
    assert done.stdout.split() == ["True"] * 6


def test_a_descriptor_of_the_program_is_never_replaced():
    code = ASK + ("r, w = os.pipe()\nfor n in range(960, 970): os.dup2(w, n)\ns = route(); print(s.fileno())\n"
                  "print(all(os.fstat(n) == os.fstat(w) for n in range(960, 970)))")
    assert printed(code).split() == ["970", "True"]


def test_every_other_protocol_is_refused_without_a_report():
    code = ("import socket\nfor p in [*range(1, 23), 31]:\n"
            "    try: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, p); print('made', p)\n"
            "    except OSError as e: print(e.errno)")
    done = box.check(box.python(code))
    assert set(done.stdout.split()) == {"97"} and done.stderr == ""


def test_without_a_supervisor_there_is_none():
    code = ("import socket\ntry: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\n"
            "except OSError as e: print(e.errno)\nprint(socket.getaddrinfo('localhost', 80)[0][4][1])")
    assert printed(code, "--no-supervisor").split() == ["97", "80"]


def test_threads_that_ask_at_once_all_hear():
    code = ("import socket, threading\nbad = []\ndef f():\n    for i in range(40):\n"
            "        if socket.if_nameindex() != [(1, 'lo')]: bad.append(1)\n"
            "t = [threading.Thread(target=f) for _ in range(8)]\n[x.start() for x in t]; [x.join() for x in t]; print(len(bad))")
    assert printed(code) == "0"


def test_a_flood_is_bounded_and_stops_nobody_else():
    code = ASK + """
keep = []
try:
    while True: keep.append(route())
except OSError as e: print(len(keep), e.errno)
for s in keep:
    s.setblocking(False)
    try:
        while True: s.send(struct.pack("=IHHIIB3x", 20, 18, 0x301, 7, 0, 0))
    except OSError as e: pass
first = keep.pop(); first.setblocking(True); print(first.recv(65536)[4])
del keep, s
import time
for i in range(100):
    try: s = route(); break
    except OSError: time.sleep(0.05)
print(ask(s)[0])
"""
    assert printed(code, timeout=120).split() == ["256", "23", "16", "20"]


def test_it_works_where_sends_are_judged():
    """Sends are trapped then, copies of the socket included."""
    code = ASK + ("s = route(); t = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0, os.dup(s.fileno()))\n"
                  "print(ask(s)[0], ask(t)[0], s.sendmsg([struct.pack('=IHHIIB3x', 20, 18, 0x301, 7, 0, 0)], [], 0, (0, 0)),\n"
                  "      struct.unpack_from('=IHHII', s.recv(9999))[1], socket.if_nameindex())")
    assert printed(code, "--net-allow", "udp://127.0.0.1:9") == "20 20 20 16 [(1, 'lo')]"


# --- SIOCGIF*

def test_questions_by_ioctl_are_about_lo():
    code = """
import fcntl, socket, struct
s = socket.socket()
def ask(request, name, value=b""): return fcntl.ioctl(s, request, struct.pack("16s24s", name, value))[16:]
print(struct.unpack_from("H", ask(0x8913, b"lo"))[0] & 0x49, socket.inet_ntoa(ask(0x8915, b"lo")[4:8]),
      socket.inet_ntoa(ask(0x891b, b"lo")[4:8]), struct.unpack_from("i", ask(0x8921, b"lo"))[0],
      struct.unpack_from("i", ask(0x8933, b"lo"))[0], struct.unpack_from("H", ask(0x8927, b"lo"))[0])
for request in (0x8913, 0x8915, 0x8933, 0x8927):
    try: print(ask(request, b"eth0"))
    except OSError as e: print(e.errno, end=" ")
try: fcntl.ioctl(s, 0x8910, struct.pack("16si20x", b"", 2))
except OSError as e: print(e.errno, end=" ")
for request in (0x8914, 0x8946, 0x8917, 0x8942):
    try: print(ask(request, b"lo"))
    except OSError as e: print(e.errno, end=" ")
"""
    assert printed(code).split("\n") == ["73 127.0.0.1 255.0.0.0 65536 1 772", "19 19 19 19 19 1 1 1 1"]


# --- cost

def test_a_program_without_netlink_traps_nothing():
    code = ("import os, socket\na = socket.create_server(('127.0.0.1', 0)) if False else socket.socket()\n"
            "a.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
            "for i in range(1000): a.getsockname(); a.fileno(); a.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)\n"
            "u = socket.socketpair()\nfor i in range(1000): u[0].send(b'x'); u[1].recv(1); u[1].getsockname()\n"
            "os.isatty(0)")
    _, status = box.status("--", box.PYTHON, "-c", code)
    quiet = status["notifications"]
    _, status = box.status("--", box.PYTHON, "-c", "pass")
    assert quiet == status["notifications"], "what was trapped: " + str(status)

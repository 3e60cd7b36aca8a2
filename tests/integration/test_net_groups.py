"""Joining multicast groups: with a rule, without one, and what of it is seen on the cable."""
import itertools
import subprocess
import time

import pytest

import box
import netlab

pytestmark = pytest.mark.root

MDNS, MDNS6 = "224.0.0.251", "ff15::fb"
RULES = ["--net-allow", f"udp://{MDNS}:5353", "--net-allow", f"udp://[{MDNS6}]:5353", "--net-allow-bind", "5353"]

# join GROUP...: then the answers, and a member until the end of its input
JOIN = """
import errno, socket, struct, sys
kept = []
for group in sys.argv[1:]:
    v6 = ":" in group
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    kept.append(s)
    try:
        if v6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group) + bytes(4))
        else:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + bytes(4))
        print(group, "joined", flush=True)
    except OSError as e:
        print(group, errno.errorcode[e.errno], flush=True)
print("done", flush=True)
sys.stdin.read()
"""

# as an mDNS client does: the port, the group, and what comes
LISTEN = """
import socket, sys
group, v6 = sys.argv[1], ":" in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 5353))
if v6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group) + bytes(4))
else:
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + bytes(4))
print("joined", flush=True)
s.settimeout(60)
print(s.recvfrom(100)[0].decode(), flush=True)
"""

SEND = """
import socket, sys
v6 = ":" in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
if v6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("down0"))
else:
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("192.0.2.10"))
try:
    s.sendto(b"an announcement", (sys.argv[1], 5353))
except OSError:
    pass                                                    # a link that has just been made: no route yet
"""


numbers = itertools.count(1)


@pytest.fixture
def other():
    """A group of each family that no other test has: the kernel goes on telling of one for a second after it was left."""
    number = next(numbers)
    return f"239.1.{number}.1", f"ff15::1:{number}"


@pytest.fixture
def mark():
    number = next(numbers)
    return f"239.1.{number}.1", f"ff15::1:{number}"


def groups_seen(lab):
    return {p["to"] for p in lab.seen() if p["proto"] in ("igmp", "mld")}


def wait_for(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def bare_join(lab, *groups):
    """The same joins without a sandbox; returns when the world has seen them."""
    with subprocess.Popen(lab.command(box.PYTHON, "-c", JOIN, *groups), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        assert [process.stdout.readline().split()[-1] for _ in groups] == ["joined"] * len(groups)
        wait_for(lambda: set(groups) <= groups_seen(lab))
        process.stdin.close()
        process.wait()


@pytest.mark.parametrize("group", [MDNS, MDNS6])
@pytest.mark.parametrize("user", [None, netlab.NOBODY])
def test_with_a_rule_a_client_joins_and_hears_the_group(lab, group, user):
    process = lab.start(*RULES, "--", box.PYTHON, "-c", LISTEN, group, user=user, cwd="/")
    assert process.stdout.readline() == "joined\n", process.communicate()
    while process.poll() is None:                           # again, since the first may be lost
        subprocess.run(["ip", "netns", "exec", lab.world, box.PYTHON, "-c", SEND, group], check=True)
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            pass
    assert process.stdout.read() == "an announcement\n", process.stderr.read()
    wait_for(lambda: group in groups_seen(lab))


@pytest.mark.parametrize("flags", [RULES, ["--net-allow", "udp://192.0.2.10:5353"], ["--net-allow", "udp://*:5353", "--net-deny",
                                   "udp://239.0.0.0/8", "--net-deny", "udp://ff15::1:0/112"]])
def test_other_groups_are_refused_and_nothing_of_them_leaves(lab, flags, other, mark):
    done = lab.python(JOIN.replace("sys.argv[1:]", repr(other)), *flags, cwd="/")
    assert done.stdout == f"{other[0]} EPERM\n{other[1]} EPERM\ndone\n", done
    bare_join(lab, *mark)                                   # whatever left before has been seen now
    assert not groups_seen(lab) & set(other)
    bare_join(lab, *other)                                  # and this is what would have been


@pytest.mark.parametrize("flags", [[], ["--net-allow", "tcp://*:443"], ["--net-allow", "udp://*:5353"]])
def test_a_tcp_socket_joins_no_group(lab, flags, other, mark):
    code = f"""
import errno, socket, struct
for family, level, group in ((2, 0, "{other[0]}"), (10, 41, "{other[1]}")):
    s = socket.socket(family)
    name = struct.pack("=HH", family, 0) + (bytes(4) if family == 10 else b"") + socket.inet_pton(family, group)
    try:
        s.setsockopt(level, 42, bytes(8) + name.ljust(128, bytes(1)))   # MCAST_JOIN_GROUP
        print("joined")
    except OSError as e:
        print(errno.errorcode[e.errno])
"""
    assert lab.python(code, *flags, cwd="/").stdout == "EPERM\nEPERM\n"
    bare_join(lab, *mark)
    assert not groups_seen(lab) & set(other)
    assert lab.bare(box.PYTHON, "-c", code).stdout == "joined\njoined\n"


def test_the_report_names_the_rule_that_helps(lab, other):
    code = f"""
import socket
s = socket.socket(2, 2)
s.bind(("", 5353))
try: s.setsockopt(0, 35, socket.inet_aton("{other[0]}") + bytes(4))
except OSError as e: print(e.errno)
"""
    done = lab.python(code, "--report", *RULES, cwd="/")
    assert done.stdout == "1\n", done
    assert f"{other[0]} (IP_ADD_MEMBERSHIP)" in done.stderr and f"--net-allow udp://{other[0]}:5353" in done.stderr, done
    assert lab.python(code, *RULES, "--net-allow", f"udp://{other[0]}:5353", cwd="/").stdout == ""


def test_a_second_thread_that_changes_the_address_joins_nothing_else(lab, other):
    code = f"""
import ctypes, socket, sys, threading
good, bad = socket.inet_aton("{MDNS}"), socket.inet_aton("{other[0]}")
libc = ctypes.CDLL(None, use_errno=True)
value = ctypes.create_string_buffer(good + bytes(4), 8)
ended = threading.Event()

def flip():
    while not ended.is_set():
        ctypes.memmove(value, bad, 4)
        ctypes.memmove(value, good, 4)

flipper = threading.Thread(target=flip)
flipper.start()
sys.setswitchinterval(1e-5)
kept, joined, refused = [], 0, 0
for n in range(20000):
    if n >= 400 and joined and refused:
        break
    s = socket.socket(2, 2)
    rc = libc.setsockopt(s.fileno(), 0, 35, value, 8)
    joined += rc == 0
    refused += rc < 0
    if len(kept) < 400:
        kept.append(s)
ended.set()
flipper.join()
print("both" if joined and refused else (joined, refused), flush=True)
sys.stdin.read()
"""
    process = lab.start(*RULES, "--", box.PYTHON, "-c", code, stdin=subprocess.PIPE, cwd="/")
    assert process.stdout.readline() == "both\n", process.communicate()
    members = lab.bare("cat", "/proc/net/igmp").stdout
    process.communicate()
    assert "FB0000E0" in members and "EF\t" not in members.replace(" ", "\t"), members
    assert other[0] not in groups_seen(lab)


def test_leaving_is_the_kernels(lab):
    code = f"""
import socket
s = socket.socket(2, 2)
value = socket.inet_aton("{MDNS}") + bytes(4)
s.setsockopt(0, 35, value)
s.setsockopt(0, 36, value)
try: s.setsockopt(0, 36, value)
except OSError as e: print(e.errno)
"""
    assert lab.python(code, *RULES, cwd="/").stdout == "99\n"

"""Names: only those of the rules resolve, nothing else of DNS leaves, and what they resolve to is open for its time."""
import os
import shutil
import subprocess
import time

import pytest

import box
import netlab

pytestmark = pytest.mark.root

USERS = pytest.mark.parametrize("user", [None, netlab.NOBODY])
SUFFIX = ("--net-allow", "tcp://*.example.com:443")
PLAIN = ("--net-allow", "tcp://api.example.com:443")            # every UDP socket is one of the resolver's
SERVER = ("udp", netlab.NAMESERVER, 53)
ZONE = {
    "api.example.com": {"A": ["198.51.100.7"], "AAAA": ["2001:db8:2::7"]},
    "example.com": {"A": ["203.0.113.9"]},
    "secret.attacker.test": {"A": ["203.0.113.9"]},
    "rebind.example.com": {"A": ["10.9.9.9", "127.0.0.1", "169.254.169.254"]},
    "short.example.com": {"A": ["203.0.113.9"], "ttl": 1},
    "turns.test": {"A": ["198.51.100.7"], "ttl": 5, "then": {"A": ["203.0.113.9"], "ttl": 5}},
    "moves.test": {"A": ["198.51.100.7"], "ttl": 5, "then": {"A": ["203.0.113.9"], "ttl": 5}},
}

# A query by hand: the answer's code and first address, or what went wrong.
ASK = """
import socket, struct
def query(name, kind=1):
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split("."))
    return struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\\0" + struct.pack("!2H", kind, 1)
def shown(answer):
    code, count = answer[3] & 15, answer[7]
    return f"{code} {socket.inet_ntoa(answer[-4:]) if count else '-'}"
def tried(what):
    try:
        return what()
    except OSError as e:
        return f"errno {e.errno} {e}"
def udp_connected(name, to, port=53):
    with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((to, port))
        assert s.getpeername()[0] == to
        s.send(query(name))
        return shown(s.recv(2000))
def udp_sendto(name, to, port=53, s=None):
    s = s or socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.sendto(query(name), (to, port))
    answer, source = s.recvfrom(2000)
    assert source[:2] == (to, port), source
    return shown(answer)
def udp_sendmsg(name, to, port=53):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendmsg([query(name)], [], 0, (to, port))
        answer, source = s.recvfrom(2000)
        assert source == (to, port), source
        return shown(answer)
def tcp(name, to, port=53):
    with socket.create_connection((to, port), timeout=5) as s:
        assert s.getpeername()[0] == to
        q = query(name)
        s.sendall(struct.pack("!H", len(q)) + q)
        length = struct.unpack("!H", s.recv(2, socket.MSG_WAITALL))[0]
        return shown(s.recv(length, socket.MSG_WAITALL))
def connects(host, port):
    with socket.create_connection((host, port), timeout=5) as s:
        return s.getpeername()[0]
"""


def ask(lab, code, *flags, **kw):
    done = lab.python(ASK + code, *flags, cwd="/", **kw)
    assert done.returncode == 0, done
    return done.stdout.splitlines()


@pytest.fixture
def zone(lab):
    lab.zone(ZONE)
    return lab


@USERS
def test_a_name_below_a_suffix_resolves_and_its_address_is_open_for_the_rules_port(zone, user):
    lines = ask(zone, """
print(sorted({a[4][0] for a in socket.getaddrinfo("api.example.com", 443)}))
print(connects("api.example.com", 443))
for port in 80, 7001:
    print(tried(lambda: connects("198.51.100.7", port)))
print(tried(lambda: connects("203.0.113.9", 443)))
""", *SUFFIX, user=user)
    assert lines[0] == "['198.51.100.7', '2001:db8:2::7']"
    assert lines[1] in ("198.51.100.7", "2001:db8:2::7")
    assert all(line.startswith("errno 111") for line in lines[2:]), lines
    assert zone.names_asked() == {"api.example.com"}
    assert zone.destinations() <= {SERVER, ("tcp", "198.51.100.7", 443), ("tcp", "2001:db8:2::7", 443)}


@USERS
def test_an_address_is_closed_before_its_name_was_asked_for(zone, user):
    lines = ask(zone, 'print(tried(lambda: connects("198.51.100.7", 443)))', *SUFFIX, user=user)
    assert lines[0].startswith("errno 111")
    assert zone.destinations() == set()


@USERS
def test_other_names_do_not_exist_and_nobody_hears_of_them(zone, user):
    lines = ask(zone, """
for name in "secret.attacker.test", "example.com", "api.example.com.attacker.test", "xexample.com":
    try:
        print(socket.getaddrinfo(name, 443))
    except socket.gaierror as e:
        print(e.errno == socket.EAI_NONAME)
""", *SUFFIX, user=user)
    assert lines == ["True"] * 4
    assert zone.destinations() == set()


@USERS
@pytest.mark.parametrize("extra", [(), ("--net-allow", "udp://192.0.2.10:7001"), ("--net-allow", "udp://*:*")])
def test_any_name_server_that_is_asked_is_ours(zone, user, extra):
    lines = ask(zone, """
for way in udp_connected, udp_sendto, udp_sendmsg, tcp:
    for server in "8.8.8.8", "192.0.2.53", "127.0.0.1":
        print(tried(lambda: way("secret.attacker.test", server)), tried(lambda: way("api.example.com", server)))
for way in udp_connected, udp_sendto, tcp:
    print(tried(lambda: way("secret.attacker.test", "2001:db8:1::10")), tried(lambda: way("api.example.com", "2001:db8:1::10")))
""", *SUFFIX, *extra, user=user)
    assert lines == ["3 - 0 198.51.100.7"] * 15
    assert zone.names_asked() == {"api.example.com"}
    assert zone.destinations() == {SERVER}


@USERS
@pytest.mark.parametrize("extra", [(), ("--net-allow", "udp://192.0.2.10:7001")])
def test_one_socket_may_ask_many_times(zone, user, extra):
    lines = ask(zone, """
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    for server in "8.8.8.8", "8.8.4.4", "8.8.8.8":
        print(tried(lambda: udp_sendto("api.example.com", server, s=s)))
    s.sendto(query("secret.attacker.test"), ("9.9.9.9", 53))
    s.sendto(query("api.example.com"), ("8.8.8.8", 53))
    print(sorted(s.recvfrom(2000)[1] for _ in range(2)))
""", *SUFFIX, *extra, user=user)
    assert lines == ["0 198.51.100.7"] * 3 + ["[('8.8.8.8', 53), ('9.9.9.9', 53)]"]
    assert zone.destinations() == {SERVER}


@USERS
@pytest.mark.parametrize("extra", [(), ("--net-allow", "udp://192.0.2.10:7001")])
def test_no_other_kind_of_dns_leaves(zone, user, extra):
    lines = ask(zone, """
for to, port in ("192.0.2.53", 853), ("192.0.2.10", 853), ("224.0.0.251", 5353), ("224.0.0.252", 5355), ("192.0.2.10", 5353), ("192.0.2.53", 443):
    for way in udp_connected, udp_sendto, udp_sendmsg, tcp:
        print(tried(lambda: way("secret.attacker.test", to, port)))
""", *SUFFIX, *extra, user=user)
    assert len(lines) == 24 and all(line.startswith(("errno", "timed out")) for line in lines), lines
    assert zone.destinations() == set()


@USERS
def test_a_rule_for_a_name_server_lets_dns_through_to_it_and_to_no_other(zone, user):
    lines = ask(zone, """
for way in udp_connected, udp_sendto, udp_sendmsg:
    print(way("secret.attacker.test", "192.0.2.53"), way("secret.attacker.test", "8.8.8.8"))
""", *SUFFIX, "--net-allow", "udp://192.0.2.53:53", user=user)
    assert lines == ["0 203.0.113.9 3 -"] * 3
    assert zone.names_asked() == {"secret.attacker.test"}
    assert zone.destinations() == {SERVER}


@USERS
def test_a_udp_rule_beside_names_still_works(zone, user):
    lines = ask(zone, """
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(5)
    s.sendto(b"hello", ("192.0.2.10", 7001))
    print(s.recvfrom(100))
""", *SUFFIX, "--net-allow", "udp://192.0.2.10:7001", user=user)
    assert lines == ["(b'hello', ('192.0.2.10', 7001))"]


@USERS
def test_a_public_name_does_not_lead_into_private_places(zone, user):
    done = zone.python(ASK + """
print(udp_connected("rebind.example.com", "8.8.8.8"))
for ip in "10.9.9.9", "169.254.169.254", "127.0.0.1":
    print(tried(lambda: connects(ip, 443))[:9])
""", *SUFFIX, "--report", user=user, cwd="/")
    assert done.stdout.splitlines() == ["0 -"] + ["errno 111"] * 3, done
    assert "resolve 'rebind.example.com at 10.9.9.9'" in done.stderr, done
    assert "--net-allow 10.9.9.9:443" in done.stderr
    assert zone.destinations() == {SERVER}


def test_a_private_address_that_a_rule_grants_may_be_led_to(zone):
    lines = ask(zone, """
print(udp_connected("rebind.example.com", "8.8.8.8"))
print(connects("rebind.example.com", 443))
""", *SUFFIX, "--net-allow", "tcp://10.0.0.0/8:443")
    assert lines == ["0 10.9.9.9", "10.9.9.9"]


def test_the_report_names_the_name_and_the_flag(zone):
    done = zone.python(ASK + 'udp_connected("secret.attacker.test", "8.8.8.8")', *SUFFIX, "--report", cwd="/")
    assert "resolve 'secret.attacker.test'" in done.stderr, done
    assert "--net-allow secret.attacker.test:443" in done.stderr


@pytest.mark.parametrize("rule", ["tcp://api.example.com:443", "tcp://*.example.com:443"])
def test_a_refused_port_of_a_known_name_is_told_with_the_name(zone, rule):
    done = zone.python(ASK + """
socket.getaddrinfo("api.example.com", 443)
print(tried(lambda: connects("198.51.100.7", 80))[:9])
""", "--net-allow", rule, "--report", cwd="/")
    assert done.stdout == "errno 111\n", done
    assert "connect '198.51.100.7:80 (tcp, api.example.com)': " in done.stderr, done
    assert "add: --net-allow tcp://api.example.com:80\n" in done.stderr


def test_a_denied_address_of_a_known_name_is_told_with_the_name(zone):
    done = zone.python(ASK + 'print(tried(lambda: connects("198.51.100.7", 80))[:9])', "--net-allow", "api.example.com:443",
                       "--net-deny", "198.51.100.0/24:80", "--report", cwd="/")
    assert "connect '198.51.100.7:80 (tcp, api.example.com)': " in done.stderr, done
    assert "why: --net-deny 198.51.100.0/24:80\n      no option allows this" in done.stderr


def test_the_advice_for_a_name_has_the_ports_of_the_rules_and_no_process_is_named_that_is_not_known(zone):
    done = zone.python(ASK + 'udp_connected("secret.attacker.test", "8.8.8.8")', "--net-allow", "tcp://*.example.com:80",
                       "--report", cwd="/")
    assert "  a program: resolve 'secret.attacker.test': " in done.stderr, done
    assert "add: --net-allow secret.attacker.test:80\n" in done.stderr


def test_a_refused_name_server_is_answered_with_the_advice_to_name_the_destination(zone):
    done = zone.python(ASK + 'print(tried(lambda: udp_sendto("api.example.com", "192.0.2.53"))[:9])', "--net-allow",
                       "udp://192.0.2.10:7001", "--report", cwd="/")
    assert "send '192.0.2.53:53 (udp)': " in done.stderr, done
    assert "add: --net-allow NAME:PORT\n" in done.stderr


def test_the_report_names_datagrams_that_reach_nobody(zone):
    done = zone.python(ASK + """
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.10", 7001))
import time
time.sleep(0.3)
""", *SUFFIX, "--report", cwd="/")
    assert "send '192.0.2.10:7001 (udp)'" in done.stderr and "--net-allow udp://192.0.2.10:7001" in done.stderr, done
    assert zone.destinations() == set()


def test_a_datagram_that_the_kernel_took_is_told_as_dropped(zone):
    done = zone.python(ASK + """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(s.sendto(b"x", ("192.0.2.11", 7001)))
s.connect(("192.0.2.10", 7001))
s.settimeout(20)
print(s.send(b"x"), tried(lambda: s.recv(10))[:9])
for _ in range(2):      # asked and answered twice: between the two, what was sent before was seen
    udp_connected("secret.attacker.test", "8.8.8.8")
""", "--net-allow", "tcp://api.example.com:443", "--report", cwd="/")
    assert done.stdout.splitlines() == ["1", "1 errno 111"], done
    for address in "192.0.2.10", "192.0.2.11":
        assert f"  a program: send '{address}:7001 (udp)': dropped\n" in done.stderr, done
        assert f"add: --net-allow udp://{address}:7001\n" in done.stderr
    assert ("udp", "192.0.2.10", 7001) not in zone.destinations()


def test_an_address_is_closed_when_its_time_is_over(zone):
    lines = ask(zone, """
import time
print(udp_connected("short.example.com", "8.8.8.8"))
print(connects("203.0.113.9", 443))
time.sleep(11.5)
print(tried(lambda: connects("203.0.113.9", 443))[:9])
""", *SUFFIX)
    assert lines == ["0 203.0.113.9", "203.0.113.9", "errno 111"]


def test_a_plain_name_keeps_the_addresses_of_the_start(zone):
    lines = ask(zone, """
import time
time.sleep(6)
print(udp_connected("moves.test", "8.8.8.8"), connects("moves.test", 443))
print(tried(lambda: connects("203.0.113.9", 443))[:9])
""", "--net-allow", "moves.test:443")
    assert lines == ["0 198.51.100.7 198.51.100.7", "errno 111"]


def test_a_plain_name_is_kept_fresh_on_demand(zone):
    lines = ask(zone, """
import time
def addresses():
    return sorted({a[4][0] for a in socket.getaddrinfo("turns.test", 443)})
deadline = time.time() + 40
print(connects("turns.test", 443))
while udp_connected("turns.test", "8.8.8.8") != "0 203.0.113.9" and time.time() < deadline:
    time.sleep(0.3)
print(connects("203.0.113.9", 443))
while addresses() != ["203.0.113.9"] and time.time() < deadline:
    time.sleep(0.3)
print(addresses(), tried(lambda: connects("198.51.100.7", 443))[:9])
""", "--net-allow", "turns.test:443", "--dns-refresh")
    assert lines[0] in ("198.51.100.7", "203.0.113.9")      # it may have turned before the program has begun
    assert lines[1:] == ["203.0.113.9", "['203.0.113.9'] errno 111"]


# --- real programs ---

WORDS = ("api.example.com", "443", "secret.attacker.test", "443")


def built(name, folder, *command):
    path = folder / name
    done = subprocess.run([*command, "-o", path, *([] if "go" in command[0] else [os.path.join(box.HELPERS, "lookup.c")])],
                          capture_output=True, text=True)
    assert done.returncode == 0, done
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("clients")
    path.chmod(0o755)
    for parent in path.parents:
        if str(parent) not in ("/", "/tmp"):
            parent.chmod(0o755)
    return path


@USERS
@pytest.mark.parametrize("compiler", ["gcc", "musl-gcc"])
@pytest.mark.parametrize("extra", [(), ("--net-allow", "udp://192.0.2.10:7001")])
def test_getaddrinfo_of_glibc_and_of_static_musl(zone, folder, compiler, extra, user):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    program = built(f"lookup-{compiler}", folder, compiler, *(["-static"] if compiler == "musl-gcc" else []))
    done = zone.run("-r", folder, *SUFFIX, *extra, "--", program, *WORDS, user=user, cwd="/")
    assert sorted(done.stdout.splitlines()) == ["api.example.com: 198.51.100.7 connected",
                                               "api.example.com: 2001:db8:2::7 connected",
                                               "secret.attacker.test: no such name"], done
    assert zone.names_asked() == {"api.example.com"}


@pytest.mark.parametrize("extra", [(), ("--net-allow", "udp://192.0.2.10:7001")])
def test_the_resolver_of_go(zone, folder, extra):
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not os.path.exists(go):
        pytest.skip("Go is not installed")
    program = folder / "lookup-go"
    if not program.exists():
        subprocess.run([go, "build", "-o", program, os.path.join(box.HELPERS, "lookup.go")], check=True,
                       env={**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(folder / "cache"), "GO111MODULE": "off"})
    done = zone.run("-r", folder, *SUFFIX, *extra, "--", program, *WORDS, cwd="/")
    first, second = done.stdout.splitlines()
    assert first.endswith("connected") and "no such host" in second, done
    assert zone.names_asked() == {"api.example.com"}


@pytest.mark.parametrize("extra", [(), ("--net-allow", "udp://192.0.2.10:7001")])
@pytest.mark.parametrize("words", [("@8.8.8.8",), ("@8.8.8.8", "+tcp"), (), ("@2001:db8:1::10",)])
def test_dig(zone, words, extra):
    if not shutil.which("dig"):
        pytest.skip("dig is not installed")
    bind = ("--net-allow-bind", "0") if "+tcp" in words else ()         # dig binds its socket before it connects
    done = zone.run(*SUFFIX, *extra, *bind, "--", shutil.which("dig"), "+short", "+tries=1", *words, "api.example.com",
                    cwd="/")
    assert done.stdout == "198.51.100.7\n", done
    done = zone.run(*SUFFIX, *extra, *bind, "--", shutil.which("dig"), "+tries=1", *words, "secret.attacker.test", cwd="/")
    assert "NXDOMAIN" in done.stdout, done
    assert zone.names_asked() == {"api.example.com"}


@pytest.mark.parametrize("extra", [(), ("--net-allow", "udp://192.0.2.10:7001")])
def test_both_resolvers_of_node(zone, extra):
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    done = zone.run("--preset", "node", *SUFFIX, *extra, "--", shutil.which("node"), "-e", """
const dns = require("dns");
dns.lookup("api.example.com", {family: 4}, (e, a) => console.log("lookup", e && e.code, a));
dns.resolve4("api.example.com", (e, a) => console.log("resolve", e && e.code, a));
dns.resolve4("secret.attacker.test", (e, a) => console.log("other", e && e.code, a));
""", cwd="/")
    assert sorted(done.stdout.splitlines()) == ["lookup null 198.51.100.7", "other ENOTFOUND undefined",
                                               "resolve null [ '198.51.100.7' ]"], done
    assert zone.names_asked() == {"api.example.com"}


def test_curl(zone):
    done = zone.run("--net-allow", "*.example.com:80", "--", shutil.which("curl"), "-sS", "--http0.9", "--max-time", "3",
                    "http://api.example.com/", cwd="/")
    assert "GET / HTTP/1.1" in done.stdout, done


# --- starting and ending ---

NO_NAMESPACES = "for f in user net; do echo 0 >/proc/sys/user/max_${f}_namespaces; done; exec \"$@\""


def test_without_namespaces_a_suffix_stops_the_start_and_says_why(zone):
    done = zone.bare("unshare", "-Ur", "sh", "-c", NO_NAMESPACES, "sh", box.SANDLOCK, "run", *SUFFIX, "--", "true")
    assert done.returncode == 125, done
    assert "*.example.com" in done.stderr and "user.max_user_namespaces" in done.stderr, done


def test_without_namespaces_plain_names_work_by_the_hosts_file(zone):
    done = zone.bare("unshare", "-Ur", "sh", "-c", NO_NAMESPACES, "sh", box.SANDLOCK, "run", "--net-allow",
                     "api.example.com:443", "--", box.PYTHON, "-c", ASK + """
print(connects("api.example.com", 443))
print(tried(lambda: udp_connected("api.example.com", "8.8.8.8"))[:7])
""")
    assert done.stdout.splitlines() == ["198.51.100.7", "errno 1"] or done.stdout.startswith("2001:"), done


def test_without_namespaces_a_preset_goes_without_its_suffixes(zone):
    zone.zone({"archive.ubuntu.com": {"A": ["198.51.100.7"]}, "security.ubuntu.com": {"A": ["198.51.100.7"]},
               "ports.ubuntu.com": {"A": ["198.51.100.7"]}})
    done = zone.bare("unshare", "-Ur", "sh", "-c", NO_NAMESPACES, "sh", box.SANDLOCK, "run", "--net-preset", "ubuntu", "--",
                     box.PYTHON, "-c", ASK + "print(connects('archive.ubuntu.com', 80))")
    assert done.stdout == "198.51.100.7\n", done
    assert "warning: a network preset is without its rules such as *.example.com" in done.stderr, done


def islands():
    names = []
    for pid in os.listdir("/proc"):
        try:
            with open(f"/proc/{pid}/comm") as f:
                names.append(f.read().strip())
        except OSError:
            pass
    return names.count("sandlock-island")


@pytest.mark.parametrize("how", ["end", "kill"])
def test_the_island_goes_with_the_sandbox(zone, how):
    before = islands()
    process = zone.start(*SUFFIX, "--", "sleep", "30" if how == "kill" else "0.5")
    deadline = time.time() + 5
    while islands() != before + 1 and time.time() < deadline:
        time.sleep(0.02)
    assert islands() == before + 1
    if how == "kill":
        process.kill()
    process.wait(timeout=10)
    deadline = time.time() + 5
    while islands() != before and time.time() < deadline:
        time.sleep(0.02)
    assert islands() == before


@pytest.mark.parametrize("options", [("SO_REUSEADDR",), ("SO_REUSEADDR", "SO_REUSEPORT")])
def test_a_program_cannot_take_the_resolvers_place(zone, options):
    lines = ask(zone, f"""
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for option in {options}:
    s.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
for ip in "0.0.0.0", "127.0.0.1", "8.8.8.8":
    print(tried(lambda: s.bind((ip, 53))))
print(udp_connected("api.example.com", "8.8.8.8"))
""", *PLAIN, user=netlab.NOBODY)
    assert lines == ["errno 98 [Errno 98] Address already in use"] * 3 + ["0 198.51.100.7"]


# A table of the packet filter and one of IPv6, a policy of IPsec, and what only asks for tables. SO_MARK shows whether
# they would be let in.
RIGHTS = """
import ctypes, errno, socket
libc = ctypes.CDLL(None, use_errno=True)
def ask(call, s, level, option):
    value = ctypes.create_string_buffer(b"filter", 84)
    size = ctypes.c_int(84)
    rc = getattr(libc, call)(s.fileno(), level, option, value, 84 if call[0] == "s" else ctypes.byref(size))
    return errno.errorcode[ctypes.get_errno()] if rc < 0 else "done"
v4, v6 = (socket.socket(f, socket.SOCK_DGRAM) for f in (socket.AF_INET, socket.AF_INET6))
print(ask("setsockopt", v4, 1, 36))
print(ask("setsockopt", v4, 0, 64), ask("setsockopt", v6, 41, 64), ask("setsockopt", v6, 41, 35),
      ask("setsockopt", v6, 0, 96), ask("getsockopt", v4, 0, 64), ask("getsockopt", v6, 41, 65))
"""


def test_the_resolvers_sockets_do_not_let_a_program_at_the_packet_filter(zone):
    done = zone.python(RIGHTS, *PLAIN, cwd="/", user=netlab.NOBODY)
    assert done.stdout.splitlines() == ["done", " ".join(["EPERM"] * 6)], done


KINDS = """
import socket
for family, protocol in ((socket.AF_UNIX, 0), (socket.AF_INET, socket.IPPROTO_ICMP), (socket.AF_INET, 0)):
    try:
        print(socket.socket(family, socket.SOCK_DGRAM, protocol).getsockopt(1, 39) == family)
    except OSError as error:
        print(error.errno)
"""


def test_sockets_that_ask_for_no_name_are_the_kernels_own(tmp_path):
    def kinds(*flags):
        flags = ("--unix-allow", tmp_path, "--net-allow", "icmp://127.0.0.1", *flags)
        return box.check(box.run("-r", "/", *flags, "--", box.PYTHON, "-c", KINDS)).stdout.split()

    plain = kinds("--net-allow", "udp://127.0.0.1:9")
    assert kinds("--net-allow", "tcp://localhost:80") == plain
    assert plain[0] == "True"

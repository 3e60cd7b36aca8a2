"""Network rules as a person types them: what is refused and why, what they stand for, and who decides."""
import json
import socket
import subprocess

import pytest

import box


def listener(family=socket.AF_INET, host="127.0.0.1"):
    s = socket.socket(family)
    s.bind((host, 0))
    s.listen(8)
    return s, s.getsockname()[1]


CONNECT = """
import socket, sys
for target in sys.argv[1:]:
    host, port = target.rsplit(':', 1)
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
    s.settimeout(5)
    try:
        s.connect((host, int(port)))
        print('connected')
    except OSError as e:
        print(type(e).__name__)
"""


def connect(flags, *targets):
    done = box.check(box.run(*flags, "--", box.PYTHON, "-c", CONNECT, *targets))
    return done.stdout.split()


# --- what is refused before anything starts

@pytest.mark.parametrize("flag, value, parts", [
    ("--net-allow", "x:0", ["column 3", "port 0"]),
    ("--net-allow", "x:80,", ["column 6", "80,443"]),
    ("--net-allow", "x:+80", ["column 3"]),
    ("--net-allow", "2001:db8::1:443", ["write [2001:db8::1]:443"]),
    ("--net-allow", "sctp://x", ["tcp, udp, icmp"]),
    ("--net-allow", "a b:80", ["column 2"]),
    ("--net-allow", "1.2.3.0/33", ["0 to 32"]),
    ("--net-deny", "example.com", ["names cannot be denied"]),
    ("--net-deny-bind", "*", ["cannot be denied"]),
    ("--net-preset", "nmp", ["npm, "]),
    ("--net-allow-host", "a.com:443", ["--net-allow a.com:443"]),
])
def test_a_bad_rule_is_a_usage_error_with_its_place(flag, value, parts):
    box.sentence(box.run(flag, value, "--", "true"), 2, flag, *parts)


def test_a_bad_rule_of_a_profile_has_line_and_column(tmp_path):
    profile = tmp_path / "p.toml"
    profile.write_text('[network]\nallow = ["tcp://:443",\n    "x:99999"]\n')
    done = box.run("--profile-file", profile, "--", "true")
    box.sentence(done, 2, "p.toml:3:", "network.allow", "column 3")


@pytest.mark.parametrize("rule, instead", [
    (":443", "tcp://*:443"), ("tcp://192.0.2.1:80", "tcp://*:80"), ("udp://*:53", "tcp://*:53"), ("example.com", "tcp://*"),
])
def test_without_a_supervisor_the_rule_that_needs_one_is_named(rule, instead):
    done = box.run("--no-supervisor", "--net-allow", rule, "--", "true")
    box.sentence(done, 125, f"'{rule}' from --net-allow", "needs a supervisor", instead)


def test_without_a_supervisor_ports_are_enough():
    s, port = listener()
    with s:
        flags = ["--no-supervisor", "--net-allow", f"tcp://:{port}"]
        assert connect(flags, f"127.0.0.1:{port}", "127.0.0.1:1") == ["connected", "PermissionError"]


def test_a_name_without_an_address_stops_the_start_and_is_named():
    done = box.run("--net-allow", "tcp://no-such-name.invalid:443", "--", "true")
    box.sentence(done, 125, "no-such-name.invalid", "from --net-allow", "has no address")


# --- what rules open

@pytest.mark.parametrize("rule", [
    "127.0.0.1:{}", "tcp://127.0.0.1:{}", "tcp://127.0.0.0/8:1,{}", "[::ffff:127.0.0.1]:{}", "::ffff:127.0.0.0/104",
    "tcp://localhost:{}", "tcp://:{}", "*:{}", "tcp://*", "*",
])
def test_a_rule_opens_what_it_names_in_each_spelling(rule):
    s, port = listener()
    with s:
        flags = ["--net-allow", rule.format(port), "--net-allow", "tcp://192.0.2.77:1"]
        assert connect(flags, f"127.0.0.1:{port}", f"::ffff:127.0.0.1:{port}") == ["connected", "connected"]


@pytest.mark.parametrize("rules", [
    ["--net-allow", "tcp://127.0.0.2:{}"], ["--net-allow", "tcp://127.0.0.1:1"], ["--net-allow", "udp://127.0.0.1:{}"],
    ["--net-allow", "tcp://127.0.0.1:{}", "--net-deny", "127.0.0.0/8"], ["--net-deny", "tcp://:{}"],
    ["--net-deny", "127.0.0.1"], ["--net-deny", "udp"], ["--net-deny", "raw"],
    ["--net-allow-host", "127.0.0.2", "--net-connect", "{}"], ["--net-allow-host", "127.0.0.1", "--net-connect", "1"],
])
def test_what_no_rule_names_or_a_rule_denies_is_refused(rules):
    s, port = listener()
    with s:
        got = connect([r.format(port) for r in rules], f"127.0.0.1:{port}", f"::ffff:127.0.0.1:{port}")
        assert all(g in ("ConnectionRefusedError", "PermissionError") for g in got), got
        s.settimeout(0.2)
        with pytest.raises(TimeoutError):
            s.accept()


def test_denials_alone_allow_the_rest():
    s, port = listener()
    with s:
        assert connect(["--net-deny", "10.0.0.0/8"], f"127.0.0.1:{port}") == ["connected"]


@pytest.mark.parametrize("flags", [
    ["--net-allow-host", "127.0.0.1", "--net-connect", "{}"], ["--net-connect", "{}"], ["--net-allow-host", "localhost"],
])
def test_older_options_need_host_and_port_together(flags):
    s, port = listener()
    with s:
        assert connect([f.format(port) for f in flags], f"127.0.0.1:{port}") == ["connected"]


# --- sockets

SOCKETS = """
import socket as s
for name, args in (('tcp', (s.AF_INET, s.SOCK_STREAM)), ('udp', (s.AF_INET, s.SOCK_DGRAM)), ('udp6', (s.AF_INET6, s.SOCK_DGRAM)),
                   ('ping', (s.AF_INET, s.SOCK_DGRAM, s.IPPROTO_ICMP)), ('raw', (s.AF_INET, s.SOCK_RAW, 1)),
                   ('unix', (s.AF_UNIX, s.SOCK_STREAM)), ('mptcp', (s.AF_INET, s.SOCK_STREAM, 262))):
    try:
        s.socket(*args).close()
        print(name, end=' ')
    except OSError:
        pass
for name, kind in (('pair', s.SOCK_STREAM), ('dgram-pair', s.SOCK_DGRAM)):
    try:
        s.socketpair(s.AF_UNIX, kind)
        print(name, end=' ')
    except OSError:
        pass
"""


@pytest.mark.parametrize("flags, kinds", [
    ([], "tcp pair"),
    (["--net-allow", "tcp://:443"], "tcp pair"),
    (["--net-allow", ":443"], "tcp udp udp6 pair"),
    (["--net-allow", "udp://192.0.2.1:53"], "tcp udp udp6 pair"),
    (["--net-allow", "tcp://*.example.com:443"], "tcp udp udp6 pair"),
    (["--net-allow", ":443", "--net-deny", "udp"], "tcp pair"),
    (["-w", "."], "tcp unix pair"),
    (["-w", ".", "--no-unix-write"], "tcp pair"),
    (["--unix-allow", "/run/none"], "tcp unix pair dgram-pair"),
    (["--no-supervisor", "-w", "."], "tcp pair"),
])
def test_only_sockets_that_a_rule_or_grant_needs_can_be_made(flags, kinds, work):
    done = box.check(box.python(SOCKETS, *flags, cwd=work))
    assert done.stdout.split() == kinds.split()


def test_a_refused_socket_is_reported_with_the_option_that_allows_it():
    done = box.python("import socket\ntry: socket.socket(socket.AF_UNIX)\nexcept OSError: pass", "--report")
    assert "--unix-allow PATH" in done.stderr
    done = box.python("import socket\ntry: socket.socket(2, 2)\nexcept OSError: pass", "--report")
    assert "add: --net-allow NAME:PORT" in done.stderr
    done = box.python("import socket\ntry: socket.socket(2, 2)\nexcept OSError: pass", "--report",
                      "--net-allow", "192.0.2.10:7001", "--net-deny", "udp")
    assert "why: --net-deny udp\n      no option allows this" in done.stderr


# --- answers

def why(*words):
    done = box.sandlock("why", *words)
    assert done.returncode in (0, 1), done
    return done.returncode == 0, done.stdout


@pytest.mark.parametrize("flags, target, allowed, part", [
    (["--net-allow", "10.0.0.0/8:22"], "10.1.2.3:22", True, "'10.0.0.0/8:22' from --net-allow"),
    (["--net-allow", "10.0.0.0/8:22"], "udp://10.1.2.3:22", True, "'10.0.0.0/8:22' from --net-allow"),
    (["--net-allow", "10.0.0.0/8:22", "--net-deny", "10.1.0.0/16"], "10.1.2.3:22", False, "'10.1.0.0/16' from --net-deny denies"),
    (["--net-allow", "tcp://localhost:80"], "127.0.0.1:80", True, "as an address of localhost"),
    (["--net-allow", "tcp://localhost:80"], "localhost:80", True, "has the name"),
    (["--net-allow", "tcp://*.example.com:443"], "api.example.com:443", True, "has the domain"),
    (["--net-allow", "tcp://[2001:db8::/32]:443"], "[2001:db8::5]:443", True, "2001:db8::/32"),
    (["--net-allow", "tcp://[2001:db8::/32]:443"], "[2001:db9::5]:443", False, "--net-allow tcp://[2001:db9::5]:443"),
    (["--net-allow", "*"], "169.254.169.254:80", False, "metadata"),
    (["--net-allow", "icmp://192.0.2.1"], "icmp://192.0.2.1", True, "icmp://192.0.2.1"),
    (["--net-preset", "npm"], "registry.npmjs.org:443", True, "network preset npm"),
    ([], "192.0.2.1:443", False, "--net-allow tcp://:443"),
])
def test_why_names_the_rule_that_decides(flags, target, allowed, part):
    got, text = why(*flags, "--connect", target)
    assert got == allowed and part in text, text


@pytest.mark.parametrize("flag, target, part", [
    ("--connect", "192.0.2.1", "ask for one port"), ("--connect", "192.0.2.1:80,81", "ask for one port"),
    ("--connect", "192.0.2.0/24:80", "not for a block"), ("--connect", "host:80:90", "column"), ("--bind", "udp://53", "up to 65535"),
])
def test_why_says_what_it_wants_to_be_asked(flag, target, part):
    done = box.sandlock("why", flag, target)
    assert done.returncode not in (0, 1) and part in done.stderr and target in done.stderr, done


def test_a_rule_that_denials_leave_nothing_of_is_warned_about():
    done = box.run("--net-allow", "192.0.2.1:80", "--net-deny", "192.0.2.0/24", "--", "true")
    assert done.returncode == 0 and "warning: the rule '192.0.2.1:80' from --net-allow allows nothing" in done.stderr, done
    done = box.run("--net-allow", "192.0.2.1:80", "--net-deny", "198.51.100.0/24", "--", "true")
    assert done.returncode == 0 and "warning" not in done.stderr, done


def test_of_many_rules_that_denials_leave_nothing_of_twenty_are_named(tmp_path):
    profile = tmp_path / "many.toml"
    rules = [f"tcp://192.0.{n // 250}.{n % 250}:80" for n in range(3000)]
    profile.write_text(f'network = {{ allow = {rules}, deny = ["192.0.0.0/16"] }}\n')
    lines = box.run("--profile-file", profile, "--", "true").stderr.splitlines()
    assert len(lines) == 21 and all(" allows nothing: " in line for line in lines[:20]), lines
    assert lines[20].endswith("warning: 2980 more rules allow nothing: denials have all of them")


def test_why_answers_for_unix_sockets(tmp_path):
    socket_path = tmp_path / "s"
    assert why("-w", tmp_path, "--connect", socket_path) == (True, f"allowed: connecting to the unix socket {socket_path} is "
                                                                   "allowed: --fs-write covers it.\n")
    assert why("-w", tmp_path, "--no-unix-write", "--connect", socket_path)[0] is False


def test_presets_are_shown_and_printed():
    shown = box.check(box.sandlock("profile", "show", "pypi")).stdout
    assert '"tcp://pypi.org:443"' in shown
    listed = box.check(box.sandlock("profile", "presets")).stdout
    for name in ("npm", "pypi", "crates", "github", "apt", "huggingface", "golang", "rubygems", "maven", "debian"):
        assert f"  {name}" in listed
    printed = box.check(box.run("--net-preset", "apt", "--print-policy=json", "--", "true")).stdout
    policy = json.loads(printed)
    assert policy["network"]["presets"] == ["apt"]
    assert {"allow": "tcp://deb.debian.org:80,443", "typed": "tcp://deb.debian.org:80,443",
            "origin": "network preset apt (--net-preset)"} in policy["rules"]


def test_a_printed_policy_reads_back_with_its_network(tmp_path):
    flags = ["--net-allow", "10.0.0.0/8:1-9", "--net-deny", "tcp://10.9.0.0/16", "--net-preset", "npm", "--net-allow-host",
             "192.0.2.1", "--net-connect", "443", "--unix-allow", "/run/x", "--no-unix-write", "--net-deny-bind", "80"]
    first = box.check(box.run(*flags, "--print-policy", "--", "true")).stdout
    profile = tmp_path / "p.toml"
    profile.write_text(first)
    second = box.check(box.run("--profile-file", profile, "--print-policy", "--", "true")).stdout
    assert [line for line in first.splitlines() if not line.startswith("#")] == \
           [line for line in second.splitlines() if not line.startswith("#")]


def test_ten_thousand_rules_start_and_judge(tmp_path):
    s, port = listener()
    with s:
        rules = ",\n".join(f'"tcp://10.{i // 250}.{i % 250}.1:443"' for i in range(10000))
        profile = tmp_path / "many.toml"
        profile.write_text(f'[network]\nallow = [{rules}, "tcp://127.0.0.1:{port}"]\n')
        got = connect(["--profile-file", profile], f"127.0.0.1:{port}", f"127.0.0.2:{port}")
        assert got == ["connected", "ConnectionRefusedError"]

"""What leaves a sandbox is captured on the other side of a cable and compared with its policy."""
import subprocess

import pytest

import box
import netlab

pytestmark = pytest.mark.root

TRY_TCP = """
import socket, sys
for target in sys.argv[1:]:
    host, port = target.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=5) as s:
            print(target, s.makefile().readline().strip())
    except OSError as e:
        print(target, type(e).__name__, e.errno)
"""


def test_the_lab_itself_answers_and_writes_down(lab):
    done = lab.bare("/usr/bin/python3", "-c", TRY_TCP, "192.0.2.10:443", "198.51.100.7:80", "2001:db8:2::7:443")
    assert done.stdout.split("\n")[:3] == ["192.0.2.10:443 ::ffff:192.0.2.10", "198.51.100.7:80 ::ffff:198.51.100.7",
                                           "2001:db8:2::7:443 2001:db8:2::7"], done
    assert lab.destinations() == {("tcp", "192.0.2.10", 443), ("tcp", "198.51.100.7", 80), ("tcp", "2001:db8:2::7", 443)}


def test_the_labs_name_server_answers_from_the_zone(lab):
    lab.zone({"api.example.com": {"A": ["198.51.100.7"], "AAAA": ["2001:db8:2::7"]}})
    done = lab.bare("getent", "ahosts", "api.example.com")
    assert "198.51.100.7" in done.stdout and "2001:db8:2::7" in done.stdout, done
    assert lab.names_asked() == {"api.example.com"}
    assert lab.bare("getent", "hosts", "other.example.com").returncode == 2


@pytest.mark.parametrize("user", [None, netlab.NOBODY])
def test_without_a_rule_nothing_leaves(lab, user):
    done = lab.python(TRY_TCP.replace("sys.argv[1:]", '["192.0.2.10:443", "2001:db8:2::7:443"]'), user=user, cwd="/")
    assert "PermissionError 13" in done.stdout and "2001:db8:2::7:443 PermissionError 13" in done.stdout, done
    assert lab.destinations() == set()


GOOD4, SILENT6 = "198.51.100.7", "2001:db8:3::66"


def test_a_program_sees_all_addresses_of_a_plain_name_and_falls_back(lab):
    lab.zone({"two.example.com": {"A": [GOOD4, "203.0.113.9"], "AAAA": [SILENT6]}})
    rules = ["--net-allow", "two.example.com:80"]
    done = lab.run(*rules, "--", "getent", "ahosts", "two.example.com")
    assert {line.split()[0] for line in done.stdout.splitlines()} == {GOOD4, "203.0.113.9", SILENT6}, done
    code = "import socket; print({a[4][0] for a in socket.getaddrinfo('two.example.com', 80, proto=6)} == " \
           f"{{'{GOOD4}', '203.0.113.9', '{SILENT6}'}})"
    assert lab.python(code, *rules).stdout == "True\n"


def test_curl_falls_back_from_an_address_that_is_silent(lab):
    lab.zone({"two.example.com": {"A": [GOOD4], "AAAA": [SILENT6]}})
    done = lab.run("--net-allow", "two.example.com:80", "--", "curl", "-s", "--connect-timeout", "30", "-w", "%{remote_ip}",
                   "http://two.example.com/")
    assert done.stdout.endswith(GOOD4), done                # curl then gives up: an echo is no answer of HTTP
    assert ("tcp", SILENT6, 80) in lab.destinations()


def test_short_names_are_searched_where_the_host_searches(lab):
    lab.zone({"a.wild.test": {"A": ["198.51.100.7"]}, "b.c.wild.test": {"A": ["203.0.113.9"]}})
    path = lab.etc + "/resolv.conf"
    with open(path) as f:
        before = f.read()
    try:
        with open(path, "w") as out:
            out.write(before + "search we;ird wild.test\noptions ndots:2\n")
        done = lab.python(TRY_TCP.replace("sys.argv[1:]", '["a:80", "b.c:80"]'), "--net-allow", "*.wild.test:80")
        assert done.stdout == "a:80 ::ffff:198.51.100.7\nb.c:80 ::ffff:203.0.113.9\n", done
        done = lab.run("--net-allow", "*.wild.test:80", "--", "cat", "/etc/resolv.conf")
        assert done.stdout == "nameserver 127.0.0.53\nsearch wild.test\noptions ndots:2\n"
    finally:
        with open(path, "w") as out:
            out.write(before)


def test_a_host_of_a_preset_that_is_away_takes_only_itself_along(lab):
    lab.zone({"pypi.org": {"A": ["198.51.100.7"]}})
    code = TRY_TCP.replace("sys.argv[1:]", '["pypi.org:443", "files.pythonhosted.org:443"]')
    done = lab.python(code, "--net-preset", "pypi")
    assert "pypi.org:443 ::ffff:198.51.100.7\nfiles.pythonhosted.org:443 gaierror" in done.stdout, done
    assert "warning: the network preset pypi is without files.pythonhosted.org, which has no address" in done.stderr
    assert "warning" not in lab.run("--quiet", "--net-preset", "pypi", "--", "true").stderr
    typed = lab.run("--net-preset", "pypi", "--net-allow", "files.pythonhosted.org", "--", "true")
    assert typed.returncode == 125 and "'files.pythonhosted.org' of the network rule" in typed.stderr


def test_a_preset_of_which_nothing_is_there_opens_nothing_and_lets_the_program_start(lab):
    lab.zone({})
    code = TRY_TCP.replace("sys.argv[1:]", '["pypi.org:443", "198.51.100.7:443"]')
    done = lab.python(code, "--net-preset", "pypi")
    assert done.stdout.startswith("pypi.org:443 gaierror"), done
    assert "\n198.51.100.7:443 ConnectionRefusedError 111" in done.stdout, done
    assert ("warning: the network preset pypi is without pypi.org, files.pythonhosted.org, which have no address: "
            in done.stderr), done
    assert lab.destinations() == {("udp", "192.0.2.53", 53)}    # the names were asked for, and nothing else left
    assert lab.names_asked() == {"pypi.org", "files.pythonhosted.org"}
    typed = lab.run("--net-preset", "pypi", "--net-allow", "pypi.org", "--", "true")
    assert typed.returncode == 125 and "'pypi.org' of the network rule 'pypi.org' from --net-allow" in typed.stderr


def test_a_host_of_a_preset_that_comes_later_is_found_when_the_program_asks(lab):
    lab.zone({})
    code = TRY_TCP.replace("for target in sys.argv[1:]:",
                           'print("up", flush=True)\nsys.stdin.readline()\nfor target in ["pypi.org:443", "evil.test:443"]:')
    with lab.start("--net-preset", "pypi", "--", box.PYTHON, "-c", code, stdin=subprocess.PIPE) as program:
        assert program.stdout.readline() == "up\n"
        lab.zone({"pypi.org": {"A": ["198.51.100.7"]}, "evil.test": {"A": ["198.51.100.7"]}})
        out, err = program.communicate("now\n", timeout=60)
    assert out.startswith("pypi.org:443 ::ffff:198.51.100.7\nevil.test:443 gaierror"), (out, err)
    assert "without pypi.org, files.pythonhosted.org" in err

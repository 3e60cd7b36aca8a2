"""The same promises on a kernel that lacks a system call, as under containers' seccomp profiles and on older kernels."""
import os
import subprocess

import pytest

import box

REFUSED = [("pidfd_getfd", "EPERM"), ("pidfd_getfd", "ENOSYS"), ("process_vm_readv", "EPERM"),
           ("process_vm_readv", "ENOSYS"), ("ptrace", "EPERM"), ("openat2", "ENOSYS"), ("close_range", "ENOSYS"),
           ("close_range", "EPERM"), ("clone3", "ENOSYS")]


class SmallKernel:
    def __init__(self, call, error):
        self.prefix = [box.compiled("tools/without-syscall.c"), call, error, "--"]

    def run(self, *words, **kw):
        kw.setdefault("timeout", 60)
        return subprocess.run([*self.prefix, box.SANDLOCK, "run", *map(str, words)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, **kw)


@pytest.fixture(params=REFUSED, ids=lambda p: "-".join(p))
def small(request):
    return SmallKernel(*request.param)


def test_the_wrapper_refuses_what_it_should():
    code = "import ctypes, os; l = ctypes.CDLL(None, use_errno=True); print(l.syscall(438, -1, 0, 0), ctypes.get_errno())"
    done = subprocess.run([*SmallKernel("pidfd_getfd", "EPERM").prefix, box.PYTHON, "-c", code], capture_output=True, text=True)
    assert done.stdout == "-1 1\n"


def test_programs_run(small, work):
    code = f"import subprocess; subprocess.run(['sh', '-c', 'echo hello >{work}/out'], check=True); print('fine')"
    assert box.check(small.run("-w", work, "--", box.PYTHON, "-c", code)).stdout == "fine\n"
    assert (work / "out").read_text() == "hello\n"


def test_files_outside_stay_closed(small, work, outside):
    done = small.run("-w", work, "--", "/bin/cat", outside / "secret.txt")
    assert done.returncode == 1 and done.stdout == ""


def test_the_process_limit_holds(small):
    done = box.check(small.run("-P", "10", "--", box.compiled("forks"), "fork", "40"))
    assert done.stdout == "9 11\n"


def test_metadata_is_changed_where_granted_and_nowhere_else(small, work, outside):
    (work / "f").write_text("x")
    box.check(small.run("-w", work, "--", "/bin/chmod", "751", work / "f"))
    assert (work / "f").stat().st_mode & 0o777 == 0o751
    before = (outside / "secret.txt").stat().st_mode
    assert small.run("-w", work, "--", "/bin/chmod", "777", outside / "secret.txt").returncode == 1
    assert (outside / "secret.txt").stat().st_mode == before


def test_metadata_by_descriptor_too(small, work):
    """Where pidfd_getfd is refused a descriptor can only be followed by its path: granted work must still be done."""
    code = (f"import os\nfd = os.open({str(work / 'f')!r}, os.O_RDWR | os.O_CREAT)\nos.fchmod(fd, 0o640)\n"
            f"os.utime(fd, (10**9, 10**9))\nprint(oct(os.fstat(fd).st_mode & 0o777), os.fstat(fd).st_mtime)")
    assert box.check(small.run("-w", work, "--", box.PYTHON, "-c", code)).stdout == "0o640 1000000000.0\n"


def test_the_host_name_is_virtual(small):
    assert box.check(small.run("--name", "box-name", "--", "/bin/uname", "-n")).stdout == "box-name\n"


def test_the_memory_limit_holds(small):
    code = "kept = [b'x' * (1 << 20) for i in range(300)]; print('ate')"
    done = small.run("-m", "128M", "--", box.PYTHON, "-c", code)
    assert done.returncode != 0 and "ate" not in done.stdout


def test_nothing_survives(small, marked):
    code = "import os, time\nif os.fork() == 0:\n os.setsid()\n time.sleep(300)"
    box.check(small.run("--", box.PYTHON, "-c", code, env=marked.env))
    assert marked.none_left()


def test_only_standard_descriptors_reach_the_program(small, tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(fd, True)
    code = "import os\nprint([n for n in os.listdir('/proc/self/fd') if int(n) > 3])"
    done = small.run("--", box.PYTHON, "-c", code, close_fds=False)
    os.close(fd)
    assert box.check(done).stdout == "[]\n"


def test_the_report_names_the_refusal(small, outside, tmp_path):
    report = tmp_path / "report"
    small.run("--explain", f"--report={report}", "--", "/bin/cat", outside / "secret.txt")
    assert str(outside / "secret.txt") in report.read_text()


LISTENS = """
import socket, sys
for family, where in (socket.AF_INET, None), (socket.AF_UNIX, sys.argv[1]), (socket.AF_INET, ("127.0.0.1", 0)):
    with socket.socket(family) as s:
        try:
            if where:
                s.bind(where)
            s.listen()
            print("listens")
        except OSError as error:
            print(error.errno)
"""


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_where_no_socket_can_be_seen_none_listens_and_the_user_reads_why(error, work, tmp_path):
    small = SmallKernel("pidfd_getfd", error)
    done = box.check(small.run("-w", work, "--report", "--", box.PYTHON, "-c", LISTENS, work / "s"))
    assert done.stdout.split() == ["13", "13", "13"]
    assert "pidfd_getfd" in done.stderr and "--net-allow-bind 0" in done.stderr
    failing = LISTENS + "sys.exit(1)"
    done = small.run("-w", work, "--", box.PYTHON, "-c", failing, work / "s2")
    assert done.returncode == 1 and "pidfd_getfd" in done.stderr, "said without --report too"


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
@pytest.mark.parametrize("ports", ["0", "*"])
def test_what_the_report_advises_lets_sockets_listen_there(error, ports, work):
    small = SmallKernel("pidfd_getfd", error)
    done = box.check(small.run("-w", work, "--net-allow-bind", ports, "--", box.PYTHON, "-c", LISTENS, work / "s"))
    assert done.stdout.split() == ["listens"] * 3


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_where_no_ruleset_can_be_seen_no_inner_domain_is_entered_and_the_user_reads_why(error, work):
    with open(os.path.join(box.HELPERS, "landlocked.py")) as helper:
        code = helper.read() + "\nprint(enter([]))"
    done = box.check(SmallKernel("pidfd_getfd", error).run("-w", work, "--report", "--", box.PYTHON, "-c", code))
    assert done.stdout == "-1\n" and "landlock_restrict_self" in done.stderr and "pidfd_getfd" in done.stderr


def test_a_port_that_was_not_granted_stays_closed_where_free_ports_are():
    code = ("import socket\ns = socket.socket()\ntry: s.bind((\"127.0.0.1\", 8099))\n"
            "except OSError as error: print(error.errno)")
    assert box.check(box.run("--net-allow-bind", "0", "--", box.PYTHON, "-c", code)).stdout == "13\n"


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EINVAL"])
def test_without_landlock_nothing_starts_and_a_sentence_says_why(error, work):
    done = SmallKernel("landlock_create_ruleset", error).run("-w", work, "--", "/bin/sh", "-c", f"echo ran >{work}/out")
    box.sentence(done, 125, "Landlock")
    assert not (work / "out").exists()


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_without_seccomp_nothing_starts_and_a_sentence_says_why(error, work):
    done = SmallKernel("seccomp", error).run("-w", work, "--", "/bin/sh", "-c", f"echo ran >{work}/out")
    box.sentence(done, 125, "system call filter")
    assert not (work / "out").exists()


def test_check_fails_where_the_default_policy_could_not_be_enforced():
    prefix = SmallKernel("landlock_create_ruleset", "ENOSYS").prefix
    done = subprocess.run([*prefix, box.SANDLOCK, "check"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1

"""Files that the sandbox sees in place of the host's: by every spelling the same, and never the host's content."""
import json
import os
import re
import socket
import subprocess

import pytest

from box import IS_ROOT, PYTHON, SANDLOCK, bare_python, check, compiled, python, run, status

NAMES = ["--net-allow", "localhost:9"]
BOX = ["--name", "box7"]
VICTIMS = {
    "/etc/hosts": (NAMES, lambda text: text.startswith("127.0.0.1 localhost\n::1 localhost\n")),
    "/etc/resolv.conf": (NAMES, lambda text: re.fullmatch(r"nameserver 127.0.0.53\n(search( [\w.-]+)+\n)?(options ndots:\d+\n)?", text)),
    "/etc/hostname": (BOX, lambda text: text == "box7\n"),
}
RACES = int(os.environ.get("SANDLOCK_RACES", "100000"))


def flags_of(victim):
    return ["-r", "/etc", *VICTIMS[victim][0]]


def read_real(path):
    with open(path, errors="replace") as f:
        return f.read()


@pytest.fixture(scope="session")
def names():
    if run(*NAMES, "--", "true").returncode:
        pytest.skip("allowed: this build has no rules with names")


@pytest.fixture(params=sorted(VICTIMS))
def victim(request):
    if VICTIMS[request.param][0] == NAMES:
        request.getfixturevalue("names")
    if not os.path.exists(request.param):
        pytest.skip(f"allowed: this machine has no {request.param}")
    return request.param


def check_virtual(victim, text):
    assert VICTIMS[victim][1](text), text
    assert text != read_real(victim)


# Each spelling is an expression that gives the bytes; V is the path, D a folder with a grant to write.
SPELLINGS = {
    "plain": "open(V, 'rb').read()",
    "slashes and dots": "open('//etc/.//' + os.path.basename(V), 'rb').read()",
    "from above": "open('/usr/../etc/x/../' .replace('x/../', '') + os.path.basename(V), 'rb').read()",
    "above the root": "open('/../../..' + V, 'rb').read()",
    "relative": "(os.chdir('/etc'), open(os.path.basename(V), 'rb').read())[1]",
    "relative from elsewhere": "(os.chdir(D), open(os.path.relpath(V, D), 'rb').read())[1]",
    "by descriptor": "at(os.open('/etc', os.O_PATH), os.path.basename(V))",
    "by descriptor of the root": "at(os.open('/', os.O_PATH), 'etc/' + os.path.basename(V))",
    "a link of one's own": "(os.symlink(V, D + '/l'), open(D + '/l', 'rb').read())[1]",
    "a link to a link": "(os.symlink(V, D + '/a'), os.symlink('a', D + '/b'), open(D + '/b', 'rb').read())[2]",
    "a link to the folder": "(os.symlink('/etc', D + '/e'), open(D + '/e/' + os.path.basename(V), 'rb').read())[1]",
    "a link through proc": "(os.symlink('/proc/self/root' + V, D + '/r'), open(D + '/r', 'rb').read())[1]",
    "the root in proc": "open('/proc/self/root' + V, 'rb').read()",
    "the root of a thread": "open('/proc/thread-self/root' + V, 'rb').read()",
    "the root by number": "open('/proc/%d/root%s' % (os.getpid(), V), 'rb').read()",
    "the folder in proc": "(os.chdir('/etc'), open('/proc/self/cwd/' + os.path.basename(V), 'rb').read())[1]",
    "an O_PATH descriptor": "open('/proc/self/fd/%d' % os.open(V, os.O_PATH), 'rb').read()",
    "an O_PATH descriptor by /dev/fd": "open('/dev/fd/%d' % os.open(V, os.O_PATH), 'rb').read()",
    "a folder's descriptor in proc": "open('/proc/self/fd/%d/%s' % (os.open('/etc', os.O_PATH), os.path.basename(V)), 'rb').read()",
    "openat2": "openat2(V, 0)",
    "openat2 without links": "openat2(os.path.realpath(V), 4)",
    "openat2 without magic links": "openat2(V, 2)",
    "openat2 beneath": "openat2('etc/' + os.path.basename(os.path.realpath(V)), 8, '/')",
    "openat2 in a root": "openat2(V, 16, '/')",
    "openat2 in a smaller root": "openat2('/' + os.path.basename(V), 16, '/etc')",
}
PRELUDE = """
import ctypes, os, struct, sys
V, D = sys.argv[1:3]
def at(dirfd, name):
    fd = os.open(name, os.O_RDONLY, dir_fd=dirfd)
    return os.read(fd, 65536)
def openat2(path, resolve, base=None):
    libc = ctypes.CDLL(None, use_errno=True)
    how = struct.pack('QQQ', 0, 0, resolve)
    dirfd = -100 if base is None else os.open(base, os.O_PATH)
    fd = libc.syscall(437, dirfd, path.encode(), how, len(how))
    if fd < 0:
        raise OSError(ctypes.get_errno(), 'openat2')
    return os.read(fd, 65536)
def show(f):
    try:
        sys.stdout.buffer.write(f())
    except OSError as e:
        print('errno', e.errno)
"""


@pytest.mark.parametrize("spelling", sorted(SPELLINGS))
def test_every_spelling_is_the_virtual_file(victim, spelling, tmp_path):
    code = PRELUDE + f"show(lambda: {SPELLINGS[spelling]})"
    bare = subprocess.run([PYTHON, "-c", code, victim, tmp_path / "bare"], capture_output=True, text=True,
                          preexec_fn=lambda: os.mkdir(tmp_path / "bare"))
    assert bare.stdout == read_real(victim), bare
    (tmp_path / "box").mkdir()
    done = check(run(*flags_of(victim), "-w", tmp_path, "--", PYTHON, "-c", code, victim, tmp_path / "box"))
    check_virtual(victim, done.stdout)


@pytest.mark.skipif(not IS_ROOT, reason="allowed: only root may link files of root")
def test_a_hard_link_of_the_host_is_the_virtual_file(victim, tmp_path):
    link = tmp_path / "link"
    try:
        os.link(os.path.realpath(victim), link)
    except OSError:
        pytest.skip("allowed: /etc and the temporary folder are different file systems")
    done = check(run(*flags_of(victim), "-w", tmp_path, "--", "cat", link))
    check_virtual(victim, done.stdout)


def test_the_sandbox_cannot_link_or_move_or_replace_the_file(victim, tmp_path):
    code = PRELUDE + """
for name, act in [
    ('link', lambda: os.link(V, D + '/x')), ('rename', lambda: os.rename(V, D + '/y')),
    ('unlink', lambda: os.unlink(V)), ('over', lambda: os.rename(D + '/mine', V)),
    ('truncate', lambda: os.truncate(V, 0)), ('chmod', lambda: os.chmod(V, 0o600)),
    ('write', lambda: open(V, 'r+')), ('append', lambda: open(V, 'a')), ('creat', lambda: open(V, 'w')),
]:
    try:
        act()
        print(name, 'done')
    except OSError as e:
        print(name, e.errno)
"""
    (tmp_path / "mine").write_text("x")
    before = read_real(victim)
    done = check(run(*flags_of(victim), "-w", tmp_path, "--", PYTHON, "-c", code, victim, tmp_path))
    assert read_real(victim) == before
    answers = dict(line.split() for line in done.stdout.splitlines())
    assert all(a in ("1", "13", "18") for a in answers.values()), answers
    assert answers["write"] == answers["append"] == answers["creat"] == answers["truncate"] == "13"


def test_without_the_rule_the_file_is_the_hosts(victim):
    assert check(run("-r", "/etc", "--", "cat", victim)).stdout == read_real(victim)


STAT = PRELUDE + """
import stat
fd = os.open(V, os.O_RDONLY)
inside = os.fstat(fd)
text = os.read(fd, 65536)
for name, st in [('stat', os.stat(V)), ('lstat', os.lstat(V)), ('again', os.fstat(os.open(V, os.O_RDONLY))),
                 ('at', os.stat(os.path.basename(V), dir_fd=os.open('/etc', os.O_PATH)))]:
    print(name, st == inside)
print('size', inside.st_size == len(text), 'mode', oct(inside.st_mode), 'regular', stat.S_ISREG(inside.st_mode))
print('access', os.access(V, os.R_OK), os.access(V, os.W_OK), os.access(V, os.X_OK), os.access(V, os.F_OK))
try:
    os.readlink(V)
except OSError as e:
    print('readlink', e.errno)
print('inherited', os.get_inheritable(fd))
libc = ctypes.CDLL(None, use_errno=True)
kept = libc.open(V.encode(), 0)
print('kept', os.get_inheritable(kept))
try:
    os.write(kept, b'x')
except OSError as e:
    print('write', e.errno)
try:
    again = os.open('/proc/self/fd/%d' % kept, os.O_RDWR)
    os.write(again, b'x')
except OSError as e:
    print('reopened', e.errno)
for name, flags in [('directory', os.O_DIRECTORY), ('excl', os.O_CREAT | os.O_EXCL), ('nofollow', os.O_NOFOLLOW)]:
    try:
        os.open(V, flags)
        print(name, 'opened')
    except OSError as e:
        print(name, e.errno)
"""


def test_stat_agrees_with_content_and_with_fstat(victim, tmp_path):
    done = check(run(*flags_of(victim), "--", PYTHON, "-c", STAT, victim, tmp_path))
    assert done.stdout == (
        "stat True\nlstat True\nagain True\nat True\n"
        "size True mode 0o100644 regular True\naccess True False False True\nreadlink 22\n"
        "inherited False\nkept True\nwrite 9\nreopened 1\ndirectory 20\nexcl 17\nnofollow opened\n"), done


USES = PRELUDE + """
import errno, mmap
fd = os.open(V, os.O_RDONLY)
size = os.fstat(fd).st_size
text = os.pread(fd, size + 1, 0)
print('mapped', mmap.mmap(fd, 0, prot=mmap.PROT_READ)[:] == text)
print('seek', os.lseek(fd, -1, os.SEEK_END) == size - 1 and os.read(fd, 9) == text[-1:])
r, w = os.pipe()
print('sendfile', os.sendfile(w, fd, 2, size) == size - 2 and os.read(r, 65536) == text[2:])
def attempt(what, act):
    try:
        print(what, act())
    except OSError as e:
        print(what, errno.errorcode[e.errno])
path = os.open(V, os.O_PATH)
print('path', os.fstat(path).st_size == size, os.fstat(path) == os.stat(V))
attempt('reopened', lambda: open('/proc/self/fd/%d' % path, 'rb').read() == text)
attempt('written', lambda: open('/proc/self/fd/%d' % path, 'wb', 0).write(b'x'))
attempt('beneath', lambda: os.open('x', os.O_RDONLY, dir_fd=path))
attempt('run', lambda: os.execve(path, ['x'], {}))
attempt('linked', lambda: os.link('/proc/self/fd/%d' % path, D + '/linked', follow_symlinks=True))
"""


def test_what_is_served_can_be_used_as_a_file_and_by_an_o_path_descriptor(victim, tmp_path):
    done = check(run(*flags_of(victim), "-w", tmp_path, "--", PYTHON, "-c", USES, victim, tmp_path))
    lines = done.stdout.splitlines()
    assert lines[:5] == ["mapped True", "seek True", "sendfile True", "path True True",
                         "reopened True"], done
    assert all(line.split()[1].startswith("E") for line in lines[5:]) and len(lines) == 9, done


def test_tools_agree_on_the_size(victim):
    done = check(run(*flags_of(victim), "--", "sh", "-c", 'wc -c < "$0"; stat -c %s "$0"; cat "$0" | wc -c', victim))
    sizes = done.stdout.split()
    assert len(sizes) == 3 and len(set(sizes)) == 1, sizes


def test_a_racing_thread_never_sees_the_hosts_content(victim, tmp_path):
    racer = compiled("pathrace", "-O2")
    real = read_real(victim)
    secret = next(line for line in reversed(real.splitlines()) if line.strip())
    (tmp_path / "decoy").write_text("decoy")
    bare = subprocess.run([racer, "20000", secret, tmp_path / "decoy", victim], capture_output=True, text=True)
    assert int(bare.stdout.split()[1]) > 0, f"without a sandbox it is seen: {bare}"
    done = check(run(*flags_of(victim), "-r", os.path.dirname(racer), "-w", tmp_path, "--", racer, RACES, secret,
                     tmp_path / "decoy", victim, timeout=600))
    words = done.stdout.split()
    assert words[1] == "0", done.stdout
    assert int(words[3]) > 0, done.stdout


def test_the_other_files_of_the_folder_are_there(victim):
    done = check(run(*flags_of(victim), "--", "sh", "-c", "ls /etc | wc -l; cat /etc/passwd"))
    lines = done.stdout.splitlines()
    assert int(lines[0]) == len([n for n in os.listdir("/etc") if not n.startswith(".")])
    assert "\n".join(lines[1:]) + "\n" == read_real("/etc/passwd")


def test_a_grant_of_the_root_does_not_reach_the_file(victim):
    done = check(run("-r", "/", *VICTIMS[victim][0], "--", "cat", victim))
    check_virtual(victim, done.stdout)


@pytest.mark.parametrize("grant", ["-r", "-w"])
def test_what_appears_later_in_a_folder_taken_apart_can_be_used(grant, tmp_path):
    """The root holds /etc, so it is taken apart; its new entries are opened by the supervisor."""
    if not IS_ROOT:
        pytest.skip("allowed: only root may write to the root")
    new = f"/sandlock-test-{os.getpid()}"
    inside = f"mkdir {new} && echo hello > {new}/file; " if grant == "-w" else ""
    code = f"{inside}echo ready; read line; cat {new}/file; ls {new}; cat {new}/file > /dev/null"
    box = subprocess.Popen([SANDLOCK, "run", grant, "/", *BOX, "--", "sh", "-c", code], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert box.stdout.readline() == "ready\n", box.communicate()
        if grant == "-r":
            os.mkdir(new)
            with open(new + "/file", "w") as f:
                f.write("hello\n")
        out, err = box.communicate("go\n", timeout=30)
        assert out == "hello\nfile\n", err
    finally:
        subprocess.run(["rm", "-rf", new])


def test_names_are_in_the_hosts_file(names):
    done = check(run("-r", "/etc", *NAMES, "--", "getent", "hosts", "localhost"))
    assert "localhost" in done.stdout


def test_glibc_is_told_to_take_all_addresses_of_a_name(names):
    assert check(run(*NAMES, "--", "cat", "/etc/host.conf")).stdout == "multi on\n"


@pytest.mark.parametrize("grant", [[], ["-r", "/etc/hostname"], ["-r", "/proc"], ["-r", "/proc/sys"], ["-r", "/proc/sys/kernel"],
                                   ["-r", "/proc/sys/kernel/hostname"], ["-r", "/"]])
def test_every_place_of_the_hosts_name_says_the_sandboxs(grant):
    done = check(run(*grant, *BOX, "--", "sh", "-c", "cat /etc/hostname /proc/sys/kernel/hostname; uname -n"))
    assert done.stdout == "box7\n" * 3


@pytest.mark.parametrize("grant", ["/proc", "/proc/sys", "/proc/sys/kernel", "/"])
def test_what_is_beside_the_hosts_name_stays_readable(grant):
    done = check(run("-r", grant, *BOX, "--", "sh", "-c", "cat /proc/sys/kernel/ostype; ls /proc/sys/kernel"))
    assert done.stdout.startswith("Linux\n") and "osrelease\n" in done.stdout


# --- /proc/net and /sys/class/net ---

VIEW = ["dev", "if_inet6", "route", "ipv6_route", "fib_trie", "arp", "tcp", "tcp6", "udp", "udp6", "unix", "sockstat",
        "sockstat6"]
WHERE = ["/proc/net", "/proc/self/net", "/proc/thread-self/net", "/proc/$$/net", "/proc/$$/task/$$/net",
         "/proc/self/root/proc/self/net"]


def interfaces():
    return [name for name in os.listdir("/sys/class/net") if name != "lo"]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("grant", ["/proc", "/"])
def test_proc_net_is_a_closed_view(where, grant):
    script = f'for f in {" ".join(VIEW)}; do echo "== $f"; cat {where}/$f || echo failed; done'
    done = check(run("-r", grant, "--", "sh", "-c", script))
    assert "failed" not in done.stdout, done
    for name in interfaces():
        assert not re.search(rf"\b{re.escape(name)}\b", done.stdout), name
    assert "    lo:       0" in done.stdout
    assert "10 80       lo" in done.stdout


def test_other_files_of_proc_net_are_not_there():
    done = run("-r", "/proc", "--", "sh", "-c", "cat /proc/net/snmp; cat /proc/net/dev_snmp6/lo; cat /proc/net/packet; ls /proc/net/")
    assert done.stdout == ""
    assert done.stderr.count("No such file") == 3, done.stderr
    assert "Permission denied" in done.stderr


# What a process may read of itself without a sandbox, and of its child: the bytes depend on who opens, or only a tracer has them.
TRACED = """
import os, signal
child = os.fork()
if child == 0:
    signal.pause()
for who in ("self", child, f"self/task/{os.getpid()}"):
    for name in ("mem", "pagemap", "stack", "syscall", "attr/current", "status"):
        try:
            open(f"/proc/{who}/{name}", "rb").close()
        except FileNotFoundError:
            continue
        except PermissionError:
            print(who, name, "refused")
        else:
            print(who, name, "opened")
os.kill(child, signal.SIGKILL)
"""


def test_a_grant_of_proc_does_not_reach_into_the_memory_of_processes():
    def answers(done):
        lines = [line.split() for line in check(done).stdout.splitlines()]
        return {(who, name): said for who, name, said in ((re.sub(r"\d+", "N", who), *rest) for who, *rest in lines)}

    outside = answers(bare_python(TRACED))
    inside = answers(python(TRACED, "-r", "/proc"))
    assert outside["self", "mem"] == "opened" and inside.keys() == outside.keys()
    for (who, name), said in inside.items():
        assert said == ("opened" if name == "status" else "refused"), (who, name)


SOCKETS = """
import os, socket
mine = socket.socket(); mine.bind(('127.0.0.1', 0)); mine.listen()
port = '%04X' % mine.getsockname()[1]
text = open('/proc/net/tcp').read().splitlines()[1:]
print(len(text), port in text[0] if text else None)
if os.fork() == 0:
    print(len(open('/proc/self/net/tcp').read().splitlines()) - 1)
else:
    os.wait()
print([l for l in open('/proc/net/sockstat') if l.startswith('TCP')])
"""


def test_tables_of_sockets_hold_the_sandboxs_own_only():
    with socket.socket() as hosts_own:
        hosts_own.bind(("127.0.0.1", 0))
        hosts_own.listen()
        port = "%04X" % hosts_own.getsockname()[1]
        assert port in bare_python("print(open('/proc/net/tcp').read())").stdout
        done = check(python(SOCKETS, "-r", "/proc", "--net-allow-bind", "*"))
    lines = done.stdout.splitlines()
    assert lines[0] == "1 True" and lines[1] == "1", done.stdout
    assert "inuse 1 " in lines[2]


def test_unix_sockets_of_the_host_are_not_listed():
    assert len(read_real("/proc/net/unix").splitlines()) > 1
    done = check(run("-r", "/proc", "--", "cat", "/proc/net/unix"))
    assert len(done.stdout.splitlines()) == 1


def test_the_hosts_net_is_not_shown_under_the_default_policy():
    for path in ["/proc/self/net/dev", "/proc/self/net/tcp", "/proc/net/dev", "/proc/self/task/self/net/dev"]:
        assert run("--", "cat", path).returncode != 0, path
    assert check(run("--", "cat", "/proc/self/status")).stdout.startswith("Name:\tcat")


def test_processes_of_the_sandbox_are_seen_and_those_of_the_host_are_not_opened():
    code = ("cat /proc/self/comm; sh -c 'cat /proc/self/comm; cat /proc/$PPID/comm'; cat /proc/1/status; "
            f"cat /proc/{os.getpid()}/status; cat /proc/{os.getpid()}/environ")
    done = run("-r", "/proc", "--", "sh", "-c", code)
    assert done.stdout == "cat\ncat\nsh\n", done
    assert done.stderr.count("Permission denied") == 3


@pytest.mark.parametrize("grant", ["/sys", "/"])
def test_only_the_loopback_is_in_sysfs(grant):
    others = interfaces()
    script = "cat /sys/class/net/lo/mtu; ls /sys/class/net; cat /sys/class/net/lo/statistics/rx_bytes; "
    script += "; ".join(f"cat /sys/class/net/{n}/mtu; cat $(readlink -f /sys/class/net/{n})/address" for n in others)
    done = run("-r", grant, "--", "sh", "-c", script)
    assert done.stdout == read_real("/sys/class/net/lo/mtu"), done
    assert done.stderr.count("No such file") == 2 * len(others), done.stderr


def test_settings_of_devices_are_hidden_too():
    names = [n for n in os.listdir("/proc/sys/net/ipv4/conf") if n not in ("all", "default", "lo")]
    script = "cat /proc/sys/net/ipv4/conf/lo/forwarding /proc/sys/net/ipv4/ip_local_port_range; ls /proc/sys/net/ipv4/conf; "
    script += "; ".join(f"cat /proc/sys/net/ipv4/conf/{n}/forwarding" for n in names)
    done = run("-r", "/proc", "--", "sh", "-c", script)
    assert len(done.stdout.splitlines()) == 2, done
    assert done.stderr.count("No such file") == len(names)


def test_the_rest_of_proc_and_sys_can_be_read():
    done = check(run("-r", "/proc", "-r", "/sys", "--", "sh", "-c",
                     "ls /proc | grep -c cpuinfo; ls /sys; head -c 9 /proc/cpuinfo; ls /proc/self/fd | wc -l; ls /sys/class | wc -l"))
    assert "kernel" in done.stdout and "processor" in done.stdout


@pytest.mark.parametrize("target", ["net/dev", "net/tcp"])
def test_a_racing_thread_never_sees_the_hosts_net(target, tmp_path):
    racer = compiled("pathrace", "-O2")
    secret = {"net/dev": (interfaces() or ["none"])[0] + ":", "net/tcp": "0100007F:"}[target]
    (tmp_path / "decoy").write_text("decoy")
    tries = RACES if target == "net/dev" else max(RACES // 20, 1000)
    done = check(run("-r", "/proc", "-r", os.path.dirname(racer), "-w", tmp_path, "--", racer, tries, secret,
                     tmp_path / "decoy", "/proc/self/" + target, timeout=600))
    words = done.stdout.split()
    assert words[1] == "0" and int(words[3]) > 0, done.stdout


# --- cost ---

def test_nothing_is_asked_of_the_supervisor_where_nothing_is_virtual():
    code = "import os\nfor i in range(50): os.stat('/etc/passwd'); open('/etc/passwd').close()"
    done, said = status("-r", "/etc", "--", PYTHON, "-c", code)
    check(done)
    assert said["notifications"] == 0, json.dumps(said)

"""Unix sockets: by path only where a grant says so, whatever the spelling; abstract ones only inside the sandbox."""
import array
import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

import box

CONNECT = r"""
import os, socket, sys
def attempt(name, kind=socket.SOCK_STREAM):
    try:
        s = socket.socket(socket.AF_UNIX, kind)
        s.settimeout(5)
        s.connect(name)
        return s.recv(100).decode() if kind != socket.SOCK_DGRAM else "connected"
    except OSError as e:
        return type(e).__name__
"""


class Server:
    """Greets whoever connects, outside of any sandbox, and counts them."""

    def __init__(self, name, greeting=b"hello", kind=socket.SOCK_STREAM):
        self.socket = socket.socket(socket.AF_UNIX, kind)
        self.socket.bind(name)
        self.greeting, self.count, self.got = greeting, 0, []
        if kind == socket.SOCK_DGRAM:
            threading.Thread(target=self._receive, daemon=True).start()
        else:
            self.socket.listen(128)
            threading.Thread(target=self._greet, daemon=True).start()

    def _greet(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            with contextlib.suppress(OSError), connection:
                connection.sendall(self.greeting)

    def _receive(self):
        while True:
            try:
                data, control, _, _ = self.socket.recvmsg(65536, 4096)
            except OSError:
                return
            self.count += 1
            self.got.append((data, control))

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def serve():
    servers = []

    def start(name, **kw):
        servers.append(Server(os.fspath(name), **kw))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def inside(code, *flags, **kw):
    return box.check(box.python(CONNECT + code, *flags, **kw)).stdout.split("\n")[:-1]


# --- what is granted ---

def test_without_a_grant_no_unix_socket_is_made_and_pairs_of_streams_are(work, serve):
    server = serve(work / "s")
    code = CONNECT + f"print(attempt({str(work / 's')!r})); a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))"
    assert box.bare_python(code).stdout == "hello\nb'x'\n"
    done = box.check(box.python(code, "--report", "-r", work))
    assert done.stdout == "PermissionError\nb'x'\n"
    assert "--unix-allow" in done.stderr, done
    assert server.count == 1


def test_a_write_grant_covers_the_sockets_below_unless_the_user_said_no(work, outside, serve):
    good, bad = serve(work / "s"), serve(outside / "s")
    code = f"print(attempt({str(work / 's')!r})); print(attempt({str(outside / 's')!r}))"
    assert inside(code, "-w", work) == ["hello", "PermissionError"]
    assert inside(code, "-w", work, "--no-unix-write") == ["PermissionError", "PermissionError"]
    assert (good.count, bad.count) == (1, 0)


def test_a_read_grant_covers_no_socket(work, outside, serve):
    server = serve(outside / "s")
    assert inside(f"print(attempt({str(outside / 's')!r}))", "-w", work, "-r", outside) == ["PermissionError"]
    assert server.count == 0


@pytest.mark.parametrize("spelling", ["{}/s", "{}", "{}/*", "{}/[rs]"])
def test_unix_allow_takes_a_socket_a_directory_or_a_pattern(outside, serve, spelling):
    serve(outside / "s")
    serve(outside / "t.sock")
    code = f"print(attempt({str(outside / 's')!r}))"
    assert inside(code, "--unix-allow", spelling.format(outside)) == ["hello"]
    assert inside(code, "--unix-allow", f"{outside}/t*") == ["PermissionError"]


def test_the_report_names_the_socket_and_the_flag(work, outside, serve):
    serve(outside / "s")
    done = box.python(CONNECT + f"print(attempt({str(outside / 's')!r}))", "--report", "-w", work)
    assert f"--unix-allow {outside}/s" in done.stderr, done


# --- spellings ---

def test_every_spelling_leads_to_the_same_socket_and_the_same_answer(work, outside, serve):
    serve(work / "s")
    bad = serve(outside / "s")
    os.symlink(outside / "s", work / "link")
    os.symlink(outside, work / "folder")
    code = f"""
os.chdir({str(work)!r})
print(attempt("s"), attempt("./s"), attempt("../work/s"))
fd = os.open(".", os.O_PATH)
print(attempt(f"/proc/self/fd/{{fd}}/s"), attempt(f"/proc/thread-self/fd/{{fd}}/s"), attempt("/proc/self/cwd/s"))
print(attempt("link"), attempt("folder/s"), attempt("../outside/s"), attempt("/proc/self/cwd/link"))
print(attempt("nothing"), attempt("s/below"))
"""
    assert inside(code, "-w", work) == ["hello hello hello", "hello hello hello", " ".join(["PermissionError"] * 4),
                                       "FileNotFoundError NotADirectoryError"]
    assert bad.count == 0


def test_a_name_is_bytes(work, serve):
    os.mkdir(os.fsencode(work) + b"/\xff\xfe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.fsencode(work) + b"/\xff\xfe/\xfd")
    server.listen()
    code = CONNECT + f"s = socket.socket(socket.AF_UNIX); s.connect({os.fsencode(work)!r} + b'/\\xff\\xfe/\\xfd'); print('in')"
    assert box.check(box.python(code, "-w", work)).stdout == "in\n"
    server.close()


def test_a_name_without_a_final_nul_and_one_of_the_full_length_are_read_as_the_kernel_does(work, serve):
    name = "x" * (107 - len("/proc/self/cwd/"))
    os.chdir(work)
    try:
        serve(name)
        code = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def raw(data, length):
    s = socket.socket(socket.AF_UNIX)
    return libc.connect(s.fileno(), data, length) and ctypes.get_errno()
os.chdir({str(work)!r})
full = b"\\x01\\x00/proc/self/cwd/" + {name.encode()!r}
print(raw(full + b"x", len(full)), raw(full + b"\\x00", len(full) + 1))
print(raw(full[:2], 2), raw(full[:2], 1), raw(full, 0), raw(full, 111), raw(full, -1), raw(full, 2**31 - 1))
"""
        assert inside(code, "-w", work) == ["0 0", "22 22 22 22 22 22"]
        assert box.bare_python(CONNECT + code).stdout == "0 0\n22 22 22 22 22 22\n"
    finally:
        os.chdir("/")


# --- datagrams ---

DATAGRAM = r"""
import array, ctypes
def send(how, name):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        if how == "sendto":
            return s.sendto(b"by sendto", name)
        if how == "sendmsg":
            r, w = os.pipe()
            os.write(w, b"through the pipe")
            return s.sendmsg([b"by ", b"sendmsg"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [r]))], 0, name)
        s.connect(name)
        return s.send(b"connected")
    except OSError as e:
        return type(e).__name__
"""


@pytest.mark.parametrize("how,text", [("sendto", b"by sendto"), ("sendmsg", b"by sendmsg"), ("connect", b"connected")])
def test_datagrams_go_where_unix_allow_says_and_descriptors_with_them(work, outside, serve, how, text):
    good = serve(work / "d", kind=socket.SOCK_DGRAM)
    bad = serve(outside / "d", kind=socket.SOCK_DGRAM)
    code = DATAGRAM + f"print(send({how!r}, {str(work / 'd')!r})); print(send({how!r}, {str(outside / 'd')!r}))"
    assert inside(code, "--unix-allow", work) == [str(len(text)), "PermissionError"]
    box.wait_for(lambda: good.got, what="the datagram")
    data, control = good.got[0]
    assert data == text and bad.count == 0
    if how == "sendmsg":
        fds = array.array("i")
        fds.frombytes(control[0][2][:4])
        assert os.read(fds[0], 100) == b"through the pipe"
        os.close(fds[0])


def test_datagram_sockets_need_unix_allow_since_each_message_can_have_an_address(work, serve):
    serve(work / "d", kind=socket.SOCK_DGRAM)
    code = CONNECT + f"""
for send in (lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", {str(work / "d")!r}),
             lambda: socket.socketpair(type=socket.SOCK_DGRAM), lambda: socket.socket(socket.AF_UNIX, socket.SOCK_RAW)):
    try:
        send()
        print("done")
    except OSError as e:
        print(type(e).__name__)
"""
    # in place of the first a mute socket is given, for libc's questions about interfaces
    assert box.check(box.python(code, "-w", work)).stdout.split() == ["OSError"] + ["PermissionError"] * 2
    assert box.check(box.python(code, "--unix-allow", work)).stdout.split() == ["done"] * 3


MUTE = CONNECT + r"""
import signal
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def errno_of(act):
    try:
        act()
        return 0
    except OSError as e:
        return e.errno
s.setblocking(False)
for act in (lambda: s.connect(sys.argv[1]), lambda: s.connect(b"\0x"), lambda: s.bind(sys.argv[1] + "2"),
            lambda: s.send(b"x"), lambda: s.sendto(b"x", sys.argv[1]), lambda: s.recv(1), lambda: s.accept(),
            lambda: s.listen()):
    print(errno_of(act), end=" ")
name = s.getsockname()
print(errno_of(lambda: s.connect(sys.argv[1])), s.family == socket.AF_UNIX, name[:1] == b"\0")
print(name.hex(), flush=True)
input()
"""


@pytest.mark.parametrize("grant", ["-r", "-w"])
def test_the_mute_socket_reaches_nobody_and_raises_no_signal(work, serve, grant):
    server = serve(work / "s")
    process = box.start(grant, work, "--", box.PYTHON, "-c", MUTE, work / "s", stdin=subprocess.PIPE)
    line, name = process.stdout.readline(), bytes.fromhex(process.stdout.readline())
    with pytest.raises(ConnectionRefusedError):
        socket.socket(socket.AF_UNIX).connect(name)
    process.communicate("\n", timeout=30)
    bind = 13 if grant == "-r" else 22
    assert line == f"22 111 {bind} 107 95 22 11 0 22 True True\n" and process.returncode == 0
    assert server.count == 0


# --- abstract names ---

def test_abstract_names_are_reached_inside_and_not_outside(work, serve):
    name = f"\0sandlock-test-{os.getpid()}"
    server = serve(name)
    own = f"\0sandlock-own-{os.getpid()}\nx"
    code = f"""
server = socket.socket(socket.AF_UNIX)
server.bind({own!r})
server.listen()
import threading
threading.Thread(target=lambda: server.accept()[0].send(b"own"), daemon=True).start()
print(attempt({own!r}), attempt({name!r}), attempt("\\0nobody-has-this-name"))
if os.fork() == 0:
    threading.Thread(target=lambda: os._exit(0), daemon=True)
    os._exit(0)
"""
    assert inside(code, "-w", work) == ["own PermissionError ConnectionRefusedError"]
    assert inside(code, "-w", work, "--disable", "abstract-unix-socket-scope") == ["own hello ConnectionRefusedError"]
    assert server.count == 1


# --- races ---

RACE = r"""
import ctypes, os, socket, struct, sys, threading, time
libc = ctypes.CDLL(None)
good, bad, seconds = sys.argv[1].encode(), sys.argv[2].encode(), float(sys.argv[3])
size = max(len(good), len(bad)) + 3
images = [struct.pack("=H", socket.AF_UNIX) + n.ljust(size - 2, b"\0") for n in (good, bad)]
shared = ctypes.create_string_buffer(images[0], size)
stop = False
def flip():
    while not stop:
        ctypes.memmove(shared, images[1], size)
        ctypes.memmove(shared, images[0], size)
threading.Thread(target=flip).start()
sys.setswitchinterval(1e-6)
tries = through = 0
end = time.monotonic() + seconds
while time.monotonic() < end:
    s = socket.socket(socket.AF_UNIX)
    through += libc.connect(s.fileno(), shared, size) == 0
    s.close()
    tries += 1
stop = True
print(tries, through)
"""


def test_a_second_thread_that_rewrites_the_name_reaches_nothing_else(work, outside, serve):
    good, bad = serve(work / "s"), serve(outside / "s")
    seconds = os.environ.get("SANDLOCK_RACE_SECONDS", "1.5")
    done = box.run("-w", work, "--", box.PYTHON, "-c", RACE, work / "s", outside / "s", seconds,
                   timeout=60 + float(seconds))
    tries, through = map(int, box.check(done).stdout.split())
    assert tries > 50 and through > 0, done
    assert bad.count == 0
    bare = subprocess.run([box.PYTHON, "-c", RACE, work / "s", outside / "s", "1"], capture_output=True, timeout=60)
    assert bare.returncode == 0 and bad.count > 0, "the race reaches the forbidden socket without a sandbox"
    assert good.count > 0


# --- real programs ---

def test_a_full_queue_of_a_granted_server_holds_nothing_whatever_the_program_does_to_its_flag(outside):
    """A second thread takes O_NONBLOCK away all the time; the server outside accepts nobody."""
    path = outside / "full.sock"
    code = f"""
import fcntl, os, socket, threading, time
s = socket.socket(socket.AF_UNIX)
def flip():
    while True:
        fcntl.fcntl(s.fileno(), fcntl.F_SETFL, 0)
threading.Thread(target=flip, daemon=True).start()
print("began", flush=True)
while True:
    s.settimeout(0)
    s.connect_ex({str(path)!r})
"""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as first:
        server.bind(str(path))
        server.listen(0)
        first.connect(str(path))
        start = time.monotonic()
        done = box.python(code, "--quiet", "-r", "/", "--timeout", "3", "--unix-allow", path)
        assert (done.returncode, done.stdout) == (124, "began\n"), done.stderr
        assert time.monotonic() - start < 15


def test_processes_of_python_talk_over_sockets_in_their_folder(work):
    code = """
import multiprocessing, multiprocessing.managers
if __name__ == "__main__":
    with multiprocessing.Manager() as manager:
        shared = manager.dict(a=1)
        shared["b"] = 2
        print(dict(shared))
"""
    script = work / "m.py"
    script.write_text(code)
    done = box.run("-w", work, "--", box.PYTHON, script, env=dict(os.environ, TMPDIR=str(work)))
    assert box.check(done).stdout == "{'a': 1, 'b': 2}\n"


def test_a_grant_that_reaches_a_control_socket_is_warned_about(work, serve):
    serve(work / "agent")
    env = dict(os.environ, SSH_AUTH_SOCK=str(work / "agent"))
    done = box.run("-w", work, "--", "/bin/true", env=env)
    assert f"sandlock: warning: --fs-write reaches {work}/agent: your ssh keys" in box.check(done).stderr, done
    assert box.check(box.run("-w", work, "--no-unix-write", "--", "/bin/true", env=env)).stderr == ""


# --- servers in the sandbox that ask who their peer is ---

PEERS = """
import os, socket, struct, sys
from multiprocessing.managers import BaseManager
os.chdir(sys.argv[1])
server = socket.socket(socket.AF_UNIX)
server.bind("s")
server.listen()
client = socket.socket(socket.AF_UNIX)
client.connect("s")
for end in client, server.accept()[0]:
    pid, uid, gid = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    print((uid, gid) == (os.getuid(), os.getgid()), flush=True)

class Manager(BaseManager):
    pass
Manager.register("five", callable=lambda: [5])
manager = Manager(address="m", authkey=b"x")
manager.start()
print(manager.five().copy(), flush=True)
manager.shutdown()
"""


def test_a_server_in_the_sandbox_and_its_clients_know_each_others_user(tmp_path):
    done = box.check(box.run("-w", tmp_path, "--", box.PYTHON, "-c", PEERS, tmp_path))
    assert done.stdout.split("\n") == ["True", "True", "[5]", ""], done


def test_a_message_bus_in_the_sandbox_serves_its_programs(tmp_path):
    if not shutil.which("dbus-daemon") or not shutil.which("dbus-send"):
        pytest.skip("allowed: this machine has no dbus-daemon")
    script = ('dbus-daemon --session --fork --address="unix:path=$0/bus" && DBUS_SESSION_BUS_ADDRESS="unix:path=$0/bus" '
              "dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames")
    settings = [word for path in ("/usr/share/dbus-1", "/etc/dbus-1") if os.path.exists(path) for word in ("-r", path)]
    done = box.check(box.run(*settings, "-w", tmp_path, "--", "sh",
                             "-c", script, tmp_path))
    assert '"org.freedesktop.DBus"' in done.stdout, done


# The first thread leaves the signal to another one, which is in a send to a socket whose queue is full.
INTERRUPTED = """
import ctypes, errno, os, signal, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
signal.signal(signal.SIGUSR1, lambda *a: None)
signal.siginterrupt(signal.SIGUSR1, True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
full.bind(sys.argv[1])
to = socket.AF_UNIX.to_bytes(2, sys.byteorder) + sys.argv[1].encode() + b"\\0"
def send():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    while libc.sendto(s.fileno(), b"x", 1, 0, to, len(to)) == 1:
        pass
    print(errno.errorcode[ctypes.get_errno()], flush=True)
    os._exit(0)
threading.Thread(target=send, daemon=True).start()
for i in range(100):        # one that comes before the queue is full interrupts nothing
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_for_another_thread_than_the_first_interrupts_a_send_that_waits(tmp_path):
    for place, command in ((tmp_path / "bare", []), (tmp_path / "in", [box.SANDLOCK, "run", "-q", "--unix-allow", tmp_path, "-w",
                                                                         tmp_path, "--"])):
        done = subprocess.run([*map(str, command), box.PYTHON, "-c", INTERRUPTED, str(place)], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL)
        assert done.stdout == "EINTR\n", done

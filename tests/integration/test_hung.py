"""A granted file system that stops answering: the sandbox ends when it is told to, and the command with it."""
import os
import subprocess
import time

import pytest

import box

pytestmark = pytest.mark.skipif(not box.IS_ROOT or not os.path.exists("/dev/fuse"), reason="allowed: root only: mounts a FUSE file system")

FILE = "import os; f = os.open({0!r} + '/file', os.O_RDWR); print('began', flush=True)\n"
ACTS = {
    "a worker looks a path up": (FILE + "os.chmod({0!r} + '/other', 0o600)", []),
    "the address of a connect is in a mapped file": (FILE + """
import ctypes, mmap, socket
m = mmap.mmap(f, 4096)
at = ctypes.addressof(ctypes.c_char.from_buffer(m))
s = socket.socket()
ctypes.CDLL(None).connect(s.fileno(), ctypes.c_void_p(at), 16)
""", ["--net-allow", "127.0.0.1:80"]),
    "a socket is looked for": (FILE + "import socket; socket.socket(socket.AF_UNIX).connect({0!r} + '/other')", []),
}


@pytest.fixture
def hung(tmp_path):
    """Where it is mounted."""
    server = subprocess.Popen([box.compiled("hungfs"), str(tmp_path), "unread"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    if server.stdout.readline() != "ready\n":
        assert server.wait() == 77
        pytest.skip("allowed: no FUSE file system can be mounted here")
    yield str(tmp_path)
    server.stdin.close()        # ends the server, and the mount with it: who still waits gets an error
    server.wait()


@pytest.mark.parametrize("act", ACTS)
def test_a_file_system_that_does_not_answer_does_not_hold_the_end(hung, act):
    code, flags = ACTS[act]
    start = time.monotonic()
    done = box.python(code.format(hung), "--quiet", "-r", "/usr", "-r", "/etc", "-w", hung, "--timeout", "3", *flags)
    assert (done.returncode, done.stdout) == (124, "began\n"), done.stderr
    assert time.monotonic() - start < 15

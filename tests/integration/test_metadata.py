"""The newest calls that change attributes: they work where it is granted to write, and nowhere else."""
import os
import subprocess

import pytest

import box

CODE = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
path, elsewhere = sys.argv[1].encode(), sys.argv[2].encode()
EMPTY, NOFOLLOW, HERE = 0x1000, 0x100, -100
SETXATTRAT, GETXATTRAT, LISTXATTRAT, REMOVEXATTRAT, FILE_GETATTR, FILE_SETATTR = 463, 464, 465, 466, 468, 469

def call(*args):
    rc = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return rc if rc >= 0 else -ctypes.get_errno()

value = ctypes.create_string_buffer(b"blue")
def args(size=4, flags=0, tail=b""):
    return ctypes.create_string_buffer(struct.pack("QII", ctypes.addressof(value), size, flags) + tail)

def attr(xflags=0x80):          # NODUMP
    return ctypes.create_string_buffer(struct.pack("QIIII", xflags, 0, 0, 0, 0))

def show(what, rc):
    print(what, rc)

def xattr(file):
    try:
        return os.getxattr(file, "user.colour").decode()
    except OSError as error:
        return -error.errno

out = ctypes.create_string_buffer(64)
fd = os.open(path, os.O_RDWR)
show("set", call(SETXATTRAT, HERE, path, 0, b"user.colour", args(), 16))
show("is", xattr(path))
show("get", call(GETXATTRAT, HERE, path, 0, b"user.colour", ctypes.create_string_buffer(struct.pack("QII", ctypes.addressof(out), 64, 0)), 16))
show("list", call(LISTXATTRAT, HERE, path, 0, out, 64) > 0)
show("create again", call(SETXATTRAT, HERE, path, 0, b"user.colour", args(flags=1), 16))
show("longer, zero", call(SETXATTRAT, HERE, path, 0, b"user.colour", args(tail=bytes(8)), 24))
show("longer, not zero", call(SETXATTRAT, HERE, path, 0, b"user.colour", args(tail=b"x" * 8), 24))
show("short", call(SETXATTRAT, HERE, path, 0, b"user.colour", args(), 15))
show("page", call(SETXATTRAT, HERE, path, 0, b"user.colour", args(), 4097))
show("nowhere", call(SETXATTRAT, HERE, path, 0, b"user.colour", None, 16))
show("flags", call(SETXATTRAT, HERE, path, 4, b"user.colour", args(), 16))
show("descriptor", call(SETXATTRAT, fd, b"", EMPTY, b"user.colour", args(), 16))
show("descriptor, null", call(SETXATTRAT, fd, None, EMPTY, b"user.colour", args(), 16))
show("remove", call(REMOVEXATTRAT, HERE, path, 0, b"user.colour"))
show("remove again", call(REMOVEXATTRAT, HERE, path, 0, b"user.colour"))
show("attributes", call(FILE_SETATTR, HERE, path, attr(), 24, 0))
show("read back", (call(FILE_GETATTR, HERE, path, out, 24, 0), struct.unpack_from("Q", out)[0] & 0x80))
show("attributes, short", call(FILE_SETATTR, HERE, path, attr(), 23, 0))
show("attributes, null", call(FILE_SETATTR, HERE, path, None, 24, 0))
print("--")
show("set", call(SETXATTRAT, HERE, elsewhere, 0, b"user.colour", args(), 16))
show("set by the parent", call(SETXATTRAT, os.open(os.path.dirname(elsewhere), os.O_PATH), os.path.basename(elsewhere), 0, b"user.colour", args(), 16))
show("remove", call(REMOVEXATTRAT, HERE, elsewhere, 0, b"user.kept"))
show("attributes", call(FILE_SETATTR, HERE, elsewhere, attr(), 24, 0))
"""


@pytest.fixture
def files(work, outside):
    (work / "f").write_text("x")
    (outside / "f").write_text("x")
    try:
        os.setxattr(outside / "f", "user.kept", b"yes")
    except OSError:
        pytest.skip("no attributes on this file system")
    return work / "f", outside / "f"


def test_the_newest_calls_behave_inside_as_they_do_without_a_sandbox(files, work, tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("x")
    alike = tmp_path / "alike"
    alike.write_text("x")
    native = box.check(subprocess.run([box.PYTHON, "-c", CODE, plain, alike], capture_output=True, text=True)).stdout
    if "set -38" in native or "attributes -38" in native:
        pytest.skip("a kernel without these calls")
    done = box.check(box.run("-w", work, "--", box.PYTHON, "-c", CODE, *files))
    assert done.stdout.split("--")[0] == native.split("--")[0]
    assert "set 0\nis blue\nget 4\n" in done.stdout


def test_the_newest_calls_are_refused_outside_and_reported(files, work, outside, tmp_path):
    report = tmp_path / "report"
    done = box.check(box.run("-r", outside, "-w", work, f"--report={report}", "--", box.PYTHON, "-c", CODE, *files))
    assert done.stdout.split("--\n")[1] == "set -13\nset by the parent -13\nremove -13\nattributes -13\n"
    assert os.listxattr(outside / "f") == ["user.kept"]
    assert str(outside / "f") in report.read_text()

"""What the integration tests share: the command, the helper programs, and looking for survivors.

The command is $SANDLOCK, the build directory $SANDLOCK_BUILD; without them, those of the usual build are taken.
"""
import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SANDLOCK_BUILD") or os.path.join(ROOT, "build")
HELPERS = os.path.join(ROOT, "tests/integration/helpers")
PYTHON = "/usr/bin/python3"
IS_ROOT = os.geteuid() == 0
MARK = "SANDLOCK_TEST_MARK"


def _find_command():
    candidates = [os.environ.get("SANDLOCK"), os.path.join(ROOT, "build-musl/src/sandlock"),
                  os.path.join(BUILD, "src/sandlock"), shutil.which("sandlock")]
    return next((c for c in candidates if c and os.access(c, os.X_OK)), "sandlock")


SANDLOCK = os.path.abspath(_find_command())
PROBE_RUNNER = os.path.join(BUILD, "tests/probes/probe-runner")


@functools.cache
def user_namespaces():
    """Can this user make one? Not in a chroot, nor where the distribution's AppArmor profile refuses it."""
    return subprocess.run(["unshare", "-Ur", "true"], capture_output=True).returncode == 0


def run(*words, timeout=60, text=True, **kw):
    """sandlock run WORDS...; returns subprocess.CompletedProcess with both streams."""
    kw.setdefault("stdin", subprocess.DEVNULL)
    if "input" in kw:
        del kw["stdin"]
    return subprocess.run([SANDLOCK, "run", *map(str, words)], capture_output=True, text=text, timeout=timeout, **kw)


def python(code, *flags, **kw):
    """Runs Python code in the sandbox."""
    return run(*flags, "--", PYTHON, "-c", code, **kw)


def bare_python(code, **kw):
    """The same code without a sandbox: what is refused inside must work here."""
    kw.setdefault("timeout", 60)
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL, **kw)


def start(*words, **kw):
    """sandlock run WORDS... as a Popen with pipes."""
    kw.setdefault("stdin", subprocess.DEVNULL)
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.PIPE)
    kw.setdefault("text", True)
    return subprocess.Popen([SANDLOCK, "run", *map(str, words)], **kw)


def status(*words, **kw):
    """Runs with --status-fd; (CompletedProcess, the status object)."""
    reader, writer = os.pipe()
    try:
        done = run("--status-fd", writer, *words, pass_fds=[writer], **kw)
    finally:
        os.close(writer)
    with os.fdopen(reader) as f:
        text = f.read()
    assert text.endswith("\n") and text.count("\n") == 1, f"one line of JSON expected: {text!r}, {done}"
    return done, json.loads(text)


def sandlock(*words, timeout=60, **kw):
    """sandlock WORDS... (check, why, profile, ...)."""
    return subprocess.run([SANDLOCK, *map(str, words)], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, **kw)


def check(done, code=0):
    """Fails with everything that was printed when the exit status is another one."""
    assert done.returncode == code, (f"exit status {done.returncode}, not {code}\n--- stdout\n{done.stdout}"
                                     f"\n--- stderr\n{done.stderr}")
    return done


def sentence(done, code, *parts):
    """A failed start: this exit status, one line on stderr that has these parts, and nothing on stdout."""
    check(done, code)
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert lines, "nothing on stderr"
    assert lines[0].startswith("sandlock"), lines
    whole = " ".join(lines)
    for part in parts:
        assert str(part) in whole, f"{part!r} is not in: {whole}"
    assert all(c >= " " for c in whole), f"control bytes in: {whole!r}"
    return whole


class Marked:
    """An environment whose processes can be found again, whatever they did to their parents and groups."""

    def __init__(self):
        self.value = uuid.uuid4().hex
        self.env = dict(os.environ, **{MARK: self.value})

    def alive(self):
        found = []
        needle = f"{MARK}={self.value}".encode()
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/environ", "rb") as f:
                    if needle in f.read().split(b"\0"):
                        found.append(int(name))
            except OSError:
                pass
        return found

    def none_left(self, within=3.0):
        """Waits until nothing is left, at most so long, and says whether that is so; kills what is left."""
        end = time.monotonic() + within
        while self.alive():
            if time.monotonic() > end:
                left = self.alive()
                for pid in left:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except OSError:
                        pass
                return not left
            time.sleep(0.02)
        return True


def wait_for(condition, within=10.0, what="the condition"):
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come about within {within} s"
        time.sleep(0.02)


_compiled = {}
_folder = None


def compiled(name, *flags, cc="gcc"):
    """The path of helpers/NAME.c as a program, compiled once in a session."""
    global _folder
    key = (name, flags, cc)
    if key in _compiled:
        return _compiled[key]
    if _folder is None:
        _folder = tempfile.mkdtemp(prefix="sandlock-helpers.")
    source = os.path.join(HELPERS, name + ".c") if "/" not in name else os.path.join(ROOT, name)
    out = os.path.join(_folder, f"{os.path.basename(name).removesuffix('.c')}-{len(_compiled)}")
    subprocess.run([cc, "-D_GNU_SOURCE", "-O1", "-o", out, source, "-pthread", *flags], check=True)
    _compiled[key] = out
    return out


def remove_compiled():
    if _folder:
        shutil.rmtree(_folder, ignore_errors=True)

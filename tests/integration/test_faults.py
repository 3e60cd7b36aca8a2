"""Each system call of the set-up fails in turn: a sentence and no running child, or the call was optional."""
import re
import shutil
import subprocess

import pytest

import box

# The calls of set-up. Memory and descriptors are what a host can run out of.
FAULTS = {"openat": "EMFILE", "pipe2": "EMFILE", "socketpair": "EMFILE", "eventfd2": "EMFILE", "pidfd_open": "EMFILE",
          "mmap": "ENOMEM", "clone": "EAGAIN", "clone3": "EAGAIN", "landlock_create_ruleset": "ENOMEM",
          "landlock_add_rule": "ENOMEM", "landlock_restrict_self": "E2BIG", "seccomp": "ENOMEM", "prctl": "EINVAL",
          "fcntl": "EMFILE", "dup3": "EMFILE", "dup2": "EMFILE", "sendmsg": "ENOBUFS", "recvmsg": "ENOMEM", "ioctl": "EFAULT",
          "setpgid": "EPERM", "prlimit64": "EPERM", "rt_sigprocmask": "EINVAL", "epoll_create1": "EMFILE",
          "timerfd_create": "EMFILE", "execve": "ENOMEM", "fstat": "ENOMEM", "statx": "ENOMEM", "close_range": "EINVAL",
          "capset": "EPERM", "memfd_create": "EMFILE", "read": "EIO", "poll": "ENOMEM", "ppoll": "ENOMEM", "wait4": "EINTR",
          "waitid": "EINTR"}
LAST = 30


def needs_strace():
    if not shutil.which("strace"):
        pytest.skip("allowed: program: strace is not installed")


def calls_before_main(call, work):
    """How often the loader and the C library make the call: what fails there is not ours to explain."""
    subprocess.run(["strace", "-f", "-qq", "-o", work / "trace", "-e", f"trace={call}", box.SANDLOCK, "version"],
                   capture_output=True, timeout=40)
    return len((work / "trace").read_text(errors="replace").splitlines())


def inject(call, error, when, work, marked):
    for name in ("out", "trace"):
        (work / name).unlink(missing_ok=True)
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", work / "trace", "-e", f"trace={call}", "-e",
         f"inject={call}:error={error}:when={when}", box.SANDLOCK, "run", "-w", work, "-P", "8", "-t", "20", "--", "/bin/sh",
         "-c", f"echo ran >{work}/out"],
        capture_output=True, text=True, timeout=40, env=marked.env, stdin=subprocess.DEVNULL)
    trace = (work / "trace").read_text(errors="replace") if (work / "trace").exists() else ""
    return done, "(INJECTED)" in trace


@pytest.mark.parametrize("call", FAULTS)
def test_the_failure_of_a_call_of_set_up_is_a_sentence_or_harmless(call, work, marked):
    needs_strace()
    hits = 0
    first = calls_before_main(call, work) + 1
    for when in range(first, first + LAST):
        done, injected = inject(call, FAULTS[call], when, work, marked)
        if "invalid system call" in done.stderr:
            pytest.skip(f"allowed: kernel: strace does not know {call}")
        if not injected:
            break
        hits += 1
        where = f"{call} number {when}: status {done.returncode}: {done.stderr!r}"
        assert marked.none_left(), where
        assert done.returncode != -11 and done.returncode not in (139, 134), where
        assert done.returncode != 124, "it hung: " + where
        ran = (work / "out").exists()
        if done.returncode == 0:
            assert ran, where
        elif not ran:
            # Either sandlock says why, or the fault hit the program itself, which was already confined then.
            assert done.stderr.strip(), where
    print(f"{call}: {hits} failures")


def test_a_full_table_of_descriptors_is_a_sentence():
    for limit in range(3, 16):
        done = subprocess.run(["sh", "-c", f"ulimit -n {limit}; exec {box.SANDLOCK} run -- /bin/true"], capture_output=True,
                              text=True, timeout=30, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            assert done.stderr.strip() and done.returncode in (2, 125, 126, 127), (limit, done)


@pytest.mark.skipif(box.IS_ROOT, reason="allowed: ordinary user only: root is not bound by the process limit")
def test_no_more_processes_for_the_user_is_a_sentence(marked):
    done = subprocess.run(["bash", "-c", f"ulimit -u 1; exec {box.SANDLOCK} run -- /bin/true"], capture_output=True, text=True,
                          timeout=30, stdin=subprocess.DEVNULL, env=marked.env)
    box.check(done, 125)
    assert re.search(r"sandlock: \S", done.stderr)
    assert marked.none_left()


def test_little_memory_is_a_sentence_or_enough():
    for kib in (1536, 2 << 10,          # less than its own segments and the stack take, and the kernel ends it in exec
                 4 << 10, 8 << 10, 64 << 10):
        done = subprocess.run(["sh", "-c", f"ulimit -v {kib}; exec {box.SANDLOCK} run -- /bin/true"], capture_output=True,
                              text=True, timeout=30, stdin=subprocess.DEVNULL)
        assert done.returncode == 0 or done.stderr.strip(), (kib, done)
        assert done.returncode >= 0, (kib, done)

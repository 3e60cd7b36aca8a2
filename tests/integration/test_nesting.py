"""A sandbox in a sandbox: works where the kernel can, else a sentence names the option; the outer wall always holds."""
import os
import subprocess

import pytest

import box

INNER = [box.SANDLOCK, "run"]


def nested(outer, inner, command, **kw):
    return box.run(*outer, "-r", box.SANDLOCK, "--", *INNER, *inner, "--", *command, **kw)


def test_an_inner_sandbox_without_a_supervisor_works(work):
    done = nested(["-w", work], ["--no-supervisor", "-w", work], ["/bin/sh", "-c", f"echo in >{work}/out; cat {work}/out"])
    assert box.check(done).stdout == "in\n"


def test_the_inner_policy_is_enforced_too(work, outside):
    done = nested(["-w", work, "-r", outside], ["--no-supervisor", "-r", work], ["/bin/cat", outside / "secret.txt"])
    assert done.returncode == 1 and done.stdout == ""
    assert box.check(box.run("-r", outside, "--", "/bin/cat", outside / "secret.txt")).stdout == "the secret\n"


def test_the_inner_policy_cannot_widen_the_outer_one(work, outside):
    done = nested(["-w", work], ["--no-supervisor", "-r", outside], ["/bin/cat", outside / "secret.txt"])
    assert done.returncode != 0 and "the secret" not in done.stdout


def test_a_supervised_inner_sandbox_works_or_names_the_option(work):
    done = nested(["-w", work], ["-w", work], ["/bin/echo", "inner"])
    if done.returncode == 0:
        assert done.stdout == "inner\n"
    else:
        box.check(done, 125)
        assert "--no-supervisor" in done.stderr


def test_under_an_outer_one_without_a_supervisor_the_inner_may_have_one(work):
    done = nested(["--no-supervisor", "-w", work], ["-w", work], ["/bin/echo", "inner"])
    if done.returncode == 0:
        assert done.stdout == "inner\n"
    else:
        box.check(done, 125)
        assert "--no-supervisor" in done.stderr


def test_the_outer_limit_counts_the_inner_processes(work):
    forks = box.compiled("forks")
    done = nested(["-P", "12", "-w", work, "-r", os.path.dirname(forks)], ["--no-supervisor"], [forks, "fork", "40"])
    made, code = map(int, box.check(done).stdout.split())
    assert code == 11 and made < 12


def test_sixteen_layers_end_in_a_sentence(work):
    """The kernel takes sixteen Landlock layers; the one too many is explained."""
    command = ["/bin/echo", "deep"]
    for _ in range(18):
        command = [box.SANDLOCK, "run", "--no-supervisor", "-r", box.SANDLOCK, "--", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    box.check(done, 125)
    assert "deep" not in done.stdout
    assert "16" in done.stderr or "layers" in done.stderr


# What the default profile of container engines refuses, one call at a time (see test_small_kernel.py), and all at once.
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_under_a_container_like_profile_the_sandbox_works(error, work, outside):
    wrapper = box.compiled("tools/without-syscall.c")
    command = [box.SANDLOCK, "run", "-w", str(work), "-P", "8", "--", "/bin/sh", "-c",
               f"chmod 751 {work}; cat {outside}/secret.txt 2>/dev/null || echo refused"]
    for call in ("pidfd_getfd", "process_vm_readv", "process_vm_writev", "ptrace"):
        command = [wrapper, call, error, "--", *command]
    # Engines answer ENOSYS here, since libc takes EPERM for the last word.
    command = [wrapper, "clone3", "ENOSYS", "--", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert box.check(done).stdout == "refused\n"


def test_an_own_filter_of_the_program_is_no_obstacle():
    code = ("import ctypes, struct\nl = ctypes.CDLL(None)\nallow = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7fff0000))\n"
            "prog = struct.pack('H6xQ', 1, ctypes.addressof(allow))\nl.prctl(38, 1, 0, 0, 0)\n"
            "assert l.prctl(22, 2, prog, 0, 0) == 0\nimport subprocess; print(subprocess.check_output(['echo', 'fine'], text=True), end='')")
    assert box.check(box.python(code)).stdout == "fine\n"

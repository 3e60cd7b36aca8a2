"""How a run ends: exit statuses, survivors, signals, terminals, streams, descriptors and the environment."""
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time

import pytest

import box


# --- exit statuses ---

@pytest.mark.parametrize("code", [0, 1, 2, 3, 42, 77, 124, 125, 126, 127, 128, 200, 254, 255])
def test_the_exit_status_of_the_program_is_that_of_the_run(code):
    box.check(box.run("--", "/bin/sh", "-c", f"exit {code}"), code)


def test_every_exit_status_from_inside_is_kept():
    script = "for i in $(seq 0 255); do $S run -- /bin/sh -c \"exit $i\"; [ $? = $i ] || echo $i; done"
    done = subprocess.run(["sh", "-c", script], env=dict(os.environ, S=box.SANDLOCK), capture_output=True, text=True,
                          timeout=120)
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV", "ABRT", "INT", "HUP", "USR1", "PIPE"])
def test_death_by_a_signal_is_128_and_its_number(name):
    done = box.run("--", "/bin/sh", "-c", f"ulimit -c 0; kill -{name} $$")
    box.check(done, 128 + getattr(signal, f"SIG{name}"))


def test_the_timeout_is_124_and_what_was_printed_is_kept():
    begin = time.monotonic()
    done = box.run("-t", "500ms", "--", "/bin/sh", "-c", "echo before; echo warning >&2; exec sleep 60")
    box.check(done, 124)
    assert done.stdout == "before\n"
    assert done.stderr.startswith("warning\n")
    assert time.monotonic() - begin < 20


def test_a_program_that_ends_before_its_timeout_is_not_disturbed():
    box.check(box.run("-t", "30", "--", "/bin/sh", "-c", "exit 3"), 3)


def test_the_timeout_ends_programs_that_ignore_sigterm_or_are_stopped(marked):
    code = "import signal, os; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(os.getpid(), signal.SIGSTOP)"
    box.check(box.python(code, "-t", "500ms", env=marked.env), 124)
    assert marked.none_left()


def test_a_missing_program_is_127_and_one_that_cannot_run_is_126(work):
    plain = work / "plain.txt"
    plain.write_text("no program\n")
    box.sentence(box.run("-r", work, "--", work / "missing"), 127, "missing")
    box.sentence(box.run("-r", work, "--", plain), 126, "plain.txt")
    path = dict(os.environ, PATH="/usr/bin:/bin")       # a folder that may not be entered makes it 126
    box.sentence(box.run("--", "surely-no-such-command", env=path), 127, "surely-no-such-command")


def test_a_bad_option_is_2_and_a_bad_policy_125(tmp_path):
    box.sentence(box.run("--no-such-option", "--", "true"), 2, "no-such-option")
    box.sentence(box.run("-r", tmp_path / "missing", "--", "true"), 125, "missing")


# --- survivors ---

SURVIVORS = {
    "setsid": "import os, time\nif os.fork() == 0:\n os.setsid()\n time.sleep(300)",
    "double-fork": "import os, time\nif os.fork() == 0:\n if os.fork() == 0:\n  time.sleep(300)\n os._exit(0)\nos.wait()",
    "own-group": "import os, time\nif os.fork() == 0:\n os.setpgid(0, 0)\n time.sleep(300)",
    "ignores-everything": ("import os, signal, time\nfor s in set(range(1, 65)) - {9, 19, 32, 33}:\n"
                           " signal.signal(s, signal.SIG_IGN)\nif os.fork() == 0:\n time.sleep(300)"),
    "stopped": "import os, signal\nif os.fork() == 0:\n os.kill(os.getpid(), signal.SIGSTOP)",
    "another-image": "import os\nif os.fork() == 0:\n os.setsid()\n os.execv('/bin/sleep', ['sleep', '300'])",
    "many": "import os, time\nfor i in range(20):\n if os.fork() == 0:\n  os.setsid()\n  time.sleep(300)",
}
LINGER = "\nimport time; print('ready', flush=True); time.sleep(300)"


@pytest.mark.parametrize("kind", SURVIVORS)
def test_without_a_sandbox_the_descendant_survives(kind, marked):
    subprocess.Popen([box.PYTHON, "-c", SURVIVORS[kind]], env=marked.env, stdin=subprocess.DEVNULL,
                     start_new_session=True).wait()
    assert box.wait_for(marked.alive, what="the survivor")


@pytest.mark.parametrize("kind", SURVIVORS)
def test_nothing_survives_the_end_of_the_program(kind, marked):
    box.check(box.python(SURVIVORS[kind], env=marked.env))
    assert marked.none_left()


@pytest.mark.parametrize("kind", SURVIVORS)
def test_nothing_survives_the_timeout(kind, marked):
    box.check(box.python(SURVIVORS[kind] + LINGER, "-t", "1", env=marked.env), 124)
    assert marked.none_left()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("kind", SURVIVORS)
def test_nothing_survives_the_death_of_sandlock(kind, how, marked):
    run = box.start("--", box.PYTHON, "-c", SURVIVORS[kind] + LINGER, env=marked.env, stderr=subprocess.DEVNULL)
    assert run.stdout.readline() == "ready\n"
    run.send_signal(how)
    if kind == "ignores-everything" and how == signal.SIGTERM:
        run.kill()      # the signal is forwarded, and the program ignores it
    run.wait(20)
    run.stdout.close()
    assert marked.none_left()


def test_nothing_survives_when_the_reaper_is_killed(marked):
    run = box.start("--", box.PYTHON, "-c", SURVIVORS["many"] + LINGER, env=marked.env, stderr=subprocess.DEVNULL)
    assert run.stdout.readline() == "ready\n"
    with open(f"/proc/{run.pid}/task/{run.pid}/children") as f:
        children = f.read().split()
    assert children, "sandlock has no child"
    for pid in children:
        os.kill(int(pid), signal.SIGKILL)
    run.wait(20)
    run.stdout.close()
    assert run.returncode != 0
    assert marked.none_left()


def test_nothing_survives_in_the_middle_of_a_fork_storm(marked):
    code = ("import os, time\nprint('ready', flush=True)\nwhile True:\n try:\n  if os.fork() == 0:\n   os.setsid()\n"
            " except OSError:\n  time.sleep(0.01)")
    run = box.start("-P", "64", "--", box.PYTHON, "-c", code, env=marked.env, stderr=subprocess.DEVNULL)
    assert run.stdout.readline() == "ready\n"
    time.sleep(0.3)
    run.kill()
    run.wait(20)
    run.stdout.close()
    assert marked.none_left(5)


# --- signals ---

FORWARDED = ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH"]


@pytest.mark.parametrize("name", FORWARDED)
def test_a_signal_to_sandlock_reaches_the_program(name):
    # Not print() in the handler: the signal may come while print() is still at work. Short sleeps: Python runs the
    # handler only after a sleep that the signal came just before.
    code = (f"import os, signal, time\nsignal.signal(signal.SIG{name}, lambda *a: (os.write(1, b'got it\\n'), os._exit(9)))\n"
            "os.write(1, b'ready\\n')\nfor _ in range(3000): time.sleep(0.02)")
    run = box.start("--", box.PYTHON, "-c", code, start_new_session=True)
    assert run.stdout.readline() == "ready\n"
    run.send_signal(getattr(signal, f"SIG{name}"))
    out, _ = run.communicate(timeout=20)
    assert out == "got it\n"
    assert run.returncode == 9


def test_sigpipe_has_its_default_and_no_signal_is_blocked_or_ignored():
    code = ("import signal\nblocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
            "text = open('/proc/self/status').read()\n"
            "ignored = int(text.split('SigIgn:')[1].split()[0], 16)\n"
            "print(sorted(blocked), ignored & ~((1 << 12) | (1 << 24)))")      # python itself ignores PIPE and XFSZ
    assert box.check(box.python(code)).stdout == "[] 0\n"
    box.check(box.run("--", "/bin/sh", "-c", "yes | head -1 >/dev/null; kill -PIPE $$"), 128 + signal.SIGPIPE)


def test_a_blocked_or_ignored_signal_of_the_starter_is_not_ignored_inside():
    code = "import os, sys, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run([box.PYTHON, "-c", code, box.SANDLOCK, "run", "--", "/bin/sh", "-c", "kill -TERM $$; exit 5"],
                          capture_output=True, timeout=30)
    assert done.returncode in (5, 128 + signal.SIGTERM)


def test_the_program_survives_nohup_and_the_hangup_of_its_terminal():
    done = subprocess.run(["nohup", box.SANDLOCK, "run", "--", "/bin/sh", "-c", "kill -HUP $PPID 2>/dev/null; echo on"],
                          capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.stdout == "on\n"


# --- terminals ---

class Terminal:
    """An interactive shell with job control on a terminal of its own."""

    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(PS1="$ ", S=box.SANDLOCK, HISTFILE="/dev/null", TERM="dumb")
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.text = ""
        self.expect("$ ")

    def send(self, text):
        os.write(self.fd, text.encode())

    def expect(self, what, within=15):
        """Reads until `what` has come; forgets what came before it."""
        end = time.monotonic() + within
        while what not in self.text:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, f"{what!r} did not come; the terminal shows {self.text!r}"
            self.text += os.read(self.fd, 4096).decode(errors="replace")
        before, _, self.text = self.text.partition(what)
        return before

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal():
    t = Terminal()
    yield t
    t.close()


def test_the_shell_has_its_terminal_back_after_a_run(terminal):
    terminal.send("$S run -- /bin/sh -c 'echo in''side'; echo status=$?.\n")
    terminal.expect("inside")
    terminal.expect("status=0.")
    terminal.send("echo still ''here\n")
    terminal.expect("still here")


def test_an_interactive_program_reads_from_the_terminal(terminal):
    terminal.send("$S run -- /bin/sh -c 'echo rea''dy; read line; echo \"got <$line>\"'\n")
    terminal.expect("ready")
    terminal.send("hello\n")
    terminal.expect("got <hello>")


def test_ctrl_c_ends_the_program_and_not_the_shell(terminal):
    terminal.send("$S run -- /bin/sh -c 'echo rea''dy; exec sleep 60'\n")
    terminal.expect("ready")
    time.sleep(0.2)
    terminal.send("\x03")
    terminal.expect("$ ")
    terminal.send("echo af''ter $?\n")
    terminal.expect("after 130")


def test_ctrl_z_stops_the_run_and_fg_continues_it(terminal):
    terminal.send("$S run -- /bin/sh -c 'echo rea''dy; sleep 1.5; echo fin''ished; exit 4'\n")
    terminal.expect("ready")
    time.sleep(0.2)
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.expect("$ ")
    terminal.send("echo shell ''works\n")
    terminal.expect("shell works")
    terminal.send("fg\n")
    terminal.expect("finished")
    terminal.send("echo status ''$?.\n")
    terminal.expect("status 4.")


def test_bg_continues_a_stopped_run(terminal):
    terminal.send("$S run -- /bin/sh -c 'echo rea''dy; sleep 1; echo fin''ished'\n")
    terminal.expect("ready")
    time.sleep(0.2)
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.send("bg\n")
    terminal.expect("finished")


def test_a_window_that_changes_its_size_reaches_the_program(terminal):
    code = "trap 'echo res''ized; exit 0' WINCH; echo rea''dy; while :; do sleep 0.1; done"
    terminal.send(f"$S run -- /bin/bash -c \"{code}\"\n")
    terminal.expect("ready")
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, b"\x28\x00\x64\x00\x00\x00\x00\x00")
    terminal.expect("resized")


def test_a_program_killed_while_it_owns_the_terminal_gives_it_back(terminal):
    terminal.send("$S run -t 1 -- /bin/sh -c 'stty -echo; echo rea''dy; exec sleep 60'; echo status=$?.\n")
    terminal.expect("ready")
    terminal.expect("status=124.")
    terminal.send("stty echo; echo still ''here\n")
    terminal.expect("still here")


def test_a_run_in_the_background_does_not_take_the_terminal(terminal):
    terminal.send("$S run -- /bin/sh -c 'sleep 0.5; echo fin''ished' & sleep 0.1; echo shell ''first\n")
    terminal.expect("shell first")
    terminal.expect("finished")


# --- streams and descriptors ---

LIST_FDS = ("import os\nfds = []\nfor fd in range(1024):\n try:\n  os.fstat(fd); fds.append(fd)\n except OSError: pass\n"
            "print(fds)")


def test_only_the_three_standard_descriptors_reach_the_program(tmp_path):
    left_open = [os.open(tmp_path, os.O_RDONLY) for _ in range(20)]
    for fd in left_open:
        os.set_inheritable(fd, True)
    bare = subprocess.run([box.PYTHON, "-c", LIST_FDS], close_fds=False, capture_output=True, text=True)
    assert str(left_open[-1]) in bare.stdout
    assert box.check(box.python(LIST_FDS, close_fds=False)).stdout == "[0, 1, 2]\n"
    assert box.check(box.python(LIST_FDS, "--no-supervisor", close_fds=False)).stdout == "[0, 1, 2]\n"
    for fd in left_open:
        os.close(fd)


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_do_no_harm(closed, work):
    script = f"$S run -w {work} -- /bin/sh -c 'echo hello; echo fine >{work}/out' {closed}"
    done = subprocess.run(["sh", "-c", script], env=dict(os.environ, S=box.SANDLOCK), timeout=30,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert (work / "out").read_text() == "fine\n"
    assert done.returncode == 0


def test_a_reader_that_goes_away_ends_the_program():
    done = subprocess.run(["sh", "-c", "$S run -t 20 -- /bin/sh -c 'yes; exit 3' | head -1"],
                          env=dict(os.environ, S=box.SANDLOCK), capture_output=True, text=True, timeout=60)
    assert done.stdout == "y\n"


def test_streams_carry_every_byte_both_ways():
    data = os.urandom(3_000_000)
    done = subprocess.run([box.SANDLOCK, "run", "--", "/bin/cat"], input=data, capture_output=True, timeout=60)
    assert done.returncode == 0 and done.stdout == data


def test_a_closed_pipe_end_is_seen_as_the_end_of_input():
    assert box.check(box.run("--", "/usr/bin/wc", "-c", input="12345")).stdout.strip() == "5"


# --- status object ---

def test_the_status_object_says_how_the_run_ended():
    done, status = box.status("--", "/bin/sh", "-c", "exit 7")
    box.check(done, 7)
    assert "7" in str(status) and isinstance(status, dict)
    done, after_timeout = box.status("-t", "300ms", "--", "/bin/sleep", "60")
    box.check(done, 124)
    assert "time" in str(after_timeout)
    assert set(after_timeout) >= set(status) & {"usage", "refusals"}


def test_the_status_object_is_written_for_a_signal_too():
    done, status = box.status("--", "/bin/sh", "-c", "ulimit -c 0; kill -KILL $$")
    box.check(done, 137)
    assert "9" in str(status) or "KILL" in str(status)


# --- environment and directory ---

def test_the_environment_is_inherited_changed_and_cleaned():
    env = dict(os.environ, INHERITED="yes", CHANGED="old")
    show = ["--", "/bin/sh", "-c", "echo $INHERITED/$CHANGED/$NEW"]
    assert box.run("--env", "CHANGED=new", "--env", "NEW=a=b", *show, env=env).stdout == "yes/new/a=b\n"
    assert box.run("--clean-env", "--env", "NEW=1", *show, env=env).stdout == "//1\n"
    box.sentence(box.run("--env", "NO_EQUALS_SIGN", "--", "true"), 2, "NO_EQUALS_SIGN")


def test_the_program_starts_where_it_should(work, tmp_path):
    assert box.check(box.run("-w", work, "--", "/bin/pwd", cwd=tmp_path)).stdout.strip() == str(tmp_path)
    assert box.check(box.run("-w", work, "--cwd", work, "--", "/bin/pwd")).stdout.strip() == str(work)
    box.sentence(box.run("--cwd", work / "missing", "--", "true"), 125, "missing")


def test_a_script_in_the_current_directory_runs_with_no_grant_at_all(work):
    (work / "script.py").write_text("print(open('data.txt').read())")
    (work / "data.txt").write_text("data")
    assert box.check(box.run("--", box.PYTHON, "script.py", cwd=work)).stdout == "data\n"
    assert box.python("open('new.txt', 'w')", cwd=work).returncode == 1


def test_a_relative_program_and_arguments_with_odd_bytes_arrive(work):
    script = work / "show"
    script.write_text("#!/bin/sh\nprintf '%s|' \"$@\"\n")
    script.chmod(0o755)
    done = subprocess.run([box.SANDLOCK, "run", "-r", work, "--", b"./show", b"a b", b"", b"\xff\x1b[0m", b"--help"],
                          cwd=work, capture_output=True, timeout=30)
    assert done.stdout == b"a b||\xff\x1b[0m|--help|", done.stderr


def test_exec_shell_runs_a_command_line():
    assert box.check(box.run("-e", "echo a; echo b | tr b c")).stdout == "a\nc\n"


def test_the_host_name_is_that_of_the_sandbox():
    assert box.check(box.run("--name", "my-box", "--", "/bin/uname", "-n")).stdout == "my-box\n"


@pytest.mark.root
@pytest.mark.skipif(not box.user_namespaces(), reason="allowed: kernel: user namespaces cannot be made here")
def test_another_user_runs_the_program():
    assert box.check(box.run("--user", "12345:12346", "--", "/bin/sh", "-c", "id -u; id -g")).stdout == "12345\n12346\n"


@pytest.mark.root
def test_root_has_no_capabilities_inside_unless_they_are_kept():
    show = ["--", "/bin/grep", "-E", "Cap(Eff|Prm|Inh|Amb)", "/proc/self/status"]
    dropped = box.check(box.run(*show)).stdout
    assert {line.split()[1].strip("0") for line in dropped.splitlines()} == {""}
    kept = box.check(box.run("--keep-caps", *show)).stdout
    assert kept != dropped


def test_a_hundred_runs_leave_nothing_behind(marked):
    shm = set(os.listdir("/dev/shm"))
    tmp = {n for n in os.listdir("/tmp") if "sandlock" in n}
    for _ in range(100):
        box.check(box.run("--", "/bin/true", env=marked.env))
    assert marked.none_left()
    assert set(os.listdir("/dev/shm")) <= shm
    assert {n for n in os.listdir("/tmp") if "sandlock" in n} <= tmp | {"sandlock-helpers"}


def test_many_runs_at_once_all_end_well():
    runs = [box.start("--", "/bin/sh", "-c", f"exit {i}") for i in range(30)]
    codes = []
    for r in runs:
        r.communicate(timeout=60)
        codes.append(r.returncode)
    assert codes == list(range(30))


def test_no_signal_reaches_the_outside_by_sigio(tmp_path):
    """F_SETOWN names a process outside: whatever happens inside, no SIGIO arrives there."""
    victim = subprocess.Popen([box.PYTHON, "-c", "import signal\nsignal.signal(signal.SIGIO, lambda *a: exit(9))\n"
                               "print('ready', flush=True)\nsignal.pause()"], stdout=subprocess.PIPE, text=True)
    assert victim.stdout.readline() == "ready\n"
    code = ("import fcntl, os, socket, sys\na, b = socket.socketpair()\n"
            f"fcntl.fcntl(a, fcntl.F_SETOWN, {victim.pid})\nfcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC)\nb.send(b'x')\n")
    box.python(code)
    time.sleep(0.2)
    assert victim.poll() is None
    box.bare_python(code)
    assert victim.wait(10) == 9
    victim.stdout.close()

"""Every failure to start is one sentence: what, where, and what to write instead. Nothing hostile reaches the terminal."""
import json
import os
import re
import shutil
import subprocess

import pytest

import box

# --- words of the user's ---


def test_a_missing_path_is_named_with_its_option(tmp_path):
    for flag in ("--fs-read", "--fs-write", "--fs-exec"):
        box.sentence(box.run(flag, tmp_path / "missing", "--", "true"), 125, flag, tmp_path / "missing")


def test_a_misspelt_option_gets_a_suggestion():
    box.sentence(box.run("--fs-raed", ".", "--", "true"), 2, "--fs-raed", "--fs-read")
    box.sentence(box.run("--max-memroy", "1M", "--", "true"), 2, "--max-memory")


@pytest.mark.parametrize("words", [("-m", "lots"), ("-P", "0"), ("-P", "-1"), ("-t", "soon"), ("-c", "101"), ("-c", "0"),
                                   ("--cpu-cores", "a"), ("--net-allow-bind", "70000"), ("--user", "me"),
                                   ("--max-open-files", "0"), ("--env", "x"), ("--preset", "pyhton"),
                                   ("--extra-deny-syscall", "opne"), ("--disable", "fs-refer"), ("--disable", "x")])
def test_a_bad_value_is_named_with_its_option(words):
    done = box.run(*words, "--", "true")
    assert done.returncode in (2, 125)
    box.sentence(done, done.returncode, words[1])


def test_no_command_is_a_sentence():
    box.sentence(box.run(), 2)
    box.sentence(box.run("-r", "/usr"), 2)


def test_a_missing_value_is_a_sentence():
    box.sentence(box.run("-m"), 2, "-m")


# --- profiles ---

def profile(folder, text, mode=0o644):
    path = folder / "p.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_an_unknown_key_is_named_with_its_line_and_the_nearest(work):
    path = profile(work, "[filesystem]\nread = ['/usr']\nwirte = ['/tmp']\n")
    text = box.sentence(box.run("--profile-file", path, "--", "true"), 2, "wirte", "write")
    assert re.search(r":3\b|line 3", text)


def test_a_wrong_type_and_a_syntax_error_are_named_with_their_line(work):
    text = box.sentence(box.run("--profile-file", profile(work, "[limits]\n\nmemory = ['a']\n"), "--", "true"), 2, "memory")
    assert re.search(r":3\b|line 3", text)
    text = box.sentence(box.run("--profile-file", profile(work, "a = 1\nb = = 2\n"), "--", "true"), 2)
    assert re.search(r":2\b|line 2", text)


def test_a_profile_that_others_may_write_is_refused(work):
    path = profile(work, "[filesystem]\nread = ['/usr']\n")
    box.check(box.run("--profile-file", path, "--", "/bin/true"))
    path.chmod(0o666)
    box.sentence(box.run("--profile-file", path, "--", "/bin/true"), 125, "p.toml")


def test_a_profile_in_a_folder_that_others_may_write_is_refused(tmp_path):
    home = tmp_path / "config"
    folder = home / "sandlock" / "profiles"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text("[filesystem]\nread = ['/usr']\n")
    env = dict(os.environ, XDG_CONFIG_HOME=str(home))
    box.check(box.run("-p", "mine", "--", "/bin/true", env=env))
    folder.chmod(0o777)
    box.sentence(box.run("-p", "mine", "--", "/bin/true", env=env), 125, "sandlock/profiles")


@pytest.mark.parametrize("name", ["../../etc/x", "/etc/passwd", "..", ".", "", "a/b", "x" * 65])
def test_a_profile_name_that_is_a_path_is_refused(name):
    assert box.run("-p", name, "--", "true").returncode in (2, 125)


# --- programs that cannot be started ---

def executable(path, text, mode=0o755):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def test_a_missing_interpreter_is_named(work):
    script = executable(work / "s", "#!/opt/missing/python9\n")
    box.sentence(box.run("-r", work, "--", script), 126, "/opt/missing/python9")


def test_an_interpreter_that_is_not_granted_is_named_with_the_option(work, outside):
    shutil.copy("/bin/sh", outside / "shell")
    script = executable(work / "s", f"#!{outside}/shell\necho hello\n")
    # The program that is named is granted with its interpreter; one that it starts itself is not.
    starter = executable(work / "starter", f"#!/bin/sh\n{script}\necho $?\n")
    assert "126" in box.run("-r", work, "--", starter).stdout
    box.check(box.run("-r", work, "-r", outside, "--", starter))


def test_a_program_under_bare_says_what_is_missing(work):
    """The loader is granted with the program; what it needs besides is named with the option that grants it."""
    done = box.run("--bare", "--", "/bin/ls")
    assert done.returncode in (126, 127)
    ours = [line for line in done.stderr.splitlines() if line.startswith("sandlock")]
    assert any(".so" in line and ("-r " in line or "--fs-read" in line) for line in ours), done.stderr


def test_a_file_that_is_not_executable_is_named(work):
    box.sentence(box.run("-r", work, "--", executable(work / "s", "#!/bin/sh\n", 0o644)), 126, work / "s")


def test_a_program_of_another_machine_is_named(work):
    elf = bytearray(open("/bin/true", "rb").read())
    elf[18:20] = (0x28).to_bytes(2, "little")           # 32-bit ARM
    box.sentence(box.run("-r", work, "--", executable(work / "arm", bytes(elf))), 126, work / "arm")


def test_a_directory_and_garbage_are_named(work):
    box.sentence(box.run("-r", work, "--", work), 126, work)
    box.sentence(box.run("-r", work, "--", executable(work / "garbage", b"\x00\x01\x02")), 126, work / "garbage")


def test_a_missing_library_is_named(work):
    source = work / "l.c"
    source.write_text("int f(void) { return 0; }\n")
    library = work / "libprobe.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    source.write_text("int f(void); int main(void) { return f(); }\n")
    subprocess.run(["gcc", "-o", work / "prog", source, "-L", work, "-lprobe", f"-Wl,-rpath,{work}"], check=True)
    box.check(box.run("-r", work, "--", work / "prog"))
    library.unlink()
    done = box.run("-r", work, "--", work / "prog")
    assert done.returncode == 127 and "libprobe.so" in done.stderr


# --- the report ---

def test_a_refused_read_is_in_the_report_with_the_option_that_grants_it(outside, tmp_path):
    report = tmp_path / "report.txt"
    secret = outside / "secret.txt"
    done = box.run("--explain", f"--report={report}", "--", "/bin/cat", secret)
    assert done.returncode == 1 and done.stdout == ""
    text = report.read_text()
    assert str(secret) in text and "cat" in text and ("-r " in text or "--fs-read" in text)
    box.check(box.run("-r", outside, "--explain", f"--report={report}", "--", "/bin/cat", secret))


def test_a_refused_write_and_exec_are_in_the_report(outside, tmp_path):
    report = tmp_path / "report.txt"
    executable(outside / "tool", "#!/bin/sh\n")
    box.run("--explain", f"--report={report}", "--", "/bin/sh", "-c", f"echo x >{outside}/new; {outside}/tool")
    text = report.read_text()
    assert f"{outside}/new" in text and ("-w " in text or "--fs-write" in text)
    assert f"{outside}/tool" in text


def test_the_report_goes_to_stderr_when_no_file_is_named(outside):
    done = box.run("--explain", "--report", "--", "/bin/sh", "-c", f"echo out; cat {outside}/secret.txt")
    assert done.stdout == "out\n"
    assert f"{outside}/secret.txt" in done.stderr


def test_what_the_filter_refused_is_in_the_report_without_explain(tmp_path):
    report = tmp_path / "report.txt"
    box.python("import ctypes; ctypes.CDLL(None).syscall(165, 1, 1, 1, 0, 0)", f"--report={report}")
    assert "mount" in report.read_text()


def test_the_same_refusal_is_reported_once(outside, tmp_path):
    report = tmp_path / "report.txt"
    box.run("--explain", f"--report={report}", "--", "/bin/sh", "-c",
            f"for i in 1 2 3 4 5 6; do cat {outside}/secret.txt; done")
    lines = [line for line in report.read_text().splitlines() if str(outside) in line]
    assert 1 <= len(lines) <= 2


def test_the_report_as_json_has_the_same_content(outside, tmp_path):
    report = tmp_path / "report.json"
    box.run("--explain", f"--report={report}", "--", "/bin/cat", outside / "secret.txt")
    text = report.read_text()
    assert str(outside / "secret.txt") in json.dumps(json.loads(text))


SIGNALS = """
import ctypes, os, signal, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
info = ctypes.create_string_buffer(128)
info[8:12] = (-1).to_bytes(4, "little", signed=True)    # SI_QUEUE

def send(name, *args):
    number = {"kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
              "pidfd_send_signal": 424}[name]
    print(name, 0 if libc.syscall(number, *args) == 0 else ctypes.get_errno())

for pid in map(int, sys.argv[1:]) if len(sys.argv) > 1 else [subprocess.Popen(["sleep", "60"]).pid]:
    fd = os.pidfd_open(pid)
    send("kill", pid, 0)
    send("kill", pid, signal.SIGCONT)
    send("tkill", pid, signal.SIGCONT)
    send("tgkill", pid, pid, signal.SIGCONT)
    send("rt_sigqueueinfo", pid, signal.SIGCONT, info)
    send("rt_tgsigqueueinfo", pid, pid, signal.SIGCONT, info)
    send("pidfd_send_signal", fd, signal.SIGCONT, None, 0)
"""


@pytest.fixture
def bystander():
    """A process outside, with a hostile name."""
    code = "import ctypes, time\nctypes.CDLL(None).prctl(15, b'by\\x1b\\nx', 0, 0, 0)\nprint('ready', flush=True)\ntime.sleep(120)"
    process = subprocess.Popen([box.PYTHON, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    yield process.pid
    process.kill()
    process.wait()


x86_64_only = pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")


@x86_64_only
def test_a_refused_signal_is_in_the_report_with_the_option_that_allows_it(bystander, tmp_path):
    report = tmp_path / "report.json"
    flags = ["--explain", f"--report={report}"]
    done = box.check(box.run(*flags, "--", box.PYTHON, "-c", SIGNALS, bystander))
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["1"] * 7
    noted = [r for r in json.loads(report.read_text())["refusals"] if r["operation"] == "signal"]
    assert len(noted) == 1 and noted[0]["times"] == 7
    assert f"process {bystander} (by" in noted[0]["target"] and "\x1b" not in report.read_text()
    assert noted[0]["flag"] == "--disable signal-scope"


@x86_64_only
def test_a_signal_is_delivered_and_not_reported_where_the_scope_is_disabled(bystander, tmp_path):
    report = tmp_path / "report.json"
    flags = ["--explain", f"--report={report}", "--disable", "signal-scope"]
    done = box.check(box.run(*flags, "--", box.PYTHON, "-c", SIGNALS, bystander))
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["0"] * 7
    assert "signal-scope" not in report.read_text()


@x86_64_only
def test_signals_within_the_tree_are_delivered_and_not_reported(tmp_path):
    report = tmp_path / "report.json"
    code = SIGNALS + "os.kill(os.getpid(), 0); os.kill(0, signal.SIGCONT); signal.raise_signal(signal.SIGCONT)"
    done = box.check(box.python(code, "--explain", f"--report={report}"))
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["0"] * 7
    assert "signal-scope" not in report.read_text()


def test_a_signal_by_group_and_to_everybody_is_reported_too(bystander, tmp_path):
    report = tmp_path / "report.txt"
    code = ("import os, sys\nfor pid in -os.getpgid(int(sys.argv[1])), -1:\n try: os.kill(pid, 0)\n"
            " except OSError as e: print(e.errno)")
    done = box.check(box.run("--explain", f"--report={report}", "--", box.PYTHON, "-c", code, bystander))
    assert "1" in done.stdout.split()
    assert "every process outside" in report.read_text()


def test_without_explain_a_failing_program_gets_a_hint(outside):
    done = box.run("--", "/bin/cat", outside / "secret.txt")
    assert done.returncode == 1
    assert "--explain" in done.stderr


def test_a_program_that_succeeds_gets_no_chatter():
    assert box.check(box.run("--", "/bin/echo", "hello")).stderr == ""


def test_hostile_names_do_not_reach_the_terminal(outside, tmp_path):
    """The escape byte in a file name, a program name and a path that was refused."""
    name = os.fsencode(outside) + b"/\x1b[31mred\x07\nfake: line\r\xff"
    with open(name, "w") as f:
        f.write("x")
    report = tmp_path / "report.txt"
    done = subprocess.run([box.SANDLOCK, "run", "--explain", "--report", "--", "/usr/bin/head", "-c0", "--", name],
                          capture_output=True, timeout=30)
    ours = b"\n".join(line for line in done.stderr.split(b"\n") if not line.startswith((b"head:", b"/usr/bin/head:")))
    assert b"\x1b[31mred" not in ours
    subprocess.run([box.SANDLOCK, "run", "--explain", f"--report={report}", "--", "/usr/bin/head", "-c0", "--", name],
                   capture_output=True, timeout=30)
    written = report.read_bytes()
    assert b"\x1b" not in written and b"\x07" not in written and b"\r" not in written
    assert b"\nfake: line" not in written


def test_a_hostile_process_name_does_not_reach_the_report(outside, tmp_path):
    report = tmp_path / "report.txt"
    code = (f"import ctypes\nctypes.CDLL(None).prctl(15, b'\\x1b[31m\\nx', 0, 0, 0)\n"
            f"open({str(outside / 'secret.txt')!r})")
    box.python(code, "--explain", f"--report={report}")
    text = report.read_bytes()
    assert str(outside).encode() in text and b"\x1b" not in text


def test_hostile_words_of_the_user_are_escaped_too():
    done = box.run("--\x1b[31m", "--", "true")
    assert done.returncode == 2 and "\x1b" not in done.stderr
    done = box.run("-r", "/nowhere\x1b[31m", "--", "true")
    assert done.returncode == 125 and "\x1b" not in done.stderr


# --- why, check, print ---

def test_why_answers_from_the_policy(work, outside):
    allowed = box.sandlock("why", "--read", work / "x", "-r", work)
    assert allowed.returncode == 0 and str(work) in allowed.stdout
    refused = box.sandlock("why", "--read", outside / "secret.txt", "-r", work)
    assert refused.returncode == 1 and ("-r " in refused.stdout or "--fs-read" in refused.stdout)
    refused = box.sandlock("why", "--write", work / "x", "-r", work)
    assert refused.returncode == 1 and ("-w " in refused.stdout or "--fs-write" in refused.stdout)


def test_why_agrees_with_what_happens(work, outside):
    (work / "file").write_text("x")
    for target in (work / "file", outside / "secret.txt", "/usr/bin/env", "/etc/shadow", "/etc/passwd"):
        said = box.sandlock("why", "--read", target, "-r", work).returncode
        happened = box.run("-r", work, "--", "/usr/bin/head", "-c1", target).returncode
        if said == 1:
            assert happened == 1, target
        elif os.access(target, os.R_OK) and not box.IS_ROOT:
            assert happened == 0, target


def test_why_answers_for_ports():
    assert box.sandlock("why", "--connect", ":443", "--net-allow", ":443").returncode == 0
    refused = box.sandlock("why", "--connect", ":443")
    assert refused.returncode == 1 and "net-allow" in refused.stdout


def test_check_says_what_the_kernel_can_do():
    done = box.check(box.sandlock("check"))
    assert "Landlock" in done.stdout or "landlock" in done.stdout
    assert json.loads(box.check(box.sandlock("check", "--json")).stdout)


def test_the_printed_policy_gives_the_same_policy(work):
    flags = ["-r", "/usr", "-w", str(work), "-m", "256M", "-P", "16", "--env", "A=b", "-t", "10"]
    first = box.check(box.run("--print-policy", *flags, "--", "/bin/true")).stdout
    path = profile(work, first)
    second = box.check(box.run("--print-policy", "--profile-file", path, "--", "/bin/true")).stdout

    def words(text):
        return {line for line in text.splitlines() if line and not line.startswith("#")}
    assert words(first) <= words(second) or words(first) == words(second)


# --- contradictions ---

def test_limits_without_a_supervisor_are_refused_by_name():
    text = box.sentence(box.run("--no-supervisor", "-P", "4", "--max-threads", "9", "--", "true"), 125, "processes")
    assert "max-threads" in text


def test_the_reaper_keeps_time_and_memory_without_a_supervisor():
    eat = "x = bytearray(200 << 20)"
    assert box.run("--no-supervisor", "-t", "5", "-m", "1G", "--", box.PYTHON, "-c", eat).returncode == 0
    done = box.run("--no-supervisor", "-m", "50M", "--", box.PYTHON, "-c", eat)
    assert done.returncode == 137 and "--max-memory 50M" in done.stderr
    assert box.run("--no-supervisor", "-t", "1", "--", "sleep", "9").returncode == 124


def test_a_network_rule_whose_name_does_not_resolve_stops_the_start():
    done = box.run("--net-allow", "no-such-host.invalid:443", "--", "true")
    box.sentence(done, 125, "no-such-host.invalid", "--net-allow")


def test_a_grant_through_a_symbolic_link_shows_its_target(work, outside):
    link = work / "link"
    link.symlink_to(outside)
    done = box.run("--print-policy", "-w", link, "--", "/bin/true")
    assert str(outside) in done.stdout + done.stderr


def test_a_control_message_that_reroutes_is_refused_and_named():
    code = ('import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
            's.sendmsg([b"x"], [(0, 7, b"\\x07\\x04\\x04\\x00")], 0, ("127.0.0.1", 9))')
    done = box.python(code, "--explain", "--net-allow", "udp://127.0.0.1:9")
    assert done.returncode == 1 and "PermissionError" in done.stderr and "IP_RETOPTS" in done.stderr.splitlines()[-1]


# --- what to write instead ---

@pytest.mark.parametrize("words, instead", [
    (("--write", "."), "--fs-write"), (("--memory", "1M"), "--max-memory"),
    (("--preset", "pyhton"), "'python'"), (("--preset", "pypi"), "--net-preset pypi"),
    (("--net-preset", "pipy"), "'pypi'"), (("--net-preset", "python"), "--preset python"),
    (("--extra-deny-syscall", "opne"), "'open'"), (("--extra-allow-syscall", "ptrace"), "sysv_ipc"), (("-w",), "--fs-write PATH"),
])
def test_a_wrong_word_is_a_wrong_command_line_and_says_what_to_write(words, instead):
    tail = () if len(words) == 1 else ("--", "true")
    box.sentence(box.run(*words, *tail), 2, instead)


def test_a_preset_that_is_taken_for_a_profile_is_told(tmp_path):
    env = dict(os.environ, XDG_CONFIG_HOME=str(tmp_path))
    box.sentence(box.run("-p", "python", "--", "true", env=env), 125, "--preset python")
    box.sentence(box.run("-p", "npm", "--", "true", env=env), 125, "--net-preset npm")
    box.sentence(box.run("-p", "none", "--", "true", env=env), 125, "sandlock profile list")


def test_folders_and_cores_are_told_with_their_option(tmp_path):
    box.sentence(box.run("--cwd", tmp_path / "none", "--", "true"), 125, "--cwd")
    box.sentence(box.run("--cpu-cores", "1023", "--", "true"), 125, "--cpu-cores")


@pytest.mark.parametrize("words", [("profile", "show", "none"), ("profile", "delete", "none"), ("selftest", "none")])
def test_a_name_that_is_nothing_is_said_so(words, tmp_path):
    done = subprocess.run([box.SANDLOCK, *words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, XDG_CONFIG_HOME=str(tmp_path)))
    assert not done.stdout
    box.sentence(done, 2 if words[0] == "selftest" else 125, "there is no", "'none'")


@pytest.mark.parametrize("text", ["[syscalls]\nextra_deny = ['opne']\n", "[program]\nuid = 1000\n",
                                  "no_supervisor = true\n[limits]\nprocesses = 4\n"])
def test_lint_counts_contradictions_as_mistakes(work, text):
    path = profile(work, text)
    done = subprocess.run([box.SANDLOCK, "profile", "lint", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done


def test_every_key_of_the_manual_is_a_key_of_profiles(work):
    """program.user was none; the values are of the types that the manual names."""
    box.check(box.run("--profile-file", profile(work, f"[program]\nuser = '{os.getuid()}:{os.getgid()}'\n"), "--", "true"))
    manual = subprocess.run([box.SANDLOCK, "docs", "toml"], capture_output=True, text=True, timeout=60).stdout
    values = {"boolean": "false", "integer": "1", "string": "'1'", "table of strings": "{}"}
    keys = re.findall(r"^\\fB(\S+)\\fR \(([a-z ]+)", manual, re.M)
    assert len(keys) > 40
    for key, kind in keys:
        value = values.get(kind.split(" or ")[0], "[]")
        section, _, last = key.replace("\\-", "-").rpartition(".")
        path = profile(work, (f"[{section}]\n" if section else "") + f"{last} = {value}\n")
        done = subprocess.run([box.SANDLOCK, "profile", "lint", path], capture_output=True, text=True, timeout=60)
        assert "there is no key" not in done.stderr and "must be" not in done.stderr, (key, done.stderr)


def test_the_shell_completes_what_profile_show_prints():
    script = subprocess.run([box.SANDLOCK, "completion", "bash"], capture_output=True, text=True, timeout=60).stdout
    script += "\nCOMP_WORDS=(sandlock profile show py); COMP_CWORD=3; _sandlock sandlock py show; echo ${COMPREPLY[*]}\n"
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, timeout=60)
    assert {"python", "pypi"} <= set(done.stdout.split()), done

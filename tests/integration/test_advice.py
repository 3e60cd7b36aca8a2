"""What the report says to add is added word by word, and then the program works."""
import json
import os
import shlex
import subprocess

import box


def refusals(work, words, **kw):
    """The refusals of a run that fails; a new list each time."""
    path = work / "report.json"
    done = box.run("--explain", f"--report={path}", *words, **kw)
    assert done.returncode not in (0, 2, 125), (done.returncode, done.stderr)
    return json.loads(path.read_text())["refusals"]


def follow(work, flags, program, rounds=3, **kw):
    """Runs, adds what is advised, and runs again; returns the options with which the program works."""
    flags = list(flags)
    for _ in range(rounds):
        if box.run(*flags, "--", *program, **kw).returncode == 0:
            return flags
        for one in refusals(work, [*flags, "--", *program], **kw):
            made = one["rule"].partition(": mkdir -p ")[2] or one["rule"].partition(": touch ")[2]
            for path in shlex.split(made):
                make = ["touch", path] if ": touch " in one["rule"] else ["mkdir", "-p", path]
                subprocess.run(make, check=True)
            flags += shlex.split(one["flag"])
    box.check(box.run(*flags, "--", *program, **kw))
    return flags


def home_of(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    return home, dict(os.environ, HOME=str(home))


def test_what_is_made_in_the_home_directory_is_granted_alone(work, tmp_path):
    home, env = home_of(tmp_path)
    code = f"""
import os
os.makedirs({str(home / '.tool')!r}, exist_ok=True)
open({str(home / '.tool/x')!r}, 'w').close()
open({str(home / '.toolrc')!r}, 'a').close()
"""
    flags = follow(work, [], [box.PYTHON, "-c", code], env=env)
    assert str(home) not in flags and {str(home / ".tool"), str(home / ".toolrc")} < set(flags)


def test_what_is_removed_in_the_home_directory_says_what_a_grant_opens(work, tmp_path):
    home, env = home_of(tmp_path)
    (home / "old").touch()
    (one,) = refusals(work, ["--", "rm", "-f", home / "old"], env=env)
    assert one["flag"].endswith(f"-w {home}") and one["rule"].endswith(f"opens the whole of {home}")


def test_the_caches_of_a_preset_are_named_where_they_are_missing(work, tmp_path):
    home, env = home_of(tmp_path)
    code = f"""
import os
os.makedirs({str(home / '.npm/_cacache')!r}, exist_ok=True)
open({str(home / '.npm/_cacache/x')!r}, 'w').close()
"""
    program = [box.PYTHON, "-c", code]
    follow(work, ["--preset", "node"], program, rounds=2, env=env)
    box.check(box.run("--preset", "node", "--", *program, env=env))     # the preset alone has them from now on


def test_a_preset_that_grants_what_is_refused_is_named(work, tmp_path):
    home, env = home_of(tmp_path)
    (home / ".gitconfig").touch()
    (one,) = refusals(work, ["-r", "/usr", "--", "cat", home / ".gitconfig"], env=env)
    assert one["rule"] == "no grant covers it; preset build grants it" and one["flag"] == f"-r {home}/.gitconfig"
    box.check(box.run("--preset", "build", "--", "cat", home / ".gitconfig", env=env))


def test_a_server_that_reaches_itself_on_a_chosen_port_gets_all_of_those(work):
    code = """
import socket
s = socket.create_server(('127.0.0.1', 0))
socket.create_connection(s.getsockname()).close()
"""
    flags = follow(work, [], [box.PYTHON, "-c", code])
    assert flags == ["--net-allow-bind", "0", "--net-allow", "tcp://127.0.0.1:32768-60999"]


def test_a_fixed_port_is_advised_as_it_is(work):
    code = "import socket; socket.create_connection(('127.0.0.1', 40001))"
    (one,) = refusals(work, ["--", box.PYTHON, "-c", code])
    assert one["flag"] == "--net-allow tcp://127.0.0.1:40001"


def test_a_unix_socket_as_go_and_node_make_it_is_named_by_explain_alone(work):
    code = "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)"
    (one,) = refusals(work, ["--", box.PYTHON, "-c", code])
    assert one["flag"] == "--unix-allow PATH" and "name cache" in one["rule"]
    done = box.run("--report", "--", box.PYTHON, "-c", code)
    assert done.returncode == 1 and "nothing was refused" in done.stderr


def test_a_package_manager_that_looks_a_name_up_is_advised_its_network_preset(work):
    script = work / "pip"
    script.write_text(f"#!{box.PYTHON}\nimport socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n")
    script.chmod(0o755)
    assert refusals(work, ["--", script])[-1]["flag"] == "--net-preset pypi, or --net-allow NAME:PORT"
    script.rename(work / "pap")
    assert refusals(work, ["--", work / "pap"])[-1]["flag"] == "--net-allow NAME:PORT"


def test_after_a_timeout_the_refusal_that_was_waited_for_is_named():
    code = "import socket, time\ntry: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nexcept OSError: time.sleep(60)"
    done = box.run("-t", "2", "--", box.PYTHON, "-c", code)
    assert done.returncode == 124
    assert "timeout after 2s" in done.stderr and "--net-allow NAME:PORT" in done.stderr
    assert "NAME:PORT" not in box.run("-q", "-t", "2", "--", box.PYTHON, "-c", code).stderr


def test_a_folder_to_write_that_is_missing_says_how_it_is_made(work):
    missing = work / "some where"
    text = box.sentence(box.run("-w", missing, "--", "true"), 125, "mkdir -p", f"'{missing}'")
    subprocess.run(text.partition("first: ")[2], shell=True, check=True)
    box.check(box.run("-w", missing, "--", "true"))


def test_a_tilde_that_no_shell_replaced_is_told():
    box.sentence(box.run("--fs-read", "~/data", "--", "true"), 125, "~/data", "$HOME")


def test_what_is_added_keeps_the_current_directory_that_was_granted_while_no_path_was(work, tmp_path):
    data = tmp_path / "data"
    data.touch()
    (work / "other.py").write_text(f"open({str(data)!r})\n")
    (work / "job.py").write_text("import other\n")
    flags = follow(work, [], [box.PYTHON, "job.py"], rounds=1, cwd=work)
    assert flags == ["-r", str(work), "-r", str(data)]


def test_a_new_terminal_is_granted_by_its_folder(work):
    code = """
import os, pty
pid, fd = pty.fork()
if pid == 0:
    os.write(1, b'inside')
    os._exit(0)
assert os.read(fd, 100) == b'inside'
os.waitpid(pid, 0)
"""
    flags = follow(work, [], [box.PYTHON, "-c", code], rounds=2)
    assert "/dev/ptmx" in flags and "/dev/pts" in flags

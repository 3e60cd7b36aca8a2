"""Real programs do real work under the default policy and under a tight one."""
import os
import shutil
import subprocess
import tempfile

import pytest

import box

TIGHT = ["-P", "64", "-m", "1G", "--max-open-files", "512", "-t", "120", "--no-coredump"]
POLICIES = [pytest.param([], id="default"), pytest.param(TIGHT, id="tight")]


def needs(*programs):
    for name in programs:
        if not shutil.which(name):
            pytest.skip(f"allowed: program: {name} is not installed")


@pytest.mark.parametrize("policy", POLICIES)
class TestPython:
    def test_threads(self, policy):
        code = ("import threading\nr = []\nts = [threading.Thread(target=lambda i=i: r.append(sum(range(i * 1000))))"
                " for i in range(40)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nprint(len(r))")
        assert box.check(box.python(code, *policy)).stdout == "40\n"

    def test_subprocesses(self, policy):
        code = ("import subprocess\nprint(subprocess.run(['tr', 'a-z', 'A-Z'], input='abc', text=True, capture_output=True).stdout)\n"
                "print(subprocess.check_output('seq 5 | wc -l', shell=True, text=True).strip())")
        assert box.check(box.python(code, *policy)).stdout == "ABC\n5\n"

    def test_multiprocessing_by_fork_and_by_spawn(self, policy, work):
        script = work / "m.py"
        script.write_text("import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n"
                          " for how in ('fork', 'spawn'):\n  with m.get_context(how).Pool(3) as p:\n"
                          "   print(p.map(f, range(5)))\n")
        done = box.run("-w", work, "-w", "/dev/shm", *policy, "--", box.PYTHON, script)
        assert box.check(done).stdout == "[0, 1, 4, 9, 16]\n" * 2

    def test_many_imports_and_a_virtual_environment(self, policy, work):
        subprocess.run([box.PYTHON, "-m", "venv", "--without-pip", work / "venv"], check=True)
        code = "import sys, ssl, sqlite3, asyncio, decimal, json, ctypes, xml.dom.minidom, http.client; print(sys.prefix)"
        done = box.run(*policy, "--", work / "venv/bin/python", "-c", code)
        assert box.check(done).stdout.strip() == str(work / "venv")

    def test_asyncio(self, policy):
        code = ("import asyncio\nasync def main():\n p = await asyncio.create_subprocess_exec('echo', 'hi', stdout=-1)\n"
                " print((await p.communicate())[0].decode(), end='')\nasyncio.run(main())")
        assert box.check(box.python(code, *policy)).stdout == "hi\n"

    def test_temporary_files_in_a_granted_folder(self, policy, work):
        code = "import tempfile, os\nwith tempfile.NamedTemporaryFile() as f:\n f.write(b'x'); f.flush(); print(os.path.getsize(f.name))"
        done = box.python(code, "-w", work, "--env", f"TMPDIR={work}", *policy)
        assert box.check(done).stdout == "1\n"


C_PROJECT = {
    "main.c": '#include <stdio.h>\n#include "add.h"\nint main(void) { printf("%d\\n", add(2, 3)); return 0; }\n',
    "add.c": '#include "add.h"\nint add(int a, int b) { return a + b; }\n',
    "add.h": "int add(int a, int b);\n",
    "Makefile": "prog: main.o add.o\n\t$(CC) -o $@ $^\n%.o: %.c add.h\n\t$(CC) -O1 -c -o $@ $<\n"
                "test: prog\n\t./prog > out.txt\n\tgrep -qx 5 out.txt\nclean:\n\trm -f *.o prog out.txt\n",
}


def c_project(work):
    for name, text in C_PROJECT.items():
        (work / name).write_text(text)


@pytest.mark.parametrize("policy", POLICIES)
def test_gcc_and_make_build_and_test_a_project(policy, work):
    c_project(work)
    env = ["--env", f"TMPDIR={work}"]
    box.check(box.run("-w", work, *env, *policy, "--", "make", "-j2", "test", cwd=work))
    assert (work / "out.txt").read_text() == "5\n"
    box.check(box.run("-w", work, *env, *policy, "--", "make", "clean", cwd=work))
    assert not (work / "prog").exists()


def test_gcc_writes_nothing_where_it_may_only_read(work):
    c_project(work)
    done = box.run("-r", work, "--", "gcc", "-c", "-o", work / "add.o", work / "add.c", cwd=work)
    assert done.returncode != 0 and not (work / "add.o").exists()
    subprocess.run(["gcc", "-c", "-o", work / "add.o", work / "add.c"], check=True)


@pytest.mark.parametrize("policy", POLICIES)
def test_git_makes_commits_and_clones(policy, work):
    needs("git")
    script = ("set -e; git init -q a; cd a; echo one >f; git add f; git commit -qm first; git mv f g; git commit -qam second; "
              "git branch side; git checkout -q side; echo two >>g; git commit -qam third; cd ..; git clone -q a b; cd b; "
              "git log --oneline | wc -l; git gc -q; git fsck; git status --short; git diff HEAD~1 --stat | tail -1")
    env = {"HOME": str(work), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
           "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}
    flags = [word for k, v in env.items() for word in ("--env", f"{k}={v}")]
    done = box.run("-w", work, *flags, *policy, "--", "/bin/sh", "-c", script, cwd=work)
    assert box.check(done).stdout.split()[0] == "3"


@pytest.mark.parametrize("policy", POLICIES)
def test_node(policy, work):
    needs("node")
    code = ("const fs = require('fs'), cp = require('child_process'), { Worker } = require('worker_threads');"
            f"fs.writeFileSync('{work}/n', 'x'.repeat(1000));"
            "console.log(fs.statSync('" + str(work) + "/n').size, cp.execSync('echo hi').toString().trim());"
            "new Worker('require(\"worker_threads\").parentPort.postMessage(42)', { eval: true })"
            ".on('message', m => console.log(m));")
    done = box.run("-w", work, *policy, "--", shutil.which("node"), "-e", code)
    assert box.check(done).stdout == "1000 hi\n42\n"


REDIS = """set -e
redis-server {listen} --save '' --daemonize no --dir {work} --logfile {work}/log >/dev/null 2>&1 &
for i in $(seq 100); do redis-cli {connect} ping >/dev/null 2>&1 && break; sleep 0.1; done
redis-cli {connect} set key value
redis-cli {connect} get key
redis-cli {connect} lpush list a b c
redis-benchmark {connect} -n 2000 -c 10 -q -t set,get >/dev/null
redis-cli {connect} bgsave >/dev/null
redis-cli {connect} shutdown nosave || true
wait
"""


@pytest.mark.parametrize("policy", POLICIES)
def test_redis_over_a_unix_socket(policy, work):
    needs("redis-server", "redis-cli", "redis-benchmark")
    script = REDIS.format(work=work, listen=f"--port 0 --unixsocket {work}/s", connect=f"-s {work}/s")
    done = box.run("-w", work, *policy, "--", "/bin/bash", "-c", script, cwd=work)
    assert box.check(done).stdout == "OK\nvalue\n3\n"


@pytest.mark.parametrize("policy", POLICIES)
def test_redis_over_the_granted_port(policy, work):
    needs("redis-server", "redis-cli", "redis-benchmark")
    import socket
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    script = REDIS.format(work=work, listen=f"--port {port} --bind 127.0.0.1", connect=f"-p {port}")
    grant = ["--net-allow-bind", port, "--net-allow", f"tcp://:{port}"]
    assert box.check(box.run("-w", work, *grant, *policy, "--", "/bin/bash", "-c", script, cwd=work)).stdout == "OK\nvalue\n3\n"
    refused = box.run("-w", work, *policy, "-t", "30", "--", "redis-server", "--port", port, "--bind", "127.0.0.1",
                      "--save", "", cwd=work)
    assert refused.returncode not in (0, 124)


@pytest.mark.parametrize("policy", POLICIES)
def test_bash_pipelines_and_substitutions(policy, work):
    script = ("set -e -o pipefail; shopt -s lastpipe; seq 1000 | sort -rn | head -3 | tail -1 || true; "
              "diff <(echo a) <(echo a) && echo same; cat <<<here; n=$(echo 5 | tr 5 6); echo $n; "
              "(exit 3) || echo $?; coproc cat; echo x >&${COPROC[1]}; read y <&${COPROC[0]}; echo $y")
    out = box.check(box.run("-w", work, *policy, "--", "/bin/bash", "-c", script, cwd=work)).stdout
    assert out.endswith("same\nhere\n6\n3\nx\n")


@pytest.mark.parametrize("policy", POLICIES)
def test_tar_keeps_modes_times_and_links(policy, work):
    source = work / "source"
    source.mkdir()
    (source / "f").write_text("x")
    (source / "f").chmod(0o640)
    os.utime(source / "f", (10**9, 10**9))
    (source / "l").symlink_to("f")
    os.link(source / "f", source / "h")
    script = "tar czf a.tgz source && mkdir out && tar xzf a.tgz -C out && tar df a.tgz"
    box.check(box.run("-w", work, *policy, "--", "/bin/sh", "-c", script, cwd=work))
    st = (work / "out/source/f").stat()
    assert (st.st_mode & 0o777, st.st_mtime, st.st_nlink) == (0o640, 10**9, 2)


@pytest.mark.parametrize("policy", POLICIES)
def test_sqlite(policy, work):
    needs("sqlite3")
    sql = ("pragma journal_mode=wal; create table t(a); with recursive c(x) as (select 1 union all select x+1 from c limit 5000) "
           "insert into t select x from c; select sum(a) from t;")
    done = box.run("-w", work, *policy, "--", "sqlite3", work / "db", sql)
    assert box.check(done).stdout.split() == ["wal", "12502500"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_go_program(policy, work, tmp_path):
    go = shutil.which("go")
    if not go:
        pytest.skip("allowed: program: go is not installed")
    (tmp_path / "main.go").write_text(
        'package main\nimport ("fmt"; "os"; "os/exec"; "sync")\nfunc main() {\n var w sync.WaitGroup; n := make(chan int, 100)\n'
        ' for i := 0; i < 100; i++ { w.Add(1); go func(i int) { defer w.Done(); n <- i }(i) }\n w.Wait(); close(n)\n'
        ' s := 0; for i := range n { s += i }\n out, err := exec.Command("/bin/echo", "hi").Output()\n'
        ' if err != nil { panic(err) }\n fmt.Print(s, " ", string(out))\n if err := os.WriteFile(os.Args[1], out, 0600); err != nil { panic(err) }\n}\n')
    env = dict(os.environ, GOCACHE=str(tmp_path / "cache"), GOPATH=str(tmp_path / "path"), HOME=str(tmp_path),
               CGO_ENABLED="0", GO111MODULE="off")
    subprocess.run([go, "build", "-o", work / "prog", tmp_path / "main.go"], check=True, env=env, cwd=tmp_path)
    done = box.run("-w", work, *policy, "--", work / "prog", work / "out")
    assert box.check(done).stdout == "4950 hi\n"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_static_musl_program(policy, work):
    needs("musl-gcc")
    source = work / "m.c"
    source.write_text('#include <stdio.h>\n#include <stdlib.h>\n#include <sys/wait.h>\n#include <unistd.h>\n'
                      'int main(void) { if (fork() == 0) _exit(0); wait(NULL); puts("musl"); return system("exit 0"); }\n')
    subprocess.run(["musl-gcc", "-static", "-o", work / "m", source], check=True)
    assert box.check(box.run("-w", work, *policy, "--", work / "m")).stdout == "musl\n"
    assert box.check(box.run("--bare", "-r", "/usr", "-r", "/bin", "--", work / "m")).stdout == "musl\n"


def test_a_static_program_needs_no_grant_but_its_name(work):
    needs("musl-gcc")
    source = work / "m.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("alone"); return 0; }\n')
    subprocess.run(["musl-gcc", "-static", "-o", work / "m", source], check=True)
    assert box.check(box.run("--bare", "--", work / "m")).stdout == "alone\n"


@pytest.mark.parametrize("preset", ["python", "node", "build", "agent"])
def test_every_preset_starts_a_program(preset):
    box.check(box.run("--preset", preset, "--", "/bin/sh", "-c", "echo fine >/dev/null"))


def test_pip_installs_a_project_under_its_preset(work):
    if subprocess.run([box.PYTHON, "-c", "import setuptools, wheel, pip"], capture_output=True).returncode:
        pytest.skip("allowed: program: pip, setuptools or wheel is not installed")
    (work / "setup.py").write_text("from setuptools import setup\nsetup(name='one', version='1', py_modules=['one'])\n")
    (work / "one.py").write_text("print('works')\n")
    done = box.run("--preset", "python", "-w", work, "--clean-env", "--env", "PIP_CONFIG_FILE=/dev/null", "--", box.PYTHON, "-m",
                   "pip", "install", "--no-index", "--no-deps", "--no-build-isolation", "--target", work / "out", ".",
                   cwd=work, timeout=120)
    box.check(done)
    assert box.check(box.run("-r", work, "--", box.PYTHON, work / "out/one.py")).stdout == "works\n"


@pytest.fixture
def home():
    """Not below /tmp, which the preset build grants."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sandlock-home.") as folder:
        yield folder


@pytest.mark.parametrize("place", [".gitconfig", ".config/git/config"])
def test_git_works_beside_the_users_settings(work, home, place):
    needs("git")
    os.makedirs(home + "/.config/git")
    for name, text in ((place, "[user]\n\tname = Somebody\n"), (".config/git/credentials", "secret\n")):
        with open(os.path.join(home, name), "w") as out:
            out.write(text)
    settings = {name: value for name, value in os.environ.items() if name != "XDG_CONFIG_HOME"}
    done = box.run("--preset", "build", "-w", work, "--", "sh", "-c", "git init -q . && git config user.name;"
                   "! cat $HOME/.config/git/credentials", cwd=work, env={**settings, "HOME": home})
    assert done.stdout == "Somebody\n" and "unable to access" not in done.stderr, done


def test_wget_and_file_find_what_they_cannot_do_without():
    needs("wget", "file")
    assert "Exiting" not in box.run("--", "wget", "-t", "1", "http://127.0.0.1:1/").stderr
    done = box.check(box.run("--", "file", "/usr/bin/env"))
    assert "cannot read" not in done.stdout + done.stderr


def test_java_runs_a_program(work):
    needs("javac")
    (work / "T.java").write_text("public class T { public static void main(String[] a) throws Exception {\n"
                                 "System.out.println(javax.net.ssl.SSLContext.getDefault() != null); } }\n")
    assert box.check(box.run("--preset", "build", "-w", work, "--", "java", work / "T.java", timeout=120)).stdout == "true\n"


def test_programs_work_without_a_supervisor(work):
    c_project(work)
    box.check(box.run("--no-supervisor", "-w", work, "--env", f"TMPDIR={work}", "--", "make", "test", cwd=work))
    box.check(box.run("--no-supervisor", "--", box.PYTHON, "-c", "import ssl, subprocess; subprocess.run(['true'])"))


def test_clean_environment_still_runs_programs():
    box.check(box.run("--clean-env", "--", "python3", "-c", "import ssl"))

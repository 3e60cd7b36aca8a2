"""The public header and library from C99 and C++, and the three examples."""
import os
import shutil
import socket
import subprocess

import pytest

import box

INCLUDE = os.path.join(box.ROOT, "include")
LIBRARY = os.path.join(box.BUILD, "src")
C99 = ["gcc", "-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-D_POSIX_C_SOURCE=200809L"]
EXAMPLES = ["run_python", "capture", "many"]


def build(source, out, *compiler):
    subprocess.run([*compiler, f"-I{INCLUDE}", source, "-o", out, f"-L{LIBRARY}", f"-Wl,-rpath,{LIBRARY}", "-lsandlock",
                    "-pthread"], check=True)
    return out


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    return {name: build(os.path.join(box.ROOT, "examples", name + ".c"), folder / name, *C99) for name in EXAMPLES}


def run(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("compiler", [["gcc", "-std=c99"], ["gcc", "-std=c17"], ["g++", "-x", "c++", "-std=c++98"],
                                      ["g++", "-x", "c++", "-std=c++20"], ["clang", "-std=c99"]], ids=" ".join)
def test_the_header_alone_compiles(compiler, tmp_path):
    program = next((p for p in (compiler[0], compiler[0] + "-14") if shutil.which(p)), None)
    if not program:
        pytest.skip(f"allowed: program: {compiler[0]} is not installed")
    source = tmp_path / "alone.c"
    source.write_text("#include <sandlock/sandlock.h>\nint main(void);\nint main(void) { return 0; }\n")
    extra = ["-Wno-long-long"] if "c++98" in compiler[-1] else []
    subprocess.run([program, *compiler[1:], "-pedantic-errors", "-Wall", "-Wextra", "-Werror", *extra, f"-I{INCLUDE}", "-c", source, "-o",
                    tmp_path / "alone.o"], check=True)


def test_a_cpp_program_links_and_runs(tmp_path):
    source = tmp_path / "p.cc"
    source.write_text('#include <sandlock/sandlock.h>\n#include <cstdio>\nint main() {\n'
                      ' sandlock_policy *p = sandlock_policy_new(); sandlock_error *e = nullptr;\n'
                      ' if (sandlock_policy_set(p, "no.such.key", "1", &e) != -2) return 1;\n'
                      ' std::puts(sandlock_error_message(e)); sandlock_error_free(e); sandlock_policy_free(p);\n'
                      ' struct sandlock_spawn_args args = SANDLOCK_SPAWN_ARGS; return args.size == sizeof args ? 0 : 2; }\n')
    assert "no.such.key" in box.check(run(build(source, tmp_path / "p", "g++", "-std=c++17", "-Wall", "-Werror"))).stdout


def test_the_python_example_shows_output_and_the_end(examples):
    done = box.check(run(examples["run_python"], "print(6 * 7)"))
    assert done.stdout.startswith("42\n") and "exit status 0" in done.stdout


def test_the_python_example_refuses_and_times_out(examples, outside):
    done = box.check(run(examples["run_python"], f"print(open('{outside}/secret.txt').read())"))
    assert "the secret" not in done.stdout and "exit status 1" in done.stdout
    done = box.check(run(examples["run_python"], "import time; time.sleep(100)"))
    assert "exit status 124" in done.stdout


def test_the_capture_example_keeps_both_streams_and_names_refusals(examples, outside):
    script = f"read line; echo \"got $line\"; echo oops >&2; cat {outside}/secret.txt; exit 3"
    done = box.check(run(examples["capture"], "/bin/sh", "-c", script), 3)
    assert "got a line for the program" in done.stdout and "oops" in done.stdout
    assert f"{outside}/secret.txt" in done.stdout and "granted by" in done.stdout


def test_the_example_with_many_sandboxes(examples):
    assert box.check(run(examples["many"])).stdout == "20 of 20 runs as expected\n"


def test_the_library_exports_nothing_but_its_own():
    listing = subprocess.run(["nm", "-D", "--defined-only", os.path.join(LIBRARY, "libsandlock.so")], check=True,
                             capture_output=True, text=True).stdout
    names = {line.split()[-1].split("@")[0] for line in listing.splitlines()}
    assert names and all(name.startswith("sandlock_") for name in names - {"LIBSANDLOCK_0"}), names


def test_every_function_of_the_header_is_exported():
    import re
    with open(os.path.join(INCLUDE, "sandlock/sandlock.h")) as f:
        declared = set(re.findall(r"SANDLOCK_API[^;(]*?\b(sandlock_\w+)\(", f.read()))
    listing = subprocess.run(["nm", "-D", "--defined-only", os.path.join(LIBRARY, "libsandlock.so")], check=True,
                             capture_output=True, text=True).stdout
    assert declared - set(re.findall(r"\b(sandlock_\w+)", listing)) == set()


def test_a_host_with_a_sigchld_handler_hears_nothing(tmp_path):
    source = tmp_path / "quiet.c"
    source.write_text("""
#include <sandlock/sandlock.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
static volatile sig_atomic_t heard;
static void hear(int sig) { (void)sig; heard++; }
int main(void)
{
	static const char *const argv[] = { "/bin/true", NULL };
	sandlock_policy *p = sandlock_policy_new();
	struct sandlock_spawn_args args = SANDLOCK_SPAWN_ARGS;
	sandlock_sandbox *box = NULL;
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = hear;
	sigaction(SIGCHLD, &action, NULL);
	sandlock_policy_set(p, "extends", "base", NULL);
	sandlock_policy_freeze(p, NULL);
	args.argv = argv;
	if (sandlock_spawn(p, &args, &box, NULL) < 0)
		return 1;
	if (waitpid(-1, NULL, WNOHANG) > 0)
		return 2;
	sandlock_wait(box, -1, NULL);
	printf("%d %d\\n", (int)heard, sandlock_exit_status(box));
	sandlock_free(box);
	sandlock_policy_free(p);
	return 0;
}
""")
    assert box.check(run(build(source, tmp_path / "quiet", *C99))).stdout == "0 0\n"


PORTS = r"""
#include <sandlock/sandlock.h>
#include <stdio.h>
#include <stdlib.h>
static void show(const struct sandlock_port *port, void *arg)
{
	printf("%s %s %s %u %u\n", (const char *)arg, port->protocol, port->address, port->virtual_port,
	       port->virtual_port == port->real_port);
}
int main(int argc, char **argv)
{
	const char *words[] = { "/usr/bin/python3", "-c", argv[1], NULL };
	struct sandlock_spawn_args args = SANDLOCK_SPAWN_ARGS;
	sandlock_policy *p = sandlock_policy_new();
	sandlock_sandbox *box;
	sandlock_error *err = NULL;
	if (argc != 3 || sandlock_policy_add(p, "extends", "base", &err) < 0 ||
	    sandlock_policy_set(p, "network.port_remap", argv[2], &err) < 0 ||
	    sandlock_policy_add(p, "network.allow_bind", "*", &err) < 0 || sandlock_policy_freeze(p, &err) < 0)
		return fprintf(stderr, "%s\n", sandlock_error_message(err)), 2;
	args.argv = words;
	args.on_port = show;
	args.on_port_arg = (void *)"now";
	if (sandlock_spawn(p, &args, &box, &err) < 0)
		return fprintf(stderr, "%s\n", sandlock_error_message(err)), 2;
	sandlock_wait(box, -1, NULL);
	printf("%d in all\n", sandlock_ports(box, show, (void *)"then", NULL));
	sandlock_free(box);
	sandlock_policy_free(p);
	return 0;
}
"""


def test_ports_are_told_as_they_are_bound_and_listed_later(tmp_path):
    source = tmp_path / "ports.c"
    source.write_text(PORTS)
    program = build(source, tmp_path / "ports", *C99)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = (f"import socket; a = socket.socket(); a.bind(('127.0.0.1', {port})); b = socket.socket(); "
                f"b.bind(('127.0.0.2', {port}))")
        done = box.check(run(program, code, "true"))
        assert done.stdout.split("\n")[:-1] == [f"now tcp 127.0.0.1 {port} 0", f"now tcp 127.0.0.2 {port} 0",
                                                f"then tcp 127.0.0.1 {port} 0", f"then tcp 127.0.0.2 {port} 0", "2 in all"]
        assert box.check(run(program, "print('no bind is seen')", "false")).stdout == "no bind is seen\n0 in all\n"


DESCRIPTORS = r"""
#include <sandlock/sandlock.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	const char *words[] = { "/bin/sh", "-c", "echo passed >&7", NULL };
	struct sandlock_spawn_args args = SANDLOCK_SPAWN_ARGS;
	struct sandlock_fd_map fds[2] = { { 7, 1 } };
	sandlock_policy *p = sandlock_policy_new();
	sandlock_sandbox *box;
	sandlock_error *err = NULL;
	if (argc != 3 || sandlock_policy_add(p, "extends", "base", &err) < 0 || sandlock_policy_freeze(p, &err) < 0)
		return fprintf(stderr, "%s\n", sandlock_error_message(err)), 2;
	fds[1].child_fd = atoi(argv[1]);
	fds[1].host_fd = atoi(argv[2]);
	args.argv = words;
	args.fds = fds;
	args.fd_count = 2;
	if (sandlock_spawn(p, &args, &box, &err) < 0)
		return fprintf(stderr, "%d %d %s\n", sandlock_error_category(err), sandlock_error_errno(err),
			       sandlock_error_message(err)), 1;
	sandlock_wait(box, -1, NULL);
	sandlock_free(box);
	sandlock_policy_free(p);
	return 0;
}
"""


def test_descriptors_are_passed_and_impossible_ones_are_refused(tmp_path):
    source = tmp_path / "descriptors.c"
    source.write_text(DESCRIPTORS)
    program = build(source, tmp_path / "descriptors", *C99)
    assert box.check(run(program, "9", "0")).stdout == "passed\n"
    for child, host in [(2, 0), (-1, 0), (2**31 - 1, 0), (2**30, 0), (9, -1), (9, 999)]:
        done = run(program, str(child), str(host))
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.startswith(f"1 9 cannot pass descriptor {host} as {child}: "), done.stderr


CONFINE = r"""
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sandlock/sandlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static void *wait_for_ever(void *unused)
{
	pause();
	return unused;
}
static int tell(const char *what, int result)
{
	return printf("%s %d\n", what, result < 0 ? errno : 0);
}
int main(int argc, char **argv)
{
	sandlock_policy *p = sandlock_policy_new();
	sandlock_error *err = NULL;
	pthread_t thread;
	int i;
	for (i = 3; i + 1 < argc; i += 2)
		if (sandlock_policy_add(p, argv[i], argv[i + 1], &err) < 0)
			return fprintf(stderr, "%s\n", sandlock_error_message(err)), 2;
	if (strcmp(argv[1], "unfrozen") != 0 && sandlock_policy_freeze(p, &err) < 0)
		return fprintf(stderr, "%s\n", sandlock_error_message(err)), 2;
	if (strcmp(argv[1], "threads") == 0)
		pthread_create(&thread, NULL, wait_for_ever, NULL);
	if (sandlock_confine_self(p, &err) < 0)
		return fprintf(stderr, "%d %s\n", sandlock_error_errno(err), sandlock_error_message(err)), 1;
	sandlock_policy_free(p);
	tell("granted", open(argv[2], O_RDONLY));
	tell("write", open(argv[2], O_WRONLY));
	tell("outside", open("/etc/passwd", O_RDONLY));
	tell("raw", socket(AF_INET, SOCK_RAW, 1));
	tell("unix", socket(AF_UNIX, SOCK_STREAM, 0));
	tell("tcp", socket(AF_INET, SOCK_STREAM, 0));
	return 0;
}
"""


@pytest.fixture(scope="module")
def confine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("confine")
    (folder / "confine.c").write_text(CONFINE)
    return build(folder / "confine.c", folder / "confine", *C99)


def test_a_process_confines_itself_for_good(confine, work):
    (work / "file").write_text("x")
    done = box.check(run(confine, "alone", work / "file", "no_supervisor", "true", "filesystem.read", work))
    assert done.stdout == "granted 0\nwrite 13\noutside 13\nraw 1\nunix 13\ntcp 0\n"


def test_a_process_that_cannot_be_confined_as_asked_reads_why(confine, work):
    for case, settings, errno, why in [
            ("threads", ["no_supervisor", "true"], 16, "other threads are running"),
            ("alone", [], 22, "set no_supervisor = true"),
            ("alone", ["no_supervisor", "true", "limits.memory", "1G"], 22, "limits.memory"),
            ("unfrozen", ["no_supervisor", "true"], 22, "must be frozen first")]:
        done = run(confine, case, work, *settings)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert done.stderr.startswith(f"{errno} ") and why in done.stderr

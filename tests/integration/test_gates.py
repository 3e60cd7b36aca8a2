"""Every gate that reads the tree fails on a planted violation, with a sentence that says what to do."""
import os
import re
import shutil
import subprocess

import pytest

import box

BLOCK = """
	int total = 0;

	for (size_t i = 0; i < count; i++)
		if (values[i] > 0)
			total += values[i];
	if (total > 100)
		total = 100;
	report(total);
	return total;
"""
RENAMED = BLOCK.replace("total", "sum").replace("values", "numbers")


def tool(name, *words, root=box.ROOT):
    done = subprocess.run([os.path.join(root, "tools", name), *map(str, words)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def built(tmp_path):
    """Compiles sources to objects named as in a build directory, which is returned."""
    folder = tmp_path / "build/src/sandlock.p"
    folder.mkdir(parents=True)

    def build(**sources):
        for name, text in sources.items():
            subprocess.run(["gcc", "-O2", "-c", "-x", "c", "-", "-o", folder / f"cli_{name}.c.o"], input=text, text=True,
                           check=True)
        return tmp_path / "build"

    return build


@pytest.mark.parametrize("data", ["static int counter;", "static int counter = 7;", "static _Thread_local int counter;",
                                  "int counter;"])
def test_data_that_can_change_needs_a_reason(built, data):
    status, said = tool("check-globals", built(planted=f"{data}\nint main(void) {{ return counter++; }}\n"))
    assert status == 1
    assert "src/cli/planted.c: counter can change: make it const" in said


def test_a_static_inside_a_function_is_found_too(built):
    status, said = tool("check-globals", built(planted="int main(void) { static int calls; return calls++; }\n"))
    assert status == 1 and "calls can change" in said


def test_tables_and_strings_are_not_data_that_can_change(built):
    source = 'static const char *const names[] = { "a", "b" };\nint main(int n, char **v) { return names[n] == v[0]; }\n'
    _, said = tool("check-globals", built(planted=source))
    assert "names can change" not in said


def test_a_global_function_for_one_file_is_found(built):
    one = "int helper(int a) { return a; }\nint shared(int a) { return helper(a); }\n"
    two = "int shared(int);\nint main(int n, char **v) { (void)v; return shared(n); }\n"
    status, said = tool("check-globals", built(one=one, two=two))
    assert status == 1
    assert "src/cli/one.c: helper is used in no other file: make it static" in said
    assert "shared is used" not in said and "main is used" not in said


def test_a_folder_without_objects_is_not_clean(tmp_path):
    status, said = tool("check-globals", tmp_path)
    assert status != 0 and "build it first" in said


def function(name, body):
    return f"int {name}(const int *values, size_t count)\n{{{body}}}\n"


def test_six_equal_lines_in_two_files_are_found(tmp_path):
    (tmp_path / "a.c").write_text(function("one", BLOCK))
    (tmp_path / "b.c").write_text("/* comment */\n" + function("two", BLOCK.replace("\tif", "\t/* why */\n\tif")))
    status, said = tool("check-duplicates", tmp_path / "a.c", tmp_path / "b.c")
    assert status == 1
    assert re.search(r"a\.c:3: 8 lines of one\(\) are equal to those of two\(\) at .*b\.c:4", said), said


def test_twelve_lines_that_differ_in_names_are_found_and_eight_are_not(tmp_path):
    (tmp_path / "a.c").write_text(function("one", BLOCK) + function("long_one", BLOCK[:-15] + BLOCK))
    (tmp_path / "b.c").write_text(function("two", RENAMED))
    assert tool("check-duplicates", tmp_path / "b.c")[0] == 0
    (tmp_path / "a.c").write_text(function("one", BLOCK))
    assert tool("check-duplicates", tmp_path / "a.c", tmp_path / "b.c")[0] == 0
    (tmp_path / "a.c").write_text(function("one", BLOCK.replace("\treturn total;\n", "") + "\tthen(1);\n" + BLOCK[20:]))
    (tmp_path / "b.c").write_text(function("two", RENAMED.replace("\treturn sum;\n", "") + "\tnext(2);\n" + RENAMED[18:]))
    status, said = tool("check-duplicates", tmp_path / "a.c", tmp_path / "b.c")
    assert status == 1 and "equal but for names" in said


def test_static_analysis_without_its_build_directory_says_which_command_makes_it(tmp_path):
    status, said = tool("check-tidy", tmp_path)
    assert status == 2
    assert "meson setup" in said and said.count("\n") == 1


# What is done to the public header and the sources, and whether programs that are linked already still work.
CHANGES = [
    ("a function takes another type", False, "sandlock_error_line(const sandlock_error *err)",
     "sandlock_error_line(const sandlock_error *err, int base)"),
    ("a member in the middle of a public struct", False, "\tconst struct sandlock_fd_map *fds;",
     "\tlong planted;\n\tconst struct sandlock_fd_map *fds;"),
    ("a member at the end of a struct that says its size", True, "\tconst char *cwd;", "\tconst char *cwd;\n\tlong planted;"),
    ("a value of a public enumeration moves", False, "SANDLOCK_SPAWN_FOREGROUND = 1", "SANDLOCK_SPAWN_FOREGROUND = 2"),
]


@pytest.mark.parametrize("what,compatible,old,new", CHANGES, ids=[c[0].replace(" ", "-") for c in CHANGES])
def test_a_change_of_the_interface_is_judged(tmp_path, what, compatible, old, new):
    if not (shutil.which("abidiff") and box.IS_ROOT):
        pytest.skip("allowed: it builds the library: as root, where the gates run, is enough")
    root = tmp_path / "tree"
    shutil.copytree(box.ROOT, root, symlinks=True, ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
    changed = 0
    for name in ("include/sandlock/sandlock.h", "src/api/error.c"):
        text = (root / name).read_text()
        changed += old in text
        (root / name).write_text(text.replace(old, new))
    assert changed
    status, said = tool("check-abi", root=str(root))
    assert status == (0 if compatible else 1), said
    assert compatible or "programs that are linked against the last release would break" in said

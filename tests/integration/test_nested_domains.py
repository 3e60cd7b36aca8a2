"""What the supervisor does for a program stays within the Landlock domains that the program has entered itself."""
import contextlib
import os
import socket

import box

HELPER = open(os.path.join(box.HELPERS, "landlocked.py")).read()
TRY = """
import os, resource, socket, sys
def reach(port):
    s = socket.socket()
    s.settimeout(20)
    try:
        s.connect(("127.0.0.1", port)); return "yes"
    except OSError as e:
        return type(e).__name__
    finally:
        s.close()
"""


@contextlib.contextmanager
def listener():
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def judged(*ports):
    """Rules that only the supervisor can judge."""
    return [w for p in ports for w in ("--net-allow", f"tcp://127.0.0.1:{p}")]


def run(code, *flags):
    return box.check(box.python(HELPER + TRY + code, *flags)).stdout.split()


def test_a_connection_on_behalf_is_judged_by_the_domain_of_the_program():
    with listener() as a, listener() as b:
        said = run(f"print(reach({a}), reach({b})); assert enter([{a}]) == 0; print(reach({a}), reach({b}))", *judged(a, b))
    assert said == ["yes", "yes", "yes", "PermissionError"]


def test_children_and_orphans_of_the_program_are_in_its_domain_and_others_are_not():
    code = """
r, w = os.pipe()
def say(text): os.write(w, (text + "\\n").encode())
if os.fork() == 0:
    assert enter([]) == 0
    if os.fork() == 0:              # an orphan soon
        if os.fork() == 0:
            say("orphan " + reach(PORT)); os._exit(0)
        os._exit(0)
    os.wait(); os._exit(0)
os.wait(); os.close(w)
print(open(r).read().strip(), reach(PORT))
"""
    with listener() as port:
        assert run(code.replace("PORT", str(port)), *judged(port)) == ["orphan", "PermissionError", "yes"]


def test_domains_in_domains_add_up():
    with listener() as a, listener() as b:
        code = f"assert enter([{a}, {b}]) == 0; print(reach({a}), reach({b})); assert enter([{b}]) == 0; print(reach({a}), reach({b}))"
        assert run(code, *judged(a, b)) == ["yes", "yes", "PermissionError", "yes"]


def test_the_mark_of_a_domain_cannot_be_changed():
    code = """
assert enter([]) == 0
for attempt in ((0, 0), (5, 5), resource.getrlimit(10)):
    try:
        resource.setrlimit(10, attempt); print("set")
    except (OSError, ValueError) as e:
        print("refused")
print(reach(PORT))
"""
    with listener() as port:
        assert run(code.replace("PORT", str(port)), *judged(port)) == ["refused"] * 3 + ["PermissionError"]


def test_many_domains_one_after_the_other_are_no_obstacle():
    code = """
for i in range(150):
    if os.fork() == 0:
        os._exit(0 if enter([]) == 0 and reach(PORT) == "PermissionError" else 1)
    assert os.wait()[1] == 0, i
print("fine")
"""
    with listener() as port:
        assert run(code.replace("PORT", str(port)), *judged(port)) == ["fine"]


def test_bind_on_behalf_is_judged_by_the_domain_of_the_program():
    code = """
def bind(port):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", port)); return "yes"
    except OSError as e:
        return type(e).__name__
assert enter([0], net=1) == 0
print(bind(0), bind(45871))
"""
    assert run(code, "--net-allow-bind", "0,45871", "--port-remap") == ["yes", "PermissionError"]


def test_abstract_sockets_of_the_same_domain_are_reached_and_others_are_not(work):
    code = """
def serve(name):
    s = socket.socket(socket.AF_UNIX); s.bind(name); s.listen(); return s
def unix(name):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(name); return "yes"
    except OSError as e:
        return type(e).__name__
name = "\\0sandlock-test-%d-" % os.getpid()
outer = serve(name + "outer")
if os.fork() == 0:
    outer.close()
    assert enter([], net=0, scoped=1) == 0
    inner = serve(name + "inner")
    print(unix(name + "outer"), unix(name + "inner"), flush=True); os._exit(0)
os.wait()
print(unix(name + "outer"))
"""
    assert run(code, "-w", work) == ["PermissionError", "yes", "yes"]


def test_an_inner_sandbox_keeps_its_ports_in_an_outer_one_with_rules():
    with listener() as a, listener() as b:
        code = TRY + f"print(reach({a}), reach({b}))"
        done = box.run(*judged(a, b), "-r", box.SANDLOCK, "--", box.SANDLOCK, "run", "--no-supervisor", "--net-allow",
                       f"tcp://:{a}", "--", box.PYTHON, "-c", code)
        assert box.check(done).stdout.split() == ["yes", "PermissionError"]

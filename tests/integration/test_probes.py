"""Every escape attempt of tests/probes, without the sandbox, where it succeeds, and inside, where it is refused."""
import os
import socket
import stat
import subprocess

import pytest

import box

NEEDS_ROOT, KERNEL, NOT_COVERED, SAME_INSIDE, SLOW, USER_ONLY, READS_GRANT = (1 << i for i in range(7))

# What a kernel answers that has no such call, family or protocol, and to a group that may not use ping sockets.
LACKING = {"ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EOPNOTSUPP"}
NATIVELY_CLOSED = {"ping", "rules-ping"}
NAMESPACES = ("S05", "S06")     # attempts at user namespaces, which no chroot has


class Probe:
    def __init__(self, line):
        self.id, self.name, flags, self.policy, self.title = line.split("\t")
        self.flags = int(flags)

    def options(self, field):
        words = self.policy
        for name, value in (("@SCRATCH@", field.scratch), ("@SECRET@", field.secret), ("@PORT@", field.port)):
            words = words.replace(name, str(value))
        return ["-w", str(field.scratch), *words.split()]


def all_probes():
    try:
        listing = subprocess.run([box.PROBE_RUNNER, "--list"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise pytest.UsageError(f"the probes are not built: {error}")
    return [Probe(line) for line in listing.splitlines()]


PROBES = all_probes()


def snapshot(top):
    """Everything about every file below: any change from outside shows."""
    seen = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            content = open(path, "rb").read() if stat.S_ISREG(st.st_mode) else None
            attributes = {a: os.getxattr(path, a) for a in os.listxattr(path, follow_symlinks=False)}
            time = None if name in folders else st.st_mtime_ns
            seen[path] = (st.st_mode, st.st_uid, st.st_gid, st.st_ino, st.st_nlink, st.st_size, time, content, attributes)
    return seen


class Field:
    """The two folders, the process outside and the listeners outside."""

    def __init__(self, top):
        self.scratch, self.secret = top / "scratch", top / "secret"
        self.scratch.mkdir()
        self.secret.mkdir()
        self.victim = subprocess.Popen(["sleep", "3600"], start_new_session=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.port = self.listener.getsockname()[1]
        self.abstract = []
        for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
            self.abstract.append(socket.socket(socket.AF_UNIX, kind))
            self.abstract[-1].bind(f"\0sandlock-probe-{self.port}")
            if kind != socket.SOCK_DGRAM:
                self.abstract[-1].listen(1000)

    def close(self):
        self.victim.kill()
        self.victim.wait()
        self.listener.close()
        for s in self.abstract:
            s.close()

    def prepare(self):
        subprocess.run([box.PROBE_RUNNER, "--prepare", "--scratch", self.scratch, "--secret", self.secret], check=True)

    def attempt(self, probe, prefix=()):
        """What the runner says about one attempt: "did it", "refused EACCES", "unavailable"."""
        self.prepare()
        before = snapshot(self.secret)
        leaked = os.open(self.secret, os.O_RDONLY)
        os.dup2(leaked, 100, inheritable=True)
        try:
            done = subprocess.run(
                [*prefix, box.PROBE_RUNNER, probe.name, "--scratch", self.scratch, "--secret", self.secret,
                 "--pid", str(self.victim.pid), "--port", str(self.port)],
                capture_output=True, text=True, pass_fds=[100], start_new_session=True, timeout=30,
                stdin=subprocess.DEVNULL, cwd=self.scratch)
        finally:
            os.close(100)
            os.close(leaked)
        head, _, said = done.stdout.strip().partition(": ")
        assert head == probe.name, f"no verdict: status {done.returncode}, {done.stdout!r}, {done.stderr!r}"
        self.changed = snapshot(self.secret) != before
        return said


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    f = Field(tmp_path_factory.mktemp("probes"))
    yield f
    f.close()


def lacks(probe, said):
    return said == "unavailable" or (said.startswith("refused ") and
                                     (said.split()[1] in LACKING or probe.name in NATIVELY_CLOSED or
                                      (probe.id in NAMESPACES and not box.user_namespaces())))


def judge(probe, field, outside, inside):
    if probe.flags & NOT_COVERED:
        assert outside == "did it"
        return
    if probe.flags & SAME_INSIDE:
        assert inside == outside
        return
    assert inside != "did it", f"escaped: {probe.title}"
    assert not field.changed, f"something outside changed: {probe.title}"
    if outside == "did it":
        assert inside.startswith("refused"), inside
        return
    if probe.flags & NEEDS_ROOT and not box.IS_ROOT:
        pytest.skip("allowed: root only, and root runs it in the other pass")
    assert lacks(probe, outside), f"{probe.title}: without a sandbox: {outside}"
    pytest.skip(f"allowed: kernel: without a sandbox too: {outside}")


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: f"{p.id}-{p.name}")
def test_the_attempt_succeeds_without_and_is_refused_inside(probe, field):
    outside = field.attempt(probe)
    inside = field.attempt(probe, [box.SANDLOCK, "run", *probe.options(field), "--"])
    judge(probe, field, outside, inside)


@pytest.mark.parametrize("probe", [p for p in PROBES if p.flags & KERNEL], ids=lambda p: f"{p.id}-{p.name}")
def test_the_attempt_is_refused_without_a_supervisor_too(probe, field):
    outside = field.attempt(probe)
    options = ["--no-supervisor", *probe.options(field)]
    inside = field.attempt(probe, [box.SANDLOCK, "run", *options, "--"])
    judge(probe, field, outside, inside)


def test_every_row_of_this_release_has_a_probe():
    rows = {p.id for p in PROBES}
    wanted = ("F01 F02 F03 F04 F05 F06 F08 F09 F10 F11 F12 F13 F14 F15 F18 F19 F20 F23 F24 F30 S01 S02 S05 S06 S07 S09 S10 S11 S12 "
              "S13 S14 S18 S22 S24 S25 S26 S31 R01 R02 R08 R10 N01 N02 N03 N04 N06 N07 N08 N09 N10 N13 "
              "N15 N17 N22 N23 N25 N26")
    assert not set(wanted.split()) - rows


def test_names_are_unique():
    names = [p.name for p in PROBES]
    assert len(names) == len(set(names))

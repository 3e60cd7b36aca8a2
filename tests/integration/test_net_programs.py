"""Real network programs under rules: what is granted works, what is not is refused, and nothing of it leaves.

Most tests use two servers on loopback, of which the rules name one; those with `lab` compare what came over the cable.
"""
import contextlib
import functools
import glob
import http.client
import http.server
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

import box
import netlab

WORLD_PORT = 8080


def needs(*programs):
    for name in programs:
        if not shutil.which(name):
            pytest.skip(f"allowed: program: {name} is not installed")


def flags(**env):
    return [word for name, value in env.items() for word in ("--env", f"{name}={value}")]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


# --- servers ---

class Web:
    """Serves a folder over http on loopback, both families, and counts who connected."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6
        request_queue_size = 128
        daemon_threads = True

        def server_bind(self):
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            super().server_bind()

        def verify_request(self, request, client):
            self.count += 1
            return True

    def __init__(self, folder):
        self.server = self.Server(("::", 0), functools.partial(self.Handler, directory=str(folder)))
        self.server.count = 0
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def count(self):
        return self.server.count

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "www"
    made.mkdir()
    (made / "hello").write_text("hello from the web\n")
    return made


@pytest.fixture
def good(folder):
    web = Web(folder)
    yield web
    web.close()


@pytest.fixture
def bad(folder):
    web = Web(folder)
    yield web
    web.close()


class Background:
    """A server process of its own, ended with the test."""

    def __init__(self, *words, ready, within=30, **kw):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        start_new_session=True, **kw)
        try:
            box.wait_for(lambda: ready() or self.process.poll() is not None, within, f"{words[0]}")
            assert self.process.poll() is None, "ended"
        except AssertionError as error:
            self.close()
            self.log.seek(0)
            raise AssertionError(f"{words[0]}: {error}: {self.log.read()}") from None

    def close(self, how=signal.SIGTERM):
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def answers(port, host="127.0.0.1"):
    def ask():
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return True
        return False
    return ask


SPELLINGS = [pytest.param("127.0.0.1", id="v4"), pytest.param("[::1]", id="v6"), pytest.param("localhost", id="name")]


# --- clients of http ---

class Client:
    """A program that fetches one URL and prints what came."""

    def __init__(self, *words, needs=(), status=1, options=()):
        self.words, self.needs, self.status, self.options = words, needs, status, options


URLLIB = "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=20).read().decode())"
REQUESTS = "import sys, requests; sys.stdout.write(requests.get(sys.argv[1], timeout=20).text)"
FETCH = ("fetch(process.argv[1]).then(r => r.text()).then(t => process.stdout.write(t))"
         ".catch(e => { console.error(e.cause || e); process.exit(1); })")
CLIENTS = {
    "curl": Client("curl", "-sS", "--max-time", "20", needs=["curl"], status=7),
    "urllib": Client(box.PYTHON, "-c", URLLIB),
    # urllib3 takes a machine on which it cannot bind [::1]:0 for one without IPv6
    "requests": Client(box.PYTHON, "-c", REQUESTS, options=["--net-allow-bind", "0"]),
    "node": Client("node", "-e", FETCH, needs=["node"]),
}


def fetch(client, url, *options, **kw):
    return box.run("--report", *client.options, *options, "--", *client.words, url, **kw)


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_of_http_reaches_the_granted_host_and_port_only(name, host, good, bad):
    client = CLIENTS[name]
    needs(*client.needs)
    if name == "requests" and subprocess.run([box.PYTHON, "-c", "import requests"], capture_output=True).returncode:
        pytest.skip("allowed: program: python3-requests is not installed")
    if name == "node" and box.bare_python("import subprocess; subprocess.run(['node', '-e', 'fetch'], check=True)").returncode:
        pytest.skip("allowed: program: this node has no fetch")
    grant = ["--net-allow", f"{host}:{good.port}"]
    assert box.check(fetch(client, f"http://{host}:{good.port}/hello", *grant)).stdout == "hello from the web\n"
    refused = box.check(fetch(client, f"http://{host}:{bad.port}/hello", *grant), client.status)
    assert refused.stdout == "" and f":{bad.port} (tcp" in refused.stderr and "add: --net-allow tcp://" in refused.stderr, refused
    assert (good.count, bad.count) == (1, 0)
    bare = subprocess.run([*client.words, f"http://{host}:{bad.port}/hello"], capture_output=True, text=True)
    assert bare.stdout == "hello from the web\n" and bad.count == 1


def test_a_name_opens_no_other_name_and_no_other_address(good, bad):
    needs("curl")
    curl = CLIENTS["curl"]
    grant = ["--net-allow", f"localhost:{good.port}"]
    assert fetch(curl, f"http://127.0.0.2:{good.port}/hello", *grant).returncode == curl.status
    assert fetch(curl, f"http://not-granted.test:{good.port}/hello", *grant).returncode == 6       # not resolved
    assert (good.count, bad.count) == (0, 0)


def test_a_denied_port_of_an_allowed_host(good, bad):
    needs("curl")
    rules = ["--net-allow", "tcp://127.0.0.0/8", "--net-deny", f"127.0.0.1:{bad.port}"]
    assert box.check(fetch(CLIENTS["curl"], f"http://127.0.0.1:{good.port}/hello", *rules)).stdout == "hello from the web\n"
    refused = box.check(fetch(CLIENTS["curl"], f"http://127.0.0.1:{bad.port}/hello", *rules), 7)
    assert f"--net-deny 127.0.0.1:{bad.port}" in refused.stderr, refused
    assert bad.count == 0


# --- what rules of addresses cannot see, as SECURITY.md says ---

def test_another_name_at_a_granted_address_is_reached(good):
    needs("curl")
    client = Client("curl", "-sS", "--max-time", "20", "-H", "Host: another-tenant.test")
    done = fetch(client, f"http://127.0.0.1:{good.port}/hello", "--net-allow", f"127.0.0.1:{good.port}")
    assert box.check(done).stdout == "hello from the web\n"


def test_a_connection_that_a_granted_peer_passes_in_is_used_as_it_is_and_judged_anew_at_a_connect(good, outside):
    code = f"""
import socket
s = socket.socket(socket.AF_UNIX)
s.connect({str(outside / 's')!r})
passed = socket.socket(fileno=socket.recv_fds(s, 1, 2)[1][0])
passed.sendall(b"GET /hello HTTP/1.0\\r\\n\\r\\n")
print(passed.makefile().read().splitlines()[-1])
fresh = socket.socket(fileno=socket.recv_fds(s, 1, 2)[1][0])
try:
    fresh.connect(("127.0.0.1", {good.port}))
    print("connected")
except ConnectionRefusedError:
    print("refused")
"""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(outside / "s"))
        listener.listen()

        def pass_in():
            peer, _ = listener.accept()
            with peer, socket.create_connection(("127.0.0.1", good.port)) as connected, socket.socket() as fresh:
                socket.send_fds(peer, [b"1"], [connected.fileno()])
                socket.send_fds(peer, [b"2"], [fresh.fileno()])
        giver = threading.Thread(target=pass_in, daemon=True)
        giver.start()
        done = box.python(code, "--unix-allow", outside / "s", "--net-allow", "127.0.0.2:9")
        giver.join(10)
    assert box.check(done).stdout == "hello from the web\nrefused\n"


# --- git ---

AUTHOR = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
          "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def repository(folder):
    """folder/r.git, with one commit of one file, to be had over plain http too."""
    needs("git")
    source = folder.parent / "source"
    env = dict(os.environ, HOME=str(folder.parent), **AUTHOR)
    for words in (["init", "-q", str(source)], ["-C", str(source), "add", "."], ["-C", str(source), "commit", "-qm", "first"],
                  ["clone", "-q", "--bare", str(source), str(folder / "r.git")],
                  ["-C", str(folder / "r.git"), "update-server-info"]):
        subprocess.run(["git", *words], check=True, env=env)
        if words[0] == "init":
            (source / "file").write_text("from the repository\n")
    return folder / "r.git"


def test_git_clones_over_http(good, bad, repository, work):
    home = flags(HOME=work, **AUTHOR)
    grant = ["-w", work, "--net-allow", f"127.0.0.1:{good.port}", *home]
    box.check(box.run(*grant, "--", "git", "clone", "-q", f"http://127.0.0.1:{good.port}/r.git", work / "c"))
    assert (work / "c/file").read_text() == "from the repository\n"
    refused = box.run(*grant, "--", "git", "clone", "-q", f"http://127.0.0.1:{bad.port}/r.git", work / "d")
    assert refused.returncode == 128 and not (work / "d").exists() and bad.count == 0, refused


CGI = """
import http.server, os, sys
class Handler(http.server.CGIHTTPRequestHandler):
    cgi_directories = ["/cgi"]
    def log_message(self, *words):
        pass
os.chdir(sys.argv[1])
http.server.nobody_uid = os.getuid      # as root it would run its scripts as nobody
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""


def test_git_http_backend_in_a_sandbox_is_cloned_from_another(repository, bad, work):
    backend = os.path.join(subprocess.run(["git", "--exec-path"], capture_output=True, text=True).stdout.strip(), "git-http-backend")
    if not os.access(backend, os.X_OK):
        pytest.skip("allowed: program: git-http-backend is not installed")
    port, site = free_port(), repository.parent
    (site / "cgi").mkdir()
    (site / "cgi/git").write_text(f"#!/bin/sh\nGIT_PROJECT_ROOT={site} GIT_HTTP_EXPORT_ALL=1 exec {backend}\n")
    (site / "cgi/git").chmod(0o755)
    served = box.start("-r", site, "-x", site, *flags(HOME=site, **AUTHOR), "--net-allow-bind", port, "--", box.PYTHON, "-c", CGI, site, port)
    try:
        box.wait_for(lambda: answers(port)() or served.poll() is not None, 30, "the server in the sandbox")
        assert served.poll() is None, served.communicate()
        grant = ["-w", work, "--net-allow", f"127.0.0.1:{port}", *flags(HOME=work, **AUTHOR)]
        clone = [*grant, "--", "git", "clone", "-q"]
        box.check(box.run(*clone, f"http://127.0.0.1:{port}/cgi/git/r.git", work / "c"))
        assert (work / "c/file").read_text() == "from the repository\n"
        assert box.run(*clone, f"http://127.0.0.1:{bad.port}/r.git", work / "d").returncode == 128 and bad.count == 0
    finally:
        served.terminate()
        served.communicate()


@pytest.fixture
def sshd(tmp_path):
    """An ssh server on loopback with keys of its own, which lets in whoever runs the test."""
    server = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if not server or not shutil.which("ssh"):
        pytest.skip("allowed: program: the ssh server or client is not installed")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "key.pub", folder / "authorized")
    port = free_port()
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\n"
        f"UsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\n")
    if box.IS_ROOT:
        os.makedirs("/run/sshd", exist_ok=True)
    made = Background(server, "-D", "-e", "-f", folder / "config", ready=answers(port))
    made.port, made.key = port, folder / "key"
    yield made
    made.close()


def test_git_clones_over_ssh(sshd, repository, work):
    shutil.copy(sshd.key, work / "key")
    user = pwd.getpwuid(os.geteuid()).pw_name
    ssh = f"ssh -F none -i {work}/key -p {sshd.port} -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    words = ["git", "clone", "-q", f"{user}@127.0.0.1:{repository}"]
    env = {"GIT_SSH_COMMAND": ssh, "HOME": str(work), **AUTHOR}
    bare = subprocess.run([*words, work / "bare"], env=dict(os.environ, **env), capture_output=True, text=True)
    if bare.returncode:
        pytest.skip(f"allowed: machine: this account cannot log in by ssh: {bare.stderr}")
    options = ["-w", work, *flags(**env)]
    box.check(box.run(*options, "--net-allow", f"127.0.0.1:{sshd.port}", "--", *words, work / "c"))
    assert (work / "c/file").read_text() == "from the repository\n"
    refused = box.run(*options, "--net-allow", f"127.0.0.2:{sshd.port}", "--", *words, work / "d")
    assert refused.returncode == 128 and "refused" in refused.stderr and not (work / "d").exists(), refused


def test_a_second_ssh_goes_through_the_socket_of_the_first(sshd, work):
    """ControlMaster: a unix socket below a write grant, made, renamed and connected to inside."""
    shutil.copy(sshd.key, work / "key")
    user = pwd.getpwuid(os.geteuid()).pw_name
    common = ["-F", "none", "-i", work / "key", "-p", sshd.port, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
              "UserKnownHostsFile=/dev/null", "-o", f"ControlPath={work}/ctl"]
    to = f"{user}@127.0.0.1"
    bare = subprocess.run(["ssh", *map(str, common), to, "echo bare"], capture_output=True, text=True)
    if bare.returncode:
        pytest.skip(f"allowed: machine: this account cannot log in by ssh: {bare.stderr}")
    first, second = (" ".join(map(str, ["ssh", "-q", *options, *common])) for options in (["-MNf"], ["-o", "ControlMaster=no"]))
    script = f"{first} {to} </dev/null >/dev/null 2>&1 && {second} {to} echo through && {second} -O exit {to}"
    options = ["-w", work, "--env", f"HOME={work}", "--net-allow"]
    done = box.run(*options, f"127.0.0.1:{sshd.port}", "--", "sh", "-c", script)
    assert box.check(done).stdout == "through\n", done
    refused = box.run(*options, f"127.0.0.2:{sshd.port}", "--", "sh", "-c", script)
    assert refused.returncode == 255 and refused.stdout == "", refused


# --- redis, nginx ---

@pytest.fixture
def redis(tmp_path):
    needs("redis-server", "redis-cli")
    port = free_port()
    made = Background("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path, ready=answers(port))
    made.port = port
    yield made
    made.close()


def test_redis_cli_reaches_the_server_that_is_granted(redis, bad):
    grant = ["--net-allow", f"tcp://127.0.0.1:{redis.port}"]
    cli = ["redis-cli", "-h", "127.0.0.1", "-p"]
    assert box.check(box.run(*grant, "--", *cli, redis.port, "set", "a", "b")).stdout == "OK\n"
    assert "Connection refused" in box.run(*grant, "--", *cli, bad.port, "ping").stderr
    assert bad.count == 0


def test_redis_serves_on_the_granted_port_under_rules_with_addresses(work):
    needs("redis-server", "redis-cli")
    port = free_port()
    marked = box.start("-w", work, "--net-allow-bind", port, "--net-allow", "tcp://127.0.0.1:1", "--", "redis-server",
                       "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", work, cwd=work)
    try:
        box.wait_for(answers(port), 30, "redis in the sandbox")
        cli = ["redis-cli", "-p", str(port)]
        assert subprocess.run([*cli, "set", "k", "v" * 1000], capture_output=True, text=True).stdout == "OK\n"
        assert subprocess.run([*cli, "get", "k"], capture_output=True, text=True).stdout == "v" * 1000 + "\n"
    finally:
        marked.terminate()
        marked.communicate()


NGINX = """
daemon off; worker_processes 2; pid {work}/pid; error_log {work}/error;{user}
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
  uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  server {{ listen 127.0.0.1:{port}; root {folder};
    location /behind/ {{ proxy_pass http://127.0.0.1:{behind}/; }}
    location /closed/ {{ proxy_pass http://127.0.0.1:{closed}/; }} }}
}}
"""


@pytest.fixture
def nginx(work, folder, good, bad):
    """nginx in a sandbox, with a proxy to a granted and to another server."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not program:
        pytest.skip("allowed: program: nginx is not installed")
    port = free_port()
    (work / "conf").write_text(NGINX.format(work=work, folder=folder, port=port, behind=good.port, closed=bad.port,
                                            user=" user root;" if box.IS_ROOT else ""))
    made = box.start("-w", work, "-r", folder, "--net-allow-bind", port, "--net-allow", f"127.0.0.1:{good.port}", "--",
                     program, "-e", work / "error", "-c", work / "conf", "-p", work, cwd=work)
    try:
        box.wait_for(lambda: answers(port)() or made.poll() is not None, 30, "nginx in the sandbox")
        assert made.poll() is None, made.communicate()
        made.port = port
        yield made
    finally:
        made.terminate()
        made.communicate()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_nginx_serves_and_passes_on_what_is_granted(nginx, good, bad):
    assert get(nginx.port, "/hello") == (200, b"hello from the web\n")
    assert get(nginx.port, "/behind/hello") == (200, b"hello from the web\n")
    assert get(nginx.port, "/closed/hello")[0] == 502
    assert (good.count, bad.count) == (1, 0)


def test_wrk_outside_loads_nginx_inside(nginx):
    needs("wrk")
    done = subprocess.run(["wrk", "-t1", "-c8", "-d1", f"http://127.0.0.1:{nginx.port}/hello"], capture_output=True, text=True)
    assert "Requests/sec" in done.stdout and "Non-2xx" not in done.stdout and "Socket errors" not in done.stdout, done


def test_wrk_inside_loads_what_it_is_granted(nginx, bad):
    needs("wrk")
    wrk = ["--net-allow", f"127.0.0.1:{nginx.port}", "--", "wrk", "-t1", "-c8", "-d1"]
    done = box.check(box.run(*wrk, f"http://127.0.0.1:{nginx.port}/hello"))
    assert "Requests/sec" in done.stdout and "Non-2xx" not in done.stdout and "Socket errors" not in done.stdout, done
    assert box.run(*wrk, f"http://127.0.0.1:{bad.port}/hello").returncode != 0
    assert bad.count == 0


# --- PostgreSQL ---

@pytest.fixture(scope="module")
def postgres():
    """A server outside, of an ordinary user, on TCP and on a unix socket."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        pytest.skip("allowed: program: postgresql is not installed")
    programs = os.path.dirname(found[-1])
    top = tempfile.mkdtemp(prefix="slk-pg.")
    data, port = os.path.join(top, "data"), free_port()
    user = ["setpriv", f"--reuid={netlab.NOBODY}", f"--regid={netlab.NOBODY}", "--clear-groups"] if box.IS_ROOT else []
    made = None
    try:
        os.chmod(top, 0o755)
        if box.IS_ROOT:
            os.chown(top, netlab.NOBODY, netlab.NOBODY)
        subprocess.run([*user, f"{programs}/initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
                       check=True, capture_output=True, cwd=top, env={"PATH": "/usr/bin:/bin", "HOME": top})
        words = ["-U", "tester", "-d", "postgres", "-p", str(port), "-XAtc", "select 6 * 7"]

        def ready():
            return subprocess.run([f"{programs}/psql", "-h", top, *words], capture_output=True).returncode == 0
        made = Background(*user, f"{programs}/postgres", "-D", data, "-p", port, "-k", top, "-h", "127.0.0.1", "-F",
                          ready=ready, cwd=top, within=60)
        made.port, made.folder, made.psql, made.words = port, top, f"{programs}/psql", words
        yield made
    finally:
        if made:
            made.close(signal.SIGINT)
        shutil.rmtree(top, ignore_errors=True)


def test_psql_over_tcp(postgres, bad):
    grant = ["--net-allow", f"127.0.0.1:{postgres.port}"]
    assert box.check(box.run(*grant, "--", postgres.psql, "-h", "127.0.0.1", *postgres.words)).stdout == "42\n"
    other = ["--net-allow", f"127.0.0.1:{bad.port}"]
    refused = box.check(box.run(*other, "--", postgres.psql, "-h", "127.0.0.1", *postgres.words), 2)
    assert "Connection refused" in refused.stderr, refused


def test_psql_over_its_unix_socket(postgres, work):
    grant = ["--unix-allow", f"{postgres.folder}/.s.PGSQL.*"]
    assert box.check(box.run(*grant, "--", postgres.psql, "-h", postgres.folder, *postgres.words)).stdout == "42\n"
    for options in ([], ["-w", work], ["--unix-allow", work], ["-r", postgres.folder]):
        refused = box.check(box.run(*options, "--", postgres.psql, "-h", postgres.folder, *postgres.words), 2)
        assert "Permission denied" in refused.stderr, refused


def test_postgres_serves_from_a_sandbox(work, bad):
    """initdb, server and clients, inside and outside, on TCP and on a unix socket."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        pytest.skip("allowed: program: postgresql is not installed")
    programs, port, top = os.path.dirname(found[-1]), free_port(), tempfile.mkdtemp(prefix="slk-pg.")
    user = {}
    if box.IS_ROOT:                     # postgres refuses to run as root
        os.chown(top, netlab.NOBODY, netlab.NOBODY)
        user = {"user": netlab.NOBODY, "group": netlab.NOBODY, "extra_groups": []}
    inside = ["-w", top, "--extra-allow-syscall", "sysv_ipc", *flags(HOME=top, PATH="/usr/bin:/bin")]
    words = ["-U", "tester", "-d", "postgres", "-p", port, "-XAtc", "select 6 * 7"]
    served = None
    try:
        box.check(box.run(*inside, "--", f"{programs}/initdb", "-D", f"{top}/d", "-U", "tester", "-A", "trust", "--locale=C", "-N",
                          cwd=top, timeout=120, **user))
        served = box.start(*inside, "--net-allow-bind", port, "--net-allow", f"127.0.0.1:{bad.port}", "--", f"{programs}/postgres",
                           "-D", f"{top}/d", "-p", port, "-k", top, "-h", "127.0.0.1", "-F", cwd=top, **user)

        def ask(host, *options, run=box.run):
            return run(*options, f"{programs}/psql", "-h", host, *words, cwd=top, **user)

        def bare(*line, **kw):
            return subprocess.run(list(map(str, line)), capture_output=True, text=True, **kw)
        box.wait_for(lambda: ask(top, run=bare).returncode == 0 or served.poll() is not None, 60, "postgres in the sandbox")
        assert served.poll() is None, served.communicate()
        assert ask("127.0.0.1", run=bare).stdout == "42\n"
        assert box.check(ask("127.0.0.1", "--net-allow", f"127.0.0.1:{port}", "--")).stdout == "42\n"
        assert box.check(ask(top, "--unix-allow", f"{top}/.s.PGSQL.{port}", "--")).stdout == "42\n"
        assert ask("127.0.0.1", "--net-allow", f"127.0.0.1:{bad.port}", "--").returncode == 2
        assert ask(top, "-r", top, "--").returncode == 2
    finally:
        if served:
            served.terminate()
            served.communicate()
        shutil.rmtree(top, ignore_errors=True)


# --- clients that talk to the kernel by themselves ---

GO = """package main
import ("fmt"; "io"; "net"; "os"; "time")
func main() {
	c, err := net.DialTimeout("tcp", os.Args[1], 20 * time.Second)
	if err != nil { fmt.Println(err); os.Exit(1) }
	fmt.Fprintf(c, "GET /hello HTTP/1.0\\r\\n\\r\\n")
	answer, err := io.ReadAll(c)
	if err != nil { fmt.Println(err); os.Exit(1) }
	fmt.Print(string(answer))
}
"""
MUSL = r"""
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct addrinfo want = { .ai_socktype = SOCK_STREAM }, *a;
	char *colon = strrchr(argv[1], ':'), buf[4096];
	*colon = 0;
	if (argv[1][0] == '[') { argv[1]++; colon[-1] = 0; }
	if (getaddrinfo(argv[1], colon + 1, &want, &a)) return puts("no such name"), 1;
	for (; a; a = a->ai_next) {
		int s = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
		if (connect(s, a->ai_addr, a->ai_addrlen) < 0) { perror("connect"); continue; }
		write(s, "GET /hello HTTP/1.0\r\n\r\n", 23);
		for (ssize_t n; (n = read(s, buf, sizeof buf)) > 0;) fwrite(buf, 1, n, stdout);
		return 0;
	}
	return 1;
}
"""


@pytest.fixture(scope="module")
def go_client(tmp_path_factory):
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go:
        pytest.skip("allowed: program: go is not installed")
    top = tmp_path_factory.mktemp("go")
    (top / "main.go").write_text(GO)
    env = dict(os.environ, GOPATH=str(top / "path"), HOME=str(top), CGO_ENABLED="0", GO111MODULE="off")
    env.setdefault("GOCACHE", str(top / "cache"))
    subprocess.run([go, "build", "-o", top / "client", top / "main.go"], check=True, env=env, cwd=top)
    return top / "client"


@pytest.fixture(scope="module")
def musl_client(tmp_path_factory):
    needs("musl-gcc")
    top = tmp_path_factory.mktemp("musl")
    (top / "main.c").write_text(MUSL)
    subprocess.run(["musl-gcc", "-w", "-static", "-o", top / "client", top / "main.c"], check=True)
    return top / "client"


def check_client(program, host, good, bad):
    grant = ["-r", program, "--net-allow", f"{host}:{good.port}"]
    done = box.check(box.run(*grant, "--", program, f"{host}:{good.port}"))
    assert done.stdout.endswith("hello from the web\n"), done
    refused = box.check(box.run(*grant, "--", program, f"{host}:{bad.port}"), 1)
    assert "refused" in refused.stdout + refused.stderr, refused
    assert (good.count, bad.count) == (1, 0)
    assert subprocess.run([program, f"{host}:{bad.port}"], capture_output=True).returncode == 0 and bad.count == 1


@pytest.mark.parametrize("host", SPELLINGS)
def test_a_static_musl_client(musl_client, host, good, bad):
    check_client(musl_client, host, good, bad)


@pytest.mark.parametrize("host", SPELLINGS)
def test_a_go_client(go_client, host, good, bad):
    check_client(go_client, host, good, bad)


# --- many connections at once, and clients with runtimes of their own ---

PARALLEL = 50
ASYNCIO = f"""
import asyncio, sys
async def one(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /hello HTTP/1.0\\r\\n\\r\\n")
    answer = await reader.read()
    writer.close()
    return answer.endswith(b"hello from the web\\n")
async def all(port):
    done = await asyncio.gather(*(one(port) for _ in range({PARALLEL})), return_exceptions=True)
    print(done.count(True), sum(isinstance(d, ConnectionRefusedError) for d in done))
asyncio.run(all(int(sys.argv[1])))
"""
NODE = f"""
Promise.allSettled(Array.from({{length: {PARALLEL}}}, () => fetch("http://127.0.0.1:" + process.argv[1] + "/hello").then(r => r.text())))
  .then(all => console.log(all.filter(r => r.value === "hello from the web\\n").length,
                           all.filter(r => r.reason && r.reason.cause.code === "ECONNREFUSED").length))
"""
JAVA = """
import java.net.*; import java.net.http.*; import java.util.stream.*;
class Many { public static void main(String[] args) {
	var client = HttpClient.newHttpClient();
	var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + args[0] + "/hello")).build();
	var all = IntStream.range(0, %d).mapToObj(i -> client.sendAsync(request, HttpResponse.BodyHandlers.ofString())
		.handle((r, e) -> e == null ? r.body() : "" + e.getCause())).toList();
	var done = all.stream().map(f -> f.join()).toList();
	System.out.println(done.stream().filter(t -> t.equals("hello from the web\\n")).count() + " "
		+ done.stream().filter(t -> t.contains("ConnectException")).count());
} }
""" % PARALLEL


@pytest.fixture(scope="module")
def java_client(tmp_path_factory):
    needs("java", "javac")
    top = tmp_path_factory.mktemp("java")
    (top / "Many.java").write_text(JAVA)
    subprocess.run(["javac", "-d", top, top / "Many.java"], check=True)
    settings = [w for path in ["/proc", *glob.glob("/etc/java*")] for w in ("-r", path)]
    return ["java", "-cp", str(top), "Many"], ["-r", str(top), *settings]


@pytest.fixture(params=["asyncio", "node", "java"])
def many(request):
    """Words that ask a port for the same page many times at once and print how many came and how many were refused."""
    if request.param == "asyncio":
        return [box.PYTHON, "-c", ASYNCIO], []
    if request.param == "java":
        return request.getfixturevalue("java_client")
    needs("node")
    if subprocess.run(["node", "-e", "fetch"], capture_output=True).returncode:
        pytest.skip("allowed: program: this node has no fetch")
    return ["node", "-e", NODE], []


def test_many_connections_at_once_are_all_judged(many, good, bad):
    words, options = many
    grant = [*options, "--net-allow", f"127.0.0.1:{good.port}", "--", *words]
    assert box.check(box.run(*grant, good.port)).stdout == f"{PARALLEL} 0\n"
    assert box.check(box.run(*grant, bad.port)).stdout == f"0 {PARALLEL}\n"
    assert good.count > 0 and bad.count == 0
    assert subprocess.run([*words, str(bad.port)], capture_output=True, text=True).stdout == f"{PARALLEL} 0\n"


def test_curl_fetches_many_in_parallel(good, bad, work):
    needs("curl")
    curl = ["-w", work, "--net-allow", f"127.0.0.1:{good.port}", "--", "curl", "-sS", "--max-time", "40", "--parallel",
            "--parallel-immediate", "--parallel-max", PARALLEL, "-o", work / "#1"]
    box.check(box.run(*curl, f"http://127.0.0.1:{good.port}/hello?[1-{PARALLEL}]"))
    assert [(work / str(i)).read_text() for i in range(1, PARALLEL + 1)] == ["hello from the web\n"] * PARALLEL
    assert box.run(*curl, f"http://127.0.0.1:{bad.port}/hello?[1-{PARALLEL}]").returncode == 7
    assert bad.count == 0


# --- over the cable: what left is what the rules say ---

@pytest.fixture(scope="module")
def world(made_lab):
    """A web server at every address of the far side."""
    top = tempfile.mkdtemp(prefix="slk-world.")
    with open(os.path.join(top, "hello"), "w") as out:
        out.write("hello from the world\n")
    where = ["ip", "netns", "exec", made_lab.world]
    ask = f"import socket; socket.create_connection(('192.0.2.10', {WORLD_PORT}), timeout=1)"

    def ready():
        return subprocess.run([*where, box.PYTHON, "-c", ask], capture_output=True).returncode == 0
    made = Background(*where, box.PYTHON, "-m", "http.server", "--bind", "::", WORLD_PORT, "--directory", top, ready=ready)
    yield made
    made.close()
    shutil.rmtree(top)


NAMES = {"api.example.com": {"A": ["198.51.100.7"], "AAAA": ["2001:db8:2::7"]}, "other.example.com": {"A": ["203.0.113.9"]}}
USERS = [pytest.param(None, id="root"), pytest.param(netlab.NOBODY, id="ordinary")]


@pytest.mark.root
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", CLIENTS)
def test_only_the_named_host_is_reached_over_the_cable(lab, world, name, user):
    client = CLIENTS[name]
    needs(*client.needs)
    lab.zone(NAMES)
    grant = [*client.options, "--net-allow", f"api.example.com:{WORLD_PORT}", "--env", "HOME=/", "--"]
    url = f"http://%s:{WORLD_PORT}/hello"
    done = lab.run(*grant, *client.words, url % "api.example.com", user=user, cwd="/")
    assert box.check(done).stdout == "hello from the world\n"
    for other in ("other.example.com", "192.0.2.10", "203.0.113.9", "[2001:db8:1::10]"):
        assert lab.run(*grant, *client.words, url % other, user=user, cwd="/").returncode != 0, other
    left = {(proto, to, port) for proto, to, port in lab.destinations() if port != 53}
    assert left and left <= {("tcp", "198.51.100.7", WORLD_PORT), ("tcp", "2001:db8:2::7", WORLD_PORT)}
    assert lab.names_asked() == {"api.example.com"}
    assert lab.bare(*client.words, url % "192.0.2.10", user=user, cwd="/").stdout == "hello from the world\n"


@pytest.mark.root
@pytest.mark.parametrize("user", USERS)
def test_dig_asks_the_granted_server_only(lab, user):
    needs("dig")
    lab.zone(NAMES)
    grant = ["--net-allow", f"udp://{netlab.NAMESERVER}:53", "--", "dig", "+short", "+tries=1", "+timeout=3"]
    done = lab.run(*grant, f"@{netlab.NAMESERVER}", "api.example.com", user=user, cwd="/")
    assert box.check(done).stdout == "198.51.100.7\n"
    assert lab.run(*grant, "@192.0.2.10", "api.example.com", user=user, cwd="/").returncode != 0
    assert lab.run(*grant, "-p", "5353", f"@{netlab.NAMESERVER}", "api.example.com", user=user, cwd="/").returncode != 0
    assert lab.destinations() == {("udp", netlab.NAMESERVER, 53)}
    lab.bare("dig", "+short", "+tries=1", "+timeout=1", "-p", "5353", "@192.0.2.10", "api.example.com", user=user)
    assert ("udp", "192.0.2.10", 5353) in lab.destinations()


@pytest.fixture
def ping_for_all(lab):
    setting = "/proc/sys/net/ipv4/ping_group_range"
    lab.bare("sh", "-c", f"echo '0 2147483647' >{setting}")
    yield lab
    lab.bare("sh", "-c", f"echo '1 0' >{setting}")


@pytest.mark.root
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("granted, other", [("192.0.2.10", "192.0.2.11"), ("2001:db8:1::10", "2001:db8:2::7")], ids=["v4", "v6"])
def test_ping_reaches_the_granted_host_only(ping_for_all, user, granted, other):
    needs("ping")
    lab = ping_for_all
    host = f"[{granted}]" if ":" in granted else granted
    # ping connects a UDP socket to port 1025, and sends nothing there, to learn its own address; as root it wants to drop
    # capabilities itself
    grant = ["--net-allow", f"icmp://{granted}", "--net-allow", f"udp://{host}:1025", *([] if user else ["--keep-caps"]),
             "--", "ping", "-n", "-c1", "-W3"]
    assert "1 received" in box.check(lab.run(*grant, granted, user=user, cwd="/")).stdout
    assert lab.run(*grant, other, user=user, cwd="/").returncode != 0
    assert lab.destinations() == {("icmp", granted, 0)}
    assert "1 received" in lab.bare("ping", "-n", "-c1", "-W3", other, user=user).stdout

"""The servers and load generators of the network benchmarks, and where they run."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

# Server and client have a processor each, with the supervisor on that of its sandbox: where the scheduler puts them, and
# when it moves them, would decide more than anything that is measured.
_ALLOWED = sorted(os.sched_getaffinity(0))
CLIENT, SERVER = (["taskset", "-c", str(cpu)] if shutil.which("taskset") else [] for cpu in (_ALLOWED[0], _ALLOWED[-1]))


def program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Echo:
    """bench-echo on a free port, bare or behind a prefix."""

    def __init__(self, b, kind, prefix=(), port=0):
        self.process = subprocess.Popen([*prefix, b.tool("echo"), kind, str(port)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self.port

    def __exit__(self, *unused):
        end(self.process)
        self.process.stdout.close()


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Listening:
    """A server of a program of this machine, from the moment when it answers."""

    def __init__(self, words, port):
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not answers(port):
            if self.process.poll() is not None or time.monotonic() > until:
                end(self.process)
                raise RuntimeError(f"{' '.join(words[-6:])} does not answer")
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        end(self.process)


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Redis:
    """A load: a server of a real program, and the words and the answer of what measures it."""
    title = "redis"
    programs = ("redis-server", "redis-benchmark")
    rounds = 21

    @staticmethod
    def server(b, prefix, port):
        return Listening([*prefix, "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                          "--daemonize", "no", "--dir", b.work], port)

    @staticmethod
    def client(port):
        return ["redis-benchmark", "-p", str(port), "-n", "10000", "-c", "20", "-t", "set,get", "--csv"]

    @staticmethod
    def rate(text):
        """Of as many SET as GET."""
        rates = [float(n) for n in re.findall(r'^"(?:SET|GET)","([\d.]+)"', text, re.M)]
        return len(rates) / sum(1 / n for n in rates)


CONFIGURATION = """
daemon off; worker_processes 1; pid {at}/pid; error_log {at}/error;{user}
events {{ worker_connections 256; }}
http {{
  access_log off; open_file_cache max=100; keepalive_requests 100000000; client_body_temp_path {at}/b; proxy_temp_path {at}/p;
  fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
  server {{ listen 127.0.0.1:{port}; root {at}; }}
}}
"""


class Nginx:
    title = "nginx and wrk"
    programs = ("nginx", "wrk")
    rounds = 9              # of a second, the least that wrk can

    @staticmethod
    def server(b, prefix, port):
        at = os.path.join(b.work, f"nginx{port}")
        os.makedirs(at)
        os.chmod(b.work, 0o755)
        for name, text in (("page", "x" * 1000), ("conf", CONFIGURATION.format(
                at=at, port=port, user=" user root;" if os.geteuid() == 0 else ""))):
            with open(os.path.join(at, name), "w") as f:
                f.write(text)
        return Listening([*prefix, program("nginx"), "-e", f"{at}/error", "-c", f"{at}/conf", "-p", at], port)

    @staticmethod
    def client(port):
        return ["wrk", "-t1", "-c16", "-d1", f"http://127.0.0.1:{port}/page"]

    @staticmethod
    def rate(text):
        if "Non-2xx" in text or "Socket errors" in text:
            raise RuntimeError(f"wrk: {text}")
        return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))

"""Two network namespaces with a cable between them: the sandbox's host, and a world that answers and writes down all it sees.

    host   192.0.2.2  2001:db8:1::2        default routes through the world
    world  WORLD4, WORLD6, and far addresses that only exist there; what it does not have is dropped without an answer

Only root can make them. `run` starts sandlock on the host side, as root or as an ordinary user.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import box

HOST4, HOST6 = "192.0.2.2", "2001:db8:1::2"
WORLD4 = ["192.0.2.10", "192.0.2.11", "192.0.2.12", "198.51.100.7", "203.0.113.9"]
WORLD6 = ["2001:db8:1::10", "2001:db8:2::7"]
PRIVATE = ["10.9.9.9", "169.254.169.254"]
NAMESERVER = "192.0.2.53"
BLACK_HOLE = "203.0.113.66"
NOBODY = 65534


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Lab:
    """Made once a session; `forget` empties what the world has seen."""

    def __init__(self):
        tag = f"slk{os.getpid()}"
        self.host, self.world = tag + "h", tag + "w"
        self.etc = f"/etc/netns/{self.host}"
        self.folder = tempfile.mkdtemp(prefix="sandlock-lab.")
        self.seen_path = os.path.join(self.folder, "seen")
        self.zone_path = os.path.join(self.folder, "zone")
        self.processes = []
        self.zone({})
        self._wire()
        os.makedirs(self.etc, exist_ok=True)
        for name, text in (("resolv.conf", f"nameserver {NAMESERVER}\noptions timeout:2 attempts:2\n"),
                           ("hosts", "127.0.0.1 localhost\n192.0.2.10 in-the-hosts-file.test\n"),
                           ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")):
            with open(os.path.join(self.etc, name), "w") as out:
                out.write(text)
        self._serve()

    def _wire(self):
        for name in (self.host, self.world):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", "up0", "netns", self.host, "type", "veth", "peer", "name", "down0", "netns", self.world)
        for name, link, v4, v6 in ((self.host, "up0", [HOST4], [HOST6]),
                                   (self.world, "down0", WORLD4[:3] + [NAMESERVER], WORLD6[:1])):
            for address in v4:
                _ip("-n", name, "addr", "add", address + "/24", "dev", link)
            for address in v6:
                _ip("-n", name, "addr", "add", address + "/64", "dev", link, "nodad")
            _ip("-n", name, "link", "set", link, "up")
        for address in WORLD4[3:] + PRIVATE:
            _ip("-n", self.world, "addr", "add", address + "/32", "dev", "lo")
        for address in WORLD6[1:]:
            _ip("-n", self.world, "addr", "add", address + "/128", "dev", "lo")
        _ip("-n", self.host, "route", "add", "default", "via", WORLD4[0])
        _ip("-n", self.host, "route", "add", "default", "via", WORLD6[0])

    def _serve(self):
        script = os.path.join(box.HELPERS, "world.py")
        self.processes.append(subprocess.Popen(
            ["ip", "netns", "exec", self.world, sys.executable, script, self.seen_path, self.zone_path, "down0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True))
        assert self.processes[-1].stdout.readline() == "ready\n", "the world did not start"

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        for name in (self.host, self.world):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        shutil.rmtree(self.etc, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- the zone: name -> {"A": [...], "AAAA": [...], "ttl": n, "then": {...}}; "then" answers from the 2nd query on

    def zone(self, names):
        with open(self.zone_path + ".new", "w") as out:
            json.dump(names, out)
        os.rename(self.zone_path + ".new", self.zone_path)

    # --- what came over the cable

    def forget(self):
        self._settle()
        open(self.seen_path, "w").close()

    def _settle(self):
        time.sleep(0.15)

    def seen(self):
        """Every packet from the host, as dictionaries: proto, to, port; for a query to a name server its name too."""
        self._settle()
        with open(self.seen_path) as lines:
            return [json.loads(line) for line in lines]

    def destinations(self):
        """Where programs sent to: the kernel repeats its own reports of memberships long after a program has left."""
        return {(p["proto"], p["to"], p["port"]) for p in self.seen() if p["proto"] not in ("igmp", "mld")}

    def names_asked(self):
        return {p["name"] for p in self.seen() if p.get("name")}

    # --- starting things on the host side

    def command(self, *words, user=None):
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        return ["ip", "netns", "exec", self.host, *as_user, *map(str, words)]

    def bare(self, *words, timeout=60, user=None, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.command(*words, user=user), capture_output=True, text=True, timeout=timeout, **kw)

    def run(self, *words, **kw):
        return self.bare(box.SANDLOCK, "run", *words, **kw)

    def python(self, code, *flags, **kw):
        return self.run(*flags, "--", box.PYTHON, "-c", code, **kw)

    def start(self, *words, user=None, **kw):
        for stream, default in (("stdin", subprocess.DEVNULL), ("stdout", subprocess.PIPE), ("stderr", subprocess.PIPE)):
            kw.setdefault(stream, default)
        return subprocess.Popen(self.command(box.SANDLOCK, "run", *words, user=user), text=True, **kw)

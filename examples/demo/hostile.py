#!/usr/bin/env python3
"""A program of the kind that one gets sent: it does its work, and then tries everything else.

It counts words in WORKDIR/text.txt, writes WORKDIR/result.txt, and then reaches for what it was not given.

    hostile.py WORKDIR SECRET PARENT_PID PORT
"""
import os
import signal
import socket
import sys
import time

WORKDIR, SECRET, PARENT, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def say(what, outcome):
    print(f"  {what:<42} {outcome}", flush=True)


def attempt(what, act):
    """One attempt: prints what came of it."""
    try:
        say(what, f"DONE: {act()}")
    except OSError as error:
        say(what, f"refused: {error.strerror}")
    except MemoryError:
        say(what, "refused: out of memory")


def work():
    with open(f"{WORKDIR}/text.txt") as text:
        words = text.read().split()
    with open(f"{WORKDIR}/result.txt", "w") as result:
        result.write(f"{len(words)} words, {len(set(words))} different ones\n")
    return f"result.txt: {len(words)} words"


def read_secret():
    with open(f"{SECRET}/passwords.txt") as file:
        return file.read().strip()


def write_outside():
    with open(f"{SECRET}/planted.sh", "w") as file:
        file.write("echo planted\n")
    return "planted.sh written"


def unlock_secret():
    os.chmod(f"{SECRET}/passwords.txt", 0o666)
    return "everybody may read it now"


def stop_parent():
    os.kill(PARENT, signal.SIGTERM)
    return f"process {PARENT} signalled"


def spy_on_parent():
    with open(f"/proc/{PARENT}/environ", "rb") as file:
        return f"{len(file.read())} bytes of its environment"


def phone_home():
    with socket.create_connection(("127.0.0.1", PORT), timeout=5) as connection:
        connection.sendall(b"the secret is ...\n")
    return "connected"


def fork_bomb(most=200):
    """Children that stay, until there are `most` of them; they are gone before this returns."""
    children = []
    try:
        while len(children) < most:
            pid = os.fork()
            if pid == 0:
                time.sleep(60)
                os._exit(0)
            children.append(pid)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} after {len(children)} processes") from None
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return f"{most} processes"


def memory_bomb(most=2048):
    """Real memory, a megabyte at a time, up to `most` of them."""
    hoard = []
    while len(hoard) < most:
        hoard.append(b"x" * (1 << 20))
    return f"{most} MiB"


def main():
    print("its own work:")
    attempt("count words, write the result", work)
    print("and the rest:")
    attempt("read a secret outside", read_secret)
    attempt("write outside", write_outside)
    attempt("change the mode of a file outside", unlock_secret)
    attempt("signal the process that started it", stop_parent)
    attempt("read that process's environment", spy_on_parent)
    attempt("connect to a server", phone_home)
    attempt("a fork bomb", fork_bomb)
    say("a memory bomb", "the last line, if it is killed for it")
    attempt("a memory bomb", memory_bomb)


main()

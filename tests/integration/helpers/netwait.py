"""Connects that wait: to the black hole at port argv[1], while the others at port argv[2] must not be delayed.

argv[3] says how many wait at once. Prints a line for each case, with times in tenths of a second.
"""
import ctypes
import errno
import os
import signal
import socket
import struct
import sys
import threading
import time

HOLE, OK, COUNT = ("127.0.0.1", int(sys.argv[1])), ("127.0.0.1", int(sys.argv[2])), int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)


def connect(s):
    """connect(2) as it is: Python repeats what a signal interrupts."""
    address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(HOLE[1]), socket.inet_aton(HOLE[0]))
    start = time.monotonic()
    rc = libc.connect(s.fileno(), address, len(address))
    return errno.errorcode[ctypes.get_errno()] if rc < 0 else 0, round(time.monotonic() - start, 1)


def after(seconds, act):
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 500000))
print("timeout", connect(s), connect(s))

got = []
signal.signal(signal.SIGALRM, lambda *x: got.append(1))
signal.siginterrupt(signal.SIGALRM, True)
s = socket.socket()
for i in range(2):
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    print("a signal", connect(s), len(got))

signal.siginterrupt(signal.SIGALRM, False)
s = socket.socket()
signal.setitimer(signal.ITIMER_REAL, 0.3)
timer = after(1.0, lambda: s.shutdown(socket.SHUT_RDWR))
print("a signal that restarts, then shutdown", connect(s), len(got))
timer.join()

for i in range(COUNT):
    threading.Thread(target=lambda: socket.socket().connect(HOLE), daemon=True).start()
time.sleep(0.5)
slowest = 0
for i in range(50):
    start = time.monotonic()
    socket.create_connection(OK).close()
    slowest = max(slowest, time.monotonic() - start)
print(COUNT, "wait, and nobody else does" if slowest < 0.25 else f"wait, and another one waited {slowest:.2f} s")
sys.stdout.flush()
os._exit(0)

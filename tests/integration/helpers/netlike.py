"""Connections and messages of every kind to the port in argv[1], and to the forbidden one in argv[2]: a line for each.

Without a sandbox and inside of one the lines are the same, but for those that begin with "forbidden".
"""
import errno
import os
import signal
import socket
import struct
import sys
import threading
import time

PORT, OTHER = int(sys.argv[1]), int(sys.argv[2])
HERE, THERE = ("127.0.0.1", PORT), ("127.0.0.1", OTHER)


def say(what, act):
    try:
        result = act()
    except OSError as e:
        result = errno.errorcode.get(e.errno, e.errno)
    print(f"{what}: {result}", flush=True)


def connections():
    s = socket.socket()
    say("connect", lambda: s.connect(HERE))
    say("connect again", lambda: s.connect(HERE))
    say("blocks as before", lambda: os.get_blocking(s.fileno()))
    say("forbidden connect", lambda: socket.socket().connect(THERE))
    s = socket.socket()
    s.setblocking(False)
    say("non-blocking", lambda: s.connect(HERE))
    time.sleep(0.05)
    say("its error", lambda: s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    say("second connect", lambda: s.connect(HERE))
    say("third connect", lambda: s.connect(HERE))
    say("mapped", lambda: socket.socket(socket.AF_INET6).connect(("::ffff:127.0.0.1", PORT)))
    say("forbidden mapped", lambda: socket.socket(socket.AF_INET6).connect(("::ffff:127.0.0.1", OTHER)))
    say("IPv6", lambda: socket.socket(socket.AF_INET6).connect(("::1", PORT)))
    say("forbidden IPv6", lambda: socket.socket(socket.AF_INET6).connect(("::1", OTHER)))
    say("forbidden by any address", lambda: socket.socket().connect(("0.0.0.0", OTHER)))
    say("forbidden by another loopback", lambda: socket.socket().connect(("127.9.9.9", PORT)))


def datagrams():
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    say("sendto", lambda: u.sendto(b"x" * 100, HERE))
    say("forbidden sendto", lambda: u.sendto(b"x", THERE))
    say("sendmsg", lambda: u.sendmsg([b"ab", b"cd"] * 20, [], 0, HERE))
    say("forbidden sendmsg", lambda: u.sendmsg([b"ab", b"cd"], [], 0, THERE))
    for size in (0, 4096, 4097, 65507, 65508, 100000):
        say(f"datagram of {size}", lambda: u.sendto(b"x" * size, HERE))
    say("UDP connect", lambda: u.connect(HERE))
    say("forbidden UDP connect", lambda: u.connect(THERE))
    info = struct.pack("=i4s4s", 0, socket.inet_aton("127.0.0.1"), socket.inet_aton("0.0.0.0"))
    v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    say("source address", lambda: v.sendmsg([b"x"], [(socket.IPPROTO_IP, 8, info)], 0, HERE))
    route = bytes([131, 7, 4]) + socket.inet_aton("127.0.0.2") + b"\0"
    say("forbidden source route", lambda: v.sendmsg([b"x"], [(socket.IPPROTO_IP, 7, route)], 0, HERE) and "sent or no such route")


def unix_pairs():
    a, b = socket.socketpair()
    say("pair", lambda: (a.sendmsg([b"hello"]), b.recv(10)))
    reader, writer = os.pipe()
    socket.send_fds(a, [b"fd"], [writer])
    text, fds, _, _ = socket.recv_fds(b, 10, 5)
    os.write(fds[0], b"through")
    say("descriptor", lambda: (text, os.read(reader, 10)))
    say("bad descriptor", lambda: socket.send_fds(a, [b"fd"], [999]))
    say("own ids", lambda: a.sendmsg([b"ids"], [(socket.SOL_SOCKET, 2, struct.pack("iII", os.getpid(), os.getuid(), os.getgid()))]))
    b.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    c, d = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    say("packets", lambda: (c.sendmsg([b"one"]), c.sendmsg([b"two"]), d.recv(10), d.recv(10)))
    a.close()
    got = []
    signal.signal(signal.SIGPIPE, lambda *x: got.append("SIGPIPE"))
    say("broken pipe", lambda: b.sendmsg([b"x"]))
    say("its signal", lambda: got)
    say("without signal", lambda: b.sendmsg([b"x"], [], socket.MSG_NOSIGNAL))
    say("signals", lambda: got)


def long_sends():
    a, b = socket.socketpair()
    slow = threading.Timer(0.3, lambda reader=b: [reader.recv(1 << 20) for _ in range(1000)])
    slow.daemon = True
    slow.start()
    start = time.time()
    say("blocking send of 6 MB", lambda: a.sendmsg([b"z" * 3000000] * 2))
    say("it waited", lambda: time.time() - start > 0.2)
    a, b = socket.socketpair()
    a.setblocking(False)
    say("non-blocking send is cut", lambda: 0 < a.sendmsg([b"z" * 3000000]) < 3000000)
    a, b = socket.socketpair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 300000))
    say("send with timeout is cut", lambda: 0 < a.sendmsg([b"z" * 3000000]) < 3000000)
    t = socket.create_connection(HERE)
    say("TCP sendmsg", lambda: t.sendmsg([b"q" * 500000]))
    say("TCP name is not looked at", lambda: t.sendmsg([b"q"], [], 0, THERE))


connections()
datagrams()
unix_pairs()
long_sends()

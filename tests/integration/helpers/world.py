"""The far side of netlab.py: echoes on TCP and UDP, a name server, and a record of every packet that arrives.

    world.py SEEN ZONE LINK

TCP and UDP: ports 80, 443, 7001 to 7004 and 853, 5353 send back what they get (TCP: prefixed by the local address).
The name server answers from the file ZONE, read anew for each query.
"""
import json
import selectors
import socket
import struct
import sys
import threading

ECHO_PORTS = [80, 443, 853, 5353, 7001, 7002, 7003, 7004]
NAMESERVER = "192.0.2.53"
TYPES = {"A": 1, "AAAA": 28}


# --- the record ---

def record(link, path):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    raw.bind((link, 0))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    while True:
        packet, source = raw.recvfrom(65536)
        if source[2] == socket.PACKET_OUTGOING:
            continue
        entry = describe(packet, source[1])
        entries = ([entry] if entry else []) + reports(packet, source[1])
        if entries:
            with open(path, "a") as out:
                out.write("".join(json.dumps(e) + "\n" for e in entries))


def describe(packet, ethertype):
    if ethertype == 0x0800:
        proto, to, rest = packet[9], socket.inet_ntop(socket.AF_INET, packet[16:20]), packet[(packet[0] & 15) * 4:]
        if proto == 2:
            return None                                         # see reports()
    elif ethertype == 0x86dd:
        proto, to, rest = packet[6], socket.inet_ntop(socket.AF_INET6, packet[24:40]), packet[40:]
        if proto in (0, 58) and to.startswith("ff02"):
            return None                                         # the link's own housekeeping
        if proto == 58 and rest and rest[0] in (133, 134, 135, 136, 143):
            return None
    else:
        return None
    name = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}.get(proto, str(proto))
    entry = {"proto": name, "to": to, "port": 0}
    if name in ("tcp", "udp") and len(rest) >= 4:
        entry["port"] = struct.unpack("!H", rest[2:4])[0]
    if name == "udp" and entry["port"] == 53:
        try:
            entry["name"] = question(rest[8:])[0]
        except (IndexError, ValueError):
            pass
    return entry


def reports(packet, ethertype):
    """One entry a group that is joined or left. Of IPv6 only ff15::/16, which no kernel joins by itself."""
    if ethertype == 0x0800 and packet[9] == 2:
        proto, family, size, at = "igmp", socket.AF_INET, 4, (packet[0] & 15) * 4
        if packet[at] != 0x22:
            return ours(proto, [socket.inet_ntop(family, packet[at + 4:at + 8])])
    elif ethertype == 0x86dd and packet[6] == 0 and packet[40] == 58 and packet[48] in (131, 132, 143):
        proto, family, size, at = "mld", socket.AF_INET6, 16, 48
        if packet[at] != 143:
            return ours(proto, [socket.inet_ntop(family, packet[at + 8:at + 24])])
    else:
        return []
    groups, record = [], at + 8
    for _ in range(struct.unpack("!H", packet[at + 6:at + 8])[0]):
        auxiliary, sources = packet[record + 1], struct.unpack("!H", packet[record + 2:record + 4])[0]
        groups.append(socket.inet_ntop(family, packet[record + 4:record + 4 + size]))
        record += 4 + size * (1 + sources) + 4 * auxiliary
    return ours(proto, groups)


def ours(proto, groups):
    return [{"proto": proto, "to": g, "port": 0} for g in groups if proto == "igmp" or g.startswith("ff15:")]


# --- the name server ---

def question(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    return ".".join(labels).lower(), struct.unpack("!H", query[at + 1:at + 3])[0], query[12:at + 5]


asked = {}


def answer(query, zone_path):
    name, kind, echoed = question(query)
    with open(zone_path) as f:
        entry = json.load(f).get(name)
    asked[name, kind] = asked.get((name, kind), 0) + 1
    records = []
    if entry and asked[name, kind] > 1 and "then" in entry:
        entry = entry["then"]
    if entry:
        for text in entry.get({v: k for k, v in TYPES.items()}.get(kind, ""), []):
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            data = socket.inet_pton(family, text)
            records.append(struct.pack("!HHHIH", 0xc00c, kind, 1, entry.get("ttl", 60), len(data)) + data)
    code = 0 if entry else 3
    head = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(records), 0, 0)
    return head + echoed + b"".join(records)


def serve_names(zone_path):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((NAMESERVER, 53))                                  # an answer comes from the address that was asked
    while True:
        query, peer = udp.recvfrom(4096)
        try:
            udp.sendto(answer(query, zone_path), peer)
        except (IndexError, ValueError, OSError):
            pass


# --- echoes ---

def echo_tcp(connection):
    with connection:
        connection.sendall(connection.getsockname()[0].encode() + b"\n")
        while True:
            try:
                data = connection.recv(65536)
            except OSError:
                return
            if not data:
                return
            connection.sendall(data)


def serve_echoes():
    picker = selectors.DefaultSelector()
    for port in ECHO_PORTS:
        tcp = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
        picker.register(tcp, selectors.EVENT_READ, "tcp")
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            udp = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            udp.bind((address, port))
            picker.register(udp, selectors.EVENT_READ, "udp")
    print("ready", flush=True)
    while True:
        for key, _ in picker.select():
            if key.data == "tcp":
                threading.Thread(target=echo_tcp, args=(key.fileobj.accept()[0],), daemon=True).start()
            else:
                data, peer = key.fileobj.recvfrom(65536)
                key.fileobj.sendto(data, peer)


def main():
    seen, zone, link = sys.argv[1:]
    open(seen, "w").close()
    threading.Thread(target=record, args=(link, seen), daemon=True).start()
    threading.Thread(target=serve_names, args=(zone,), daemon=True).start()
    serve_echoes()


main()

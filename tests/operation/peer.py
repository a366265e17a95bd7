"""A next hop that speaks LMTP in the clear and tells with which DSCP each message came to it.

usage: peer.py ADDRESS

Says one line of JSON when it listens, {"port", "raw"}, and one for each message: {"precedence", "fresh",
"syn", "data"}. "syn" is the mark of the packet that opened the connection (TCP_SAVED_SYN), "fresh" whether
this is its first message; "data" are the marks of all packets with content since the message before on
this connection, as a raw socket sees them, or null where this process may not have one ("raw").
"""

import json
import socket
import struct
import sys
import threading

TCP_SAVE_SYN, TCP_SAVED_SYN = 27, 28
address = sys.argv[1]
family = socket.AF_INET6 if ":" in address else socket.AF_INET

listener = socket.socket(family, socket.SOCK_STREAM)
listener.setsockopt(socket.IPPROTO_TCP, TCP_SAVE_SYN, 1)
listener.bind((address, 0))
listener.listen()
port = listener.getsockname()[1]

try:
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    if family == socket.AF_INET6:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    raw.bind((address, 0))
    raw.setblocking(False)
except OSError:
    raw = None

marks = {}
lock = threading.Lock()


def look():
    """Takes in what the raw socket has: the kernel shows a packet there before it hands it to TCP."""
    while True:
        try:
            packet, ancillary, _, _ = raw.recvmsg(65535, 256)
        except BlockingIOError:
            return
        if family == socket.AF_INET:
            mark, packet = packet[1], packet[(packet[0] & 15) * 4 :]
        else:
            wanted = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
            mark = next(struct.unpack("i", data)[0] for level, kind, data in ancillary if (level, kind) == wanted)
        source, target = struct.unpack("!HH", packet[:4])
        if target == port and len(packet) > (packet[12] >> 4) * 4:
            marks.setdefault(source, set()).add(mark >> 2)


def opened_with(connection):
    header = connection.getsockopt(socket.IPPROTO_TCP, TCP_SAVED_SYN, 256)
    if family == socket.AF_INET:
        return header[1] >> 2
    return (struct.unpack("!H", header[:2])[0] >> 4 & 0xFF) >> 2


def serve(connection, source):
    syn, fresh, recipients = opened_with(connection), True, 0
    stream = connection.makefile("rwb")

    def say(line):
        stream.write(line + b"\r\n")
        stream.flush()

    say(b"220 peer")
    for line in stream:
        verb = line[:4].upper()
        if verb == b"LHLO":
            say(b"250-peer\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES")
        elif verb == b"QUIT":
            say(b"221 2.0.0 bye")
            return
        elif verb == b"DATA":
            say(b"354 go on")
            precedence = None
            while (line := stream.readline()) not in (b".\r\n", b""):
                if line.startswith(b"MMHS-Primary-Precedence:") and precedence is None:
                    precedence = line.split(b":")[1].split()[0].decode()
            with lock:
                data = None
                if raw:
                    look()
                    data = sorted(marks.pop(source, set()))
                print(json.dumps({"precedence": precedence, "fresh": fresh, "syn": syn, "data": data}), flush=True)
            fresh = False
            for _ in range(recipients):
                say(b"250 2.0.0 kept")
            recipients = 0
        else:
            recipients += verb == b"RCPT"
            say(b"250 2.0.0 taken")


print(json.dumps({"port": port, "raw": raw is not None}), flush=True)
while True:
    accepted, peer = listener.accept()
    threading.Thread(target=serve, args=(accepted, peer[1]), daemon=True).start()

"""The servers of the tests' internet, and those of the machine that actions must not reach."""

import asyncio
import hashlib
import struct
import sys
import time

INTERNET = ["203.0.113.10", "2001:db8:2::10"]
ADDRESSES = {
    "www.example.test": "203.0.113.10",
    "loopback.example.test": "127.0.0.1",
    "metadata.example.test": "169.254.169.254",
    "machine.example.test": "198.51.100.2",
}
# Too many for a datagram without extensions.
LONG = ["203.0.113.%d" % last for last in range(1, 101)]


def pattern(length):
    """Bytes that any shift, loss or doubling changes."""
    block = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(2048))
    return (block * (length // len(block) + 1))[:length]


async def web(reader, writer):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n")[0].decode().split()
        fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if ": " in line)
        if method == "POST":
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            answer = hashlib.sha256(body).hexdigest().encode()
        elif path.startswith("/bytes/"):
            answer = pattern(int(path.removeprefix("/bytes/")))
        elif path == "/progress":
            answer = b"%d %d" % (progress.written, (time.monotonic() - progress.at) * 1000)
        else:
            answer = b"hello " + writer.get_extra_info("peername")[0].encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(answer) + answer)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def after_all(reader, writer):
    """Answers when nothing more comes: what came, and how much that was."""
    data = await reader.read(-1)
    writer.write(b"%d:" % len(data) + data)
    writer.close()


async def silent(reader, writer):
    """Neither reads nor writes."""
    reader.feed_data = lambda data: writer.transport.pause_reading()
    await asyncio.sleep(3600)


async def endless(_, writer):
    """Writes without end."""
    block = pattern(1 << 16)
    try:
        while True:
            writer.write(block)
            await writer.drain()
    except ConnectionError:
        pass


class Progress:
    written = 0
    at = time.monotonic()


progress = Progress()


async def measured(_, writer):
    """Writes without end and keeps account of it."""
    block = pattern(1 << 14)
    handed, progress.written, progress.at = 0, 0, time.monotonic()
    writer.transport.set_write_buffer_limits(0)
    try:
        while True:
            writer.write(block)
            await writer.drain()
            handed += len(block)
            progress.written, progress.at = handed, time.monotonic()
    except ConnectionError:
        pass


async def breaks_off(reader, writer):
    """Resets the connection after the first byte."""
    await reader.read(1)
    own = writer.get_extra_info("socket")
    own.setsockopt(1, 13, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def echo(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, sender):
        self.transport.sendto(data, sender)


def answer(message, longest):
    """Answers a question about an address; only IPv4 addresses and one IPv6 address exist."""
    end = 12
    labels = []
    while message[end]:
        labels.append(message[end + 1 : end + 1 + message[end]].decode().lower())
        end += 1 + message[end]
    kind = struct.unpack("!H", message[end + 1 : end + 3])[0]
    question = message[12 : end + 5]
    name = ".".join(labels)
    records = []
    if kind == 1 and name in ADDRESSES:
        records = [ADDRESSES[name]]
    elif kind == 1 and name == "long.example.test":
        records = LONG
    known = name in ADDRESSES or name in ("long.example.test", "six.example.test")
    data = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH4B", 1, 1, 60, 4, *map(int, record.split("."))) for record in records
    )
    count = len(records)
    if kind == 28 and name == "six.example.test":
        address = struct.pack("!8H", 0x2001, 0xDB8, 2, 0, 0, 0, 0, 0x10)
        data, count = b"\xc0\x0c" + struct.pack("!HHIH", 28, 1, 60, 16) + address, 1
    flags = 0x8180 if known else 0x8183
    if 12 + len(question) + len(data) > longest:
        flags, data, count = flags | 0x0200, b"", 0
    return message[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + data


class Names(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, sender):
        self.transport.sendto(answer(data, 512), sender)


async def names(reader, writer):
    try:
        while True:
            length = struct.unpack("!H", await reader.readexactly(2))[0]
            reply = answer(await reader.readexactly(length), 65535)
            writer.write(struct.pack("!H", len(reply)) + reply)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(role):
    loop = asyncio.get_running_loop()
    if role == "internet":
        services = {80: web, 7: echo, 9: silent, 10: after_all, 11: breaks_off, 19: endless, 20: measured}
        for port, service in services.items():
            await asyncio.start_server(service, None, port, backlog=1024)
        for address in INTERNET:
            await loop.create_datagram_endpoint(Echo, (address, 7))
    else:
        await asyncio.start_server(web, None, 8080)
        await asyncio.start_server(names, "127.0.0.53", 53)
        await loop.create_datagram_endpoint(Names, ("127.0.0.53", 53))
        await loop.create_datagram_endpoint(Echo, ("0.0.0.0", 8080))
    print("ready", flush=True)
    await asyncio.sleep(86400)


asyncio.run(main(sys.argv[1]))

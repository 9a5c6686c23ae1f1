"""Reads and writes PNG with the standard library: 8 bits a channel, grey, RGB or RGBA, not interlaced."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 6: 4}
COLOUR_TYPES = {channels: code for code, channels in CHANNELS.items()}
MOST_PIXELS = 4_000_000


def decode(content):
    """Returns width, height, channels and the bytes of all pixels, row by row; raises ValueError."""
    if not content.startswith(SIGNATURE):
        raise ValueError("this is no PNG")
    header, packed = None, []
    for kind, data in chunks(content):
        if kind == b"IHDR":
            if len(data) != 13:
                raise ValueError("the header is damaged")
            header = struct.unpack(">IIBBBBB", data)
        elif kind == b"IDAT":
            packed.append(data)
    if header is None:
        raise ValueError("the header is missing")
    width, height, depth, colour, _, _, interlaced = header
    if depth != 8 or colour not in CHANNELS or interlaced:
        raise ValueError("only 8 bit grey, RGB and RGBA pictures without interlacing are supported")
    if not 0 < width * height <= MOST_PIXELS:
        raise ValueError(f"the picture has more than {MOST_PIXELS} pixels, or none")
    channels = CHANNELS[colour]
    size = (width * channels + 1) * height
    unpacking = zlib.decompressobj()
    try:
        # The size is known, so a small file cannot blow up in memory.
        raw = unpacking.decompress(b"".join(packed), size)
    except zlib.error:
        raise ValueError("the pixels are damaged") from None
    if len(raw) != size:
        raise ValueError("pixels are missing")
    return width, height, channels, unfilter(raw, width * channels, height, channels)


def chunks(content):
    place = len(SIGNATURE)
    while place < len(content):
        if place + 12 > len(content):
            raise ValueError("the file is cut off")
        (length,) = struct.unpack_from(">I", content, place)
        body = content[place + 4 : place + 8 + length]
        if place + 12 + length > len(content) or zlib.crc32(body) != struct.unpack_from(">I", content, place + 8 + length)[0]:
            raise ValueError("the file is damaged")
        yield body[:4], body[4:]
        place += 12 + length


def unfilter(raw, stride, height, channels):
    """Undoes what each row was filtered with: its left, upper and upper left neighbours."""
    pixels = bytearray()
    above = bytes(stride)
    for y in range(height):
        start = y * (stride + 1)
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        if kind > 4:
            raise ValueError("the pixels are damaged")
        for x in range(stride if kind else 0):
            left = row[x - channels] if x >= channels else 0
            corner = above[x - channels] if x >= channels else 0
            row[x] = (row[x] + (0, left, above[x], (left + above[x]) // 2, nearest(left, above[x], corner))[kind]) & 255
        pixels += row
        above = row
    return bytes(pixels)


def nearest(left, up, corner):
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def encode(width, height, channels, pixels):
    stride = width * channels
    rows = b"".join(b"\0" + pixels[y * stride : (y + 1) * stride] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

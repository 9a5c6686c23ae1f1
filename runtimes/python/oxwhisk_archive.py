"""Unpacks zip and tar.gz archives into a folder.

Names that would lead out of the folder, encrypted entries, wrong checksums and sizes beyond the free space fail the archive
as a whole: an action that is only partly there would fail later and less clearly. The standard library's `zipfile` and
`tarfile` are not used, since importing them takes longer than most actions do.
"""

import os
import zlib

PIECE = 1 << 16


class Damaged(Exception):
    """An archive that cannot be unpacked."""


def unpack(content, folder):
    """Fills `folder` from a zip or tar.gz archive; raises `Damaged`."""
    target = Folder(folder)
    try:
        if content.startswith(b"PK"):
            Zip(content).unpack(target)
        else:
            Tar(content, target.free).unpack(target)
        target.make_links()
    except (IndexError, ValueError, OverflowError, OSError, zlib.error) as error:
        raise Damaged(str(error)) from None


class Folder:
    """A folder that is being filled.

    Symbolic links are made last, so that nothing is ever written through one. They may lead anywhere, as `bin/python` of a
    virtual environment does.
    """

    def __init__(self, root):
        space = os.statvfs(root)
        self.root = root
        self.free = space.f_bavail * space.f_frsize
        self.made = {""}
        self.links = []

    def reserve(self, size):
        """Takes `size` bytes off the free space before anything of that size is unpacked."""
        self.free -= size
        if self.free < 0:
            raise Damaged("it does not fit into the free space of the action's folder")

    def folder(self, name):
        if name not in self.made:
            os.makedirs(f"{self.root}/{name}", exist_ok=True)
            self.made.add(name)

    def file(self, name, pieces, mode):
        self.folder(os.path.dirname(name))
        # The owner can always read and replace what was unpacked; other bits are the archive's.
        descriptor = os.open(f"{self.root}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode & 0o777 | 0o600)
        with open(descriptor, "wb", 0) as file:
            for piece in pieces:
                file.write(piece)

    def symlink(self, name, target):
        if not target or "\0" in target:
            raise Damaged(f"the link {name!r} leads nowhere")
        self.links.append((name, target))

    def hardlink(self, name, target):
        self.folder(os.path.dirname(name))
        os.link(f"{self.root}/{target}", f"{self.root}/{name}")

    def make_links(self):
        for name, _ in self.links:
            self.folder(os.path.dirname(name))
        for name, target in self.links:
            os.symlink(target, f"{self.root}/{name}")


def safe_name(name):
    """Returns the name without parts that mean nothing."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise Damaged(f"it holds the unsafe name {name!r}")
    return "/".join(parts)


def number(data, start, size):
    """Returns a little-endian number."""
    if start < 0 or start + size > len(data):
        raise Damaged("it is cut short")
    return int.from_bytes(data[start : start + size], "little")


class Entry:
    """What a zip archive's directory says about one entry."""

    __slots__ = ("name", "host", "flags", "method", "checksum", "packed", "size", "mode", "local")


class Zip:
    END = b"PK\x05\x06"
    END_64 = b"PK\x06\x06"
    LOCATOR_64 = b"PK\x06\x07"
    CENTRAL = b"PK\x01\x02"
    LOCAL = b"PK\x03\x04"
    ENCRYPTED = 1
    UTF8 = 1 << 11
    FAT, UNIX = 0, 3
    STORED, DEFLATED = 0, 8

    def __init__(self, content):
        self.content = content

    def unpack(self, target):
        place, count = self.directory()
        entries = []
        for _ in range(count):
            if self.content[place : place + 4] != self.CENTRAL:
                raise Damaged("its directory is damaged")
            entry, place = self.entry(place)
            target.reserve(entry.size)
            entries.append(entry)
        for entry in entries:
            self.unpack_entry(entry, target)

    def directory(self):
        """Returns where the central directory begins and how many entries it has."""
        content = self.content
        end = content.rfind(self.END, max(0, len(content) - 22 - 0xFFFF))
        if end == -1:
            raise Damaged("its directory is missing")
        count, place = number(content, end + 10, 2), number(content, end + 16, 4)
        if (count == 0xFFFF or place == 0xFFFFFFFF) and content[end - 20 : end - 16] == self.LOCATOR_64:
            end = number(content, end - 12, 8)
            if content[end : end + 4] != self.END_64:
                raise Damaged("its directory is damaged")
            count, place = number(content, end + 32, 8), number(content, end + 48, 8)
        return place, count

    def entry(self, place):
        """Returns what the central record at `place` says, and where the next record is."""
        content = self.content
        entry = Entry()
        entry.host, entry.flags, entry.method = content[place + 5], number(content, place + 8, 2), number(content, place + 10, 2)
        entry.checksum, packed, size = (number(content, place + at, 4) for at in (16, 20, 24))
        name_size, extra_size, comment_size = (number(content, place + at, 2) for at in (28, 30, 32))
        entry.mode, local = number(content, place + 40, 2), number(content, place + 42, 4)
        extra = place + 46 + name_size
        entry.size, entry.packed, entry.local = self.widened(content[extra : extra + extra_size], [size, packed, local])
        coding = "cp437" if entry.host == self.FAT and not entry.flags & self.UTF8 else "utf-8"
        entry.name = content[place + 46 : extra].decode(coding, "surrogateescape")
        return entry, extra + extra_size + comment_size

    def unpack_entry(self, entry, target):
        # Old Windows tools write backslashes; elsewhere they are part of a name.
        name = safe_name(entry.name.replace("\\", "/") if entry.host == self.FAT else entry.name)
        if entry.name.endswith("/") or not name:
            target.folder(name)
            return
        if entry.flags & self.ENCRYPTED:
            raise Damaged(f"the entry {name!r} is encrypted")
        pieces = self.pieces(entry)
        if entry.host == self.UNIX and entry.mode & 0o170000 == 0o120000:
            target.symlink(name, b"".join(pieces).decode("utf-8", "surrogateescape"))
        else:
            target.file(name, pieces, entry.mode if entry.host == self.UNIX and entry.mode else 0o644)

    @staticmethod
    def widened(extra, fields):
        """Replaces numbers that do not fit into 32 bits by those of the zip64 extra field."""
        at = 0
        while at + 4 <= len(extra):
            if number(extra, at, 2) == 1:
                place = at + 4
                for index, field in enumerate(fields):
                    if field == 0xFFFFFFFF:
                        fields[index] = number(extra, place, 8)
                        place += 8
            at += 4 + number(extra, at + 2, 2)
        return fields

    def pieces(self, entry):
        """Yields the content of an entry and checks it."""
        content, local = self.content, entry.local
        if content[local : local + 4] != self.LOCAL:
            raise Damaged(f"the entry {entry.name!r} is damaged")
        start = local + 30 + number(content, local + 26, 2) + number(content, local + 28, 2)
        if start + entry.packed > len(content):
            raise Damaged("it is cut short")
        source = memoryview(content)[start : start + entry.packed]
        if entry.method == self.DEFLATED:
            pieces = inflate(source, -15, entry.size)
        elif entry.method == self.STORED:
            pieces = [source]
        else:
            raise Damaged(f"the entry {entry.name!r} is packed with the unsupported method {entry.method}")
        left, found = entry.size, 0
        for piece in pieces:
            left -= len(piece)
            found = zlib.crc32(piece, found)
            yield piece
        if left != 0 or found != entry.checksum:
            raise Damaged(f"the entry {entry.name!r} is damaged")


def inflate(source, window, limit):
    """Yields what `source` holds, piece by piece; more than `limit` bytes are an error."""
    machine = zlib.decompressobj(window)
    total = 0
    rest = source
    while not machine.eof:
        piece = machine.decompress(rest, PIECE)
        rest = machine.unconsumed_tail
        total += len(piece)
        if total > limit:
            raise Damaged("it holds more than it says, or more than fits")
        if not piece and not rest and not machine.eof:
            raise Damaged("it is cut short")
        yield piece


class Tar:
    BLOCK = 512

    def __init__(self, content, free):
        # One header for each entry besides its content, and empty blocks at the end.
        self.content = b"".join(inflate(content, 31, free * 2 + (1 << 20)))

    def unpack(self, target):
        content = self.content
        place = 0
        said = {}
        while place + self.BLOCK <= len(content) and content[place] != 0:
            header = content[place : place + self.BLOCK]
            self.check(header)
            size = said.pop("size", None) or self.octal(header, 124, 12)
            start = place + self.BLOCK
            if start + size > len(content):
                raise Damaged("it is cut short")
            body = memoryview(content)[start : start + size]
            place = start + -(-size // self.BLOCK) * self.BLOCK
            kind = header[156:157]
            if kind == b"x":
                said.update(self.records(bytes(body)))
            elif kind == b"L":
                said["path"] = self.text(bytes(body))
            elif kind == b"K":
                said["linkpath"] = self.text(bytes(body))
            elif kind != b"g":
                self.unpack_entry(header, kind, said, body, target)
                said = {}

    def unpack_entry(self, header, kind, said, body, target):
        raw = said.get("path") or self.name(header)
        name = safe_name(raw)
        link = said.get("linkpath") or self.text(header[157:257])
        plain = kind in (b"0", b"\0", b"7")
        if kind == b"5" or (plain and raw.endswith("/")) or not name:
            target.folder(name)
        elif kind == b"2":
            target.symlink(name, link)
        elif kind == b"1":
            target.hardlink(name, safe_name(link))
        elif plain:
            # Devices and pipes have no business in an action.
            target.reserve(len(body))
            target.file(name, [body], self.octal(header, 100, 8))

    def check(self, header):
        if sum(header[:148]) + 8 * 32 + sum(header[156:]) != self.octal(header, 148, 8):
            raise Damaged("it is damaged")

    def name(self, header):
        prefix = self.text(header[345:500]) if header[257:262] == b"ustar" else ""
        name = self.text(header[:100])
        return f"{prefix}/{name}" if prefix else name

    @staticmethod
    def text(data):
        return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def octal(self, header, start, size):
        digits = self.text(header[start : start + size]).strip()
        return int(digits, 8) if digits else 0

    @staticmethod
    def records(data):
        """Returns the members of an extended header that matter here; each record is `<length> <key>=<value>\\n`."""
        found = {}
        while data:
            length, _, _ = data.partition(b" ")
            record = data[len(length) + 1 : int(length) - 1]
            if not record:
                raise Damaged("it is damaged")
            key, _, value = record.partition(b"=")
            if key in (b"path", b"linkpath"):
                found[key.decode()] = value.decode("utf-8", "surrogateescape")
            elif key == b"size":
                found["size"] = int(value)
            data = data[int(length) :]
        return found

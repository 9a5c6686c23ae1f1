"""Drives a launcher as the platform does: a child process with a socket on descriptor 3 and pipes for its output."""

import base64
import gzip
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
import zipfile

FOLDER = pathlib.Path(__file__).resolve().parent.parent
SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"
FLAGS = ["-S", "-E", "-s", "-X", "utf8"]
# Long enough for a loaded machine, in seconds; a test that passes never waits for it.
DEADLINE = 30


class Launcher:
    def __init__(self, env=None, flags=FLAGS, python=sys.executable):
        ours, theirs = socket.socketpair()
        self.folder = tempfile.mkdtemp(prefix="oxwhisk-test-")

        def place_channel():
            os.dup2(theirs.fileno(), 3)
            os.set_inheritable(3, True)

        self.process = subprocess.Popen(
            [python, *flags, str(FOLDER / "launcher.py")],
            close_fds=False,
            preexec_fn=place_channel,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/tmp",
            env={"PATH": os.environ["PATH"], "HOME": "/tmp", "TMPDIR": self.folder, "__OW_API_HOST": "http://api.example", **(env or {})},
        )
        theirs.close()
        ours.settimeout(DEADLINE)
        self.channel = ours
        self.answers = ours.makefile("rb")
        self.output = {}
        self.readers = [threading.Thread(target=self.read, args=(name,), daemon=True) for name in ("stdout", "stderr")]
        for reader in self.readers:
            reader.start()

    def read(self, name):
        self.output[name] = getattr(self.process, name).read()

    def line(self):
        return self.answers.readline().decode()

    def write(self, text):
        self.channel.sendall(text if isinstance(text, bytes) else text.encode())

    def send(self, message):
        self.write(json.dumps(message) + "\n")

    def init(self, code, main="main", binary=False, env=None):
        self.send({"init": {"value": {"name": "hello", "main": main, "code": code, "binary": binary, "env": env or {}}}})
        return json.loads(self.line())

    def run(self, value=None, **members):
        self.send({"value": {} if value is None else value, **members})
        return json.loads(self.line())

    def end(self):
        """Closes the channel and returns (exit code, stdout, stderr)."""
        try:
            self.channel.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        code = self.process.wait(DEADLINE)
        for reader in self.readers:
            reader.join(DEADLINE)
        return code, self.output["stdout"].decode(), self.output["stderr"].decode()

    def close(self):
        self.process.kill()
        self.end()
        self.process.stdout.close()
        self.process.stderr.close()
        self.answers.close()
        self.channel.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class LauncherTest(unittest.TestCase):
    def start(self, **options):
        """Returns a launcher that is ready and ends with the test."""
        launcher = Launcher(**options)
        self.addCleanup(launcher.close)
        self.assertEqual(launcher.line(), '{"ready":true}\n')
        return launcher

    def started(self, code, main="main", binary=False, init_env=None, **options):
        """Returns a launcher whose action is loaded."""
        launcher = self.start(**options)
        self.assertEqual(launcher.init(code, main, binary, init_env), {"init": True, "status": 200, "body": {"ok": True}})
        return launcher


def zipped(files, **info):
    """Returns a zip as base64; names are taken as they are, `info` sets members of each ZipInfo."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo("placeholder")
            entry.filename = name
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            for key, value in info.get(name, {}).items():
                setattr(entry, key, value)
            archive.writestr(entry, content)
    return base64.b64encode(data.getvalue()).decode()


def tarred(files, form=tarfile.GNU_FORMAT):
    """Returns a tar.gz as base64 from {name: content} where content may be a dict of TarInfo members."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, dict):
                for key, value in content.items():
                    setattr(entry, key, value)
                archive.addfile(entry)
            else:
                entry.size = len(content.encode())
                archive.addfile(entry, io.BytesIO(content.encode()))
    return base64.b64encode(gzip.compress(data.getvalue())).decode()

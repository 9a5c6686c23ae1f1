"""Measures a launcher: start, init, first run, warm round trip and memory, next to a bare echo over the same socket.

    python3 runtimes/measure.py nodejs [--rounds 20] [--runs 20000] [--stem] [--program PROGRAM] [-- FLAG…]
    python3 runtimes/measure.py python …

The rounds of launcher and echo take turns, so that both see the same machine; the echo is a child that sends each line back
and writes the two sentinels, and its round trip is what no launcher can go below. Times are medians and lowest tenths.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent
LAUNCHERS = {
    "nodejs": ("node", [], "nodejs/launcher.js", "function main(args) { return { hello: args.name }; }"),
    "python": ("python3", ["-S", "-E", "-s", "-X", "utf8"], "python/launcher.py", "def main(args):\n    return {'hello': args['name']}\n"),
}
ECHO = """
import os
os.write(3, b'{"ready":true}\\n')
while True:
    line = os.read(3, 65536)
    if not line:
        os._exit(0)
    os.write(3, line)
    for fd in (1, 2):
        os.write(fd, b'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\\n')
"""
RUN = {"namespace": "guest", "action_name": "/guest/hello", "action_version": "0.0.1", "transaction_id": "t" * 32}


class Peer:
    """A child process with a channel on descriptor 3 and pipes that are emptied between requests."""

    def __init__(self, command):
        self.channel, theirs = socket.socketpair()
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        self.outputs = (out, err)
        for output in self.outputs:
            os.set_blocking(output, False)
        self.started = time.perf_counter()
        self.pid = os.fork()
        if self.pid == 0:
            for old, new in ((theirs.fileno(), 3), (out_end, 1), (err_end, 2), (os.open(os.devnull, os.O_RDONLY), 0)):
                os.dup2(old, new)
            os.chdir("/tmp")
            os.execve(command[0], command, {"PATH": "/usr/bin:/bin", "HOME": "/tmp"})
        theirs.close()
        os.close(out_end)
        os.close(err_end)
        self.line()
        self.ready = time.perf_counter() - self.started

    def line(self):
        data = b""
        while not data.endswith(b"\n"):
            part = self.channel.recv(65536)
            if not part:
                sys.exit(f"the peer has ended: {os.read(self.outputs[1], 65536).decode()}")
            data += part
        return data

    def ask(self, message):
        """Returns how long one request takes, in seconds."""
        line = json.dumps(message).encode() + b"\n"
        start = time.perf_counter()
        self.channel.send(line)
        self.line()
        took = time.perf_counter() - start
        for output in self.outputs:
            try:
                os.read(output, 65536)
            except BlockingIOError:
                pass
        return took

    def memory(self):
        """Returns resident and private dirty memory in KiB."""
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return [int(text.split(name)[1].split()[0]) for name in ("Rss:", "Private_Dirty:")]

    def end(self):
        self.channel.close()
        os.waitpid(self.pid, 0)
        for output in self.outputs:
            os.close(output)


def run(number):
    return {"value": {"name": "x"}, **RUN, "activation_id": f"{number:032x}", "deadline": str(1_700_000_000_000 + number)}


def shown(name, values, unit, scale):
    values = sorted(value * scale for value in values)
    print(f"  {name:<34} median {values[len(values) // 2]:9.2f} {unit}   lowest tenth {values[len(values) // 10]:9.2f} {unit}")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("family", choices=LAUNCHERS)
    options.add_argument("--program", help="the interpreter, if not the one on the search path")
    options.add_argument("--rounds", type=int, default=20, help="processes that are started")
    options.add_argument("--runs", type=int, default=20000, help="runs in one warm process")
    options.add_argument("--stem", action="store_true", help="leave each process alone for a while before its init")
    options.add_argument("flags", nargs="*", help="flags of the interpreter, after --")
    chosen = options.parse_args()
    program, flags, script, code = LAUNCHERS[chosen.family]
    program = chosen.program or shutil.which(program)
    if pathlib.Path(program).parent.name == "shims":  # a version manager's script, which would be measured as well
        program = subprocess.check_output([program, "-c", "import sys; print(sys.executable)"], text=True).strip()
    command = [program, *(chosen.flags or flags), str(FOLDER / script)]
    echo = [sys.executable, "-S", "-E", "-c", ECHO]
    init = {"init": {"value": {"name": "hello", "main": "main", "code": code, "binary": False}}}

    times = {name: [] for name in ("start to ready", "ready to init's answer", "first run", "second run", "memory")}
    for number in range(chosen.rounds):
        peer = Peer(command)
        times["start to ready"].append(peer.ready)
        if chosen.stem:
            time.sleep(0.2)
        times["memory"].append(peer.memory() if chosen.stem else [0, 0])
        times["ready to init's answer"].append(peer.ask(init))
        times["first run"].append(peer.ask(run(number)))
        times["second run"].append(peer.ask(run(number)))
        peer.end()
    print(" ".join(command))
    memory = sorted(times.pop("memory"))
    for name, values in times.items():
        shown(name, values, "ms", 1e3)
    if chosen.stem:
        print(f"  {'idle memory':<34} resident {memory[len(memory) // 2][0]} KiB, private dirty {memory[len(memory) // 2][1]} KiB")

    warm, bare = [], []
    peer, other = Peer(command), Peer(echo)
    peer.ask(init)
    for number in range(chosen.runs):
        warm.append(peer.ask(run(number)))
        bare.append(other.ask(run(number)))
    shown("warm run", warm[chosen.runs // 10 :], "µs", 1e6)
    shown("bare echo", bare[chosen.runs // 10 :], "µs", 1e6)
    resident, dirty = peer.memory()
    print(f"  {f'memory after {chosen.runs} runs':<34} resident {resident} KiB, private dirty {dirty} KiB")
    peer.end()
    other.end()


if __name__ == "__main__":
    main()

"""Runs one Python action and speaks the framed runtime protocol on file descriptor 3.

One JSON object a line: `{"init":...}` once and then runs. What an action sees and answers follows
Apache OpenWhisk's Python runtime; README.md beside this file lists what differs.
"""

import posix

CHANNEL = 3

if __name__ == "__main__":
    # Told before anything else is imported: what follows overlaps with the platform's next step.
    posix.write(CHANNEL, b'{"ready":true}\n')

import os
import sys

SENTINEL = b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"
READ_BYTES = 65536
# The code is stored and imported under this name, as in the stock image; `__main__` is this file.
MODULE = "main__"

NOT_FOUND = "The action failed to generate or locate a binary. See logs for details."
NOT_STARTED = "Cannot start action. Check logs for details."
NOT_A_DICTIONARY = "The action did not return a dictionary or array."
EXITED = "command exited"

BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


class Refused(Exception):
    """An init that cannot be served; holds the status and the text that callers get."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status
        self.text = text


class Invalid(Exception):
    """Code that cannot become an action; the text goes to the log only."""


# --- JSON


def json_tools():
    """Returns `decode(text)` and `encode(value)` that work like `json.loads` and `json.dumps(…, ensure_ascii=False)`.

    The C parts of the `json` package are used by themselves, because the package imports `re`, which takes longer than
    all the rest of this start.
    """
    try:
        from _json import encode_basestring, make_encoder, make_scanner
    except ImportError:
        import json

        return json.loads, lambda value, item=", ", key=": ": json.dumps(value, ensure_ascii=False, separators=(item, key))

    class Options:
        strict = True
        object_hook = object_pairs_hook = None
        parse_float, parse_int = float, int
        parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__
        memo = {}

    scan = make_scanner(Options())

    def unknown(value):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

    def decode(text):
        try:
            return scan(text, 0)[0]
        except StopIteration:
            raise ValueError("no JSON value") from None

    def encode(value, item=", ", key=": "):
        # The set of containers being written, for circular references, must be new each time.
        return "".join(make_encoder({}, unknown, encode_basestring, None, key, item, False, False, True)(value, 0))

    return decode, encode


decode, encode = json_tools()


def failure(text):
    """Returns the body of an answer that the launcher gives in the place of the action, written like those of the stock proxy."""
    return encode({"error": text}, ",", ":")


def is_json(text):
    """Tells whether encoded text is JSON for others too: Python writes NaN and infinities as bare words."""
    if "NaN" not in text and "Infinity" not in text:
        return True
    import json

    def refuse(word):
        raise ValueError(word)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


# --- environment and packages


def set_environment(values):
    for name, value in values.items():
        text = value if isinstance(value, str) else encode(value, ",", ":")
        try:
            os.environ[name] = text
        except (ValueError, UnicodeError):
            # Not expressible as a variable: an empty name, `=` in it, a null character, a lone surrogate.
            pass


class SitePackages:
    """Runs Python's `site` start-up when a module is found nowhere else.

    The launcher runs with `-S`, since `site` costs more than the interpreter's own start; its folders are on the path from the
    beginning, and only what `.pth` files add must wait for this.
    """

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if path is not None or cls not in sys.meta_path:
            return None
        sys.meta_path.remove(cls)
        import site

        known = list(sys.path)
        hooks = list(sys.meta_path)
        site.main()
        if sys.path == known and sys.meta_path == hooks:
            return None
        for finder in list(sys.meta_path):
            spec = finder.find_spec(name, None, target)
            if spec is not None:
                return spec
        return None


def add_site_packages():
    """Puts the interpreter's package folders on the path, as `site` would, and the names it defines in builtins."""
    import builtins

    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (
        f"{sys.prefix}/local/lib/{version}/dist-packages",
        f"/usr/local/lib/{version}/dist-packages" if sys.prefix == "/usr" else "",
        f"{sys.prefix}/lib/python3/dist-packages",
        f"{sys.prefix}/lib/{version}/site-packages",
    ):
        if folder and folder not in sys.path and os.path.isdir(folder):
            sys.path.append(folder)
    sys.meta_path.append(SitePackages)
    builtins.exit = builtins.quit = leave


def leave(code=None):
    raise SystemExit(code)


# --- init


def load(value):
    """Returns the action's entry point."""
    main = value.get("main") or "main"
    code = value.get("code")
    if not isinstance(code, str) or code == "":
        raise Refused(403, "Missing main/no code to execute.")
    content = decode_base64(code) if value.get("binary") else code.encode("utf-8", "surrogatepass")
    set_environment(value.get("env") or {})
    folder = new_folder()
    try:
        path = place(content, folder)
        compiled = compile_file(path)
    except (Invalid, OSError) as error:
        write_error(f"{error}\n")
        raise Refused(502, NOT_FOUND) from None
    # A child of an action must find the modules of an archive as well.
    os.chdir(folder)
    sys.path[0] = folder
    activate_virtualenv(folder)
    return entry_point(compiled, path, main)


def decode_base64(code):
    import binascii

    text = code.encode("utf-8", "surrogatepass")
    for place, letter in enumerate(text.translate(None, b"\r\n") if text.translate(None, BASE64) else b""):
        if letter not in BASE64:
            raise Refused(400, f"cannot decode the request: illegal base64 data at input byte {place}")
    try:
        return binascii.a2b_base64(text)
    except binascii.Error:
        raise Refused(400, f"cannot decode the request: illegal base64 data at input byte {len(text)}") from None


def new_folder():
    base = os.environ.get("TMPDIR") or "/tmp"
    number = 0
    while True:
        number += 1
        folder = f"{base}/action-{posix.getpid()}-{number}"
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            continue
        return folder


def place(content, folder):
    """Stores the code in the folder and returns the path of the module that holds the entry point."""
    module = f"{folder}/{MODULE}.py"
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        unpack_zip(content, folder)
    elif content.startswith(b"\x1f\x8b\x08"):
        unpack_tar(content, folder)
    else:
        with open(module, "xb", 0) as file:
            file.write(content)
        return module
    if os.path.isfile(f"{folder}/__main__.py"):
        os.replace(f"{folder}/__main__.py", module)
    if not os.path.isfile(module):
        raise Invalid("Zip file does not include __main__.py.")
    if os.path.isdir(f"{folder}/virtualenv") and activation_script(folder) is None:
        raise Invalid("Invalid virtualenv. Zip file does not include 'activate_this.py'.")
    return module


def compile_file(path):
    with open(path, "rb", 0) as file:
        source = file.read()
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        # The excerpt with its caret, without a stack that would only show this file.
        error.__traceback__ = None
        print_exception(error)
        raise Refused(502, NOT_FOUND) from None


def activation_script(folder):
    for place in ("bin", "Scripts"):
        script = f"{folder}/virtualenv/{place}/activate_this.py"
        if os.path.isfile(script):
            return script
    return None


def activate_virtualenv(folder):
    script = activation_script(folder)
    if script is None:
        return
    with open(script, "rb") as file:
        source = file.read()
    try:
        exec(compile(source, script, "exec"), {"__file__": script, "__name__": "__main__"})
    except BaseException as error:
        raise failed_start(error) from None


def entry_point(compiled, path, main):
    module = type(sys)(MODULE)
    module.__file__ = path
    module.__builtins__ = __builtins__
    sys.modules[MODULE] = module
    try:
        exec(compiled, module.__dict__)
        function = getattr(module, main, None)
        if function is None:
            raise ImportError(f"cannot import name {main!r} from {MODULE!r} ({path})")
    except BaseException as error:
        raise failed_start(error) from None
    return function


def failed_start(error):
    write_traceback(error)
    write_error("Command exited abruptly during initialization.\n")
    return Refused(502, NOT_STARTED)


# --- archives


def unpack_zip(content, folder):
    import io
    import zipfile
    import zlib

    free = free_bytes(folder)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > free:
                raise Invalid("The archive does not fit into the free space of the action's folder.")
            links = []
            for member in members:
                name = safe_name(member.filename)
                mode = member.external_attr >> 16
                if member.create_system == 3 and mode & 0o170000 == 0o120000:
                    links.append((name, archive.read(member).decode("utf-8", "surrogateescape")))
                    continue
                extracted = archive.extract(member, folder)
                if mode & 0o777 and member.create_system == 3 and not member.is_dir():
                    os.chmod(extracted, mode & 0o777 | 0o600)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise Invalid(f"The zip archive cannot be unpacked: {error}") from None
    make_links(links, folder)


def unpack_tar(content, folder):
    import io
    import tarfile
    import zlib

    free = free_bytes(folder)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            links = []
            for member in archive:
                name = safe_name(member.name)
                free -= member.size
                if free < 0:
                    raise Invalid("The archive does not fit into the free space of the action's folder.")
                if member.issym():
                    links.append((name, member.linkname))
                elif member.isdir():
                    os.makedirs(f"{folder}/{name}", exist_ok=True)
                elif member.isfile():
                    write_member(archive.extractfile(member), f"{folder}/{name}", member.mode)
                elif member.islnk():
                    os.link(f"{folder}/{safe_name(member.linkname)}", f"{folder}/{name}")
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OSError) as error:
        raise Invalid(f"The tar archive cannot be unpacked: {error}") from None
    make_links(links, folder)


def write_member(source, path, mode):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        while True:
            piece = source.read(READ_BYTES)
            if not piece:
                break
            file.write(piece)
    os.chmod(path, mode & 0o777 | 0o600)


def free_bytes(folder):
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


def safe_name(name):
    """Returns the entry's name without parts that mean nothing; an archive with a name that leads out of the folder is refused."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise Invalid(f"The archive holds the unsafe name {name!r}.")
    return "/".join(parts)


def make_links(links, folder):
    """Makes symbolic links after everything else, so that nothing is ever written through one."""
    for name, target in links:
        if not stays_inside(name, target):
            raise Invalid(f"The link {name!r} leads out of the archive.")
        os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
        os.symlink(target, f"{folder}/{name}")


def stays_inside(name, target):
    """Tells whether a link ends inside the folder whatever other links there are: it may go up only at its start, and not above the root."""
    if not target or target.startswith("/") or "\0" in target:
        return False
    depth = name.count("/")
    down = False
    for part in target.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            down = True
        elif down or depth == 0:
            return False
        else:
            depth -= 1
    return True


# --- output


def write_all(fd, data):
    while data:
        data = data[posix.write(fd, data) :]


def write_error(text):
    flush()
    try:
        write_all(2, text.encode("utf-8", "replace"))
    except OSError:
        pass


def write_traceback(error):
    """Prints the stack to stderr, without this file's frame; exits say nothing, as in any Python program."""
    if isinstance(error, SystemExit):
        return
    stack = error.__traceback__
    if stack is not None and stack.tb_next is not None:
        error.__traceback__ = stack.tb_next
    print_exception(error)


def print_exception(error):
    try:
        sys.__excepthook__(type(error), error, error.__traceback__)
    except Exception:
        write_error(f"{type(error).__name__}\n")


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            # Closed or replaced by the action: its own loss.
            pass


def end_logs():
    flush()
    for fd in (1, 2):
        try:
            posix.write(fd, SENTINEL)
        except OSError:
            # The platform reads this stream no more.
            pass


# --- serving


class Launcher:
    def __init__(self):
        self.function = None
        self.member_names = {}

    def dispatch(self, line):
        try:
            message = decode(line.decode("utf-8", "surrogatepass"))
            if not isinstance(message, dict):
                raise ValueError("not an object")
        except ValueError as error:
            self.answer('""', 400, failure(f"Error unmarshaling request: {error}"))
            return
        if "init" in message:
            self.init(message["init"])
        else:
            self.run(message)

    def init(self, message):
        logged = False
        try:
            if self.function is not None:
                raise Refused(403, "Cannot initialize the action more than once.")
            value = message.get("value") if isinstance(message, dict) else None
            self.function = load(value if isinstance(value, dict) else {})
            status, body = 200, '{"ok":true}'
        except Refused as refused:
            logged = refused.status == 502
            status, body = refused.status, failure(refused.text)
        write_all(CHANNEL, f'{{"init":true,"status":{status},"body":{body}}}\n'.encode())
        if logged:
            end_logs()

    def run(self, message):
        name = message.get("activation_id")
        activation_id = encode(name) if isinstance(name, str) else '""'
        if self.function is None:
            self.answer(activation_id, 500, '{"error":"no action defined yet"}')
            return end_logs()
        self.set_run_environment(message)
        try:
            result = self.function(message.get("value", {}))
        except Exception as error:
            write_traceback(error)
            result = {"error": describe(error)}
        except BaseException as error:
            self.leave(activation_id, error)
        try:
            text = encode(result)
            body = text.encode()
        except BaseException as error:
            self.leave(activation_id, error)
        if text[0] in "{[" and is_json(text):
            self.answer(activation_id, 200, body)
        elif text == "null":
            self.answer(activation_id, 200, body)
        else:
            self.answer(activation_id, 502, failure(NOT_A_DICTIONARY))
        end_logs()

    def set_run_environment(self, message):
        for member, text in message.items():
            if member == "value" or not isinstance(text, str):
                continue
            name = self.member_names.get(member)
            if name is None:
                name = self.member_names[member] = "__OW_" + member.upper()
            os.environ[name] = text

    def answer(self, activation_id, status, body):
        """Answers before the logs end, so that the caller need not wait for them."""
        body = body if isinstance(body, bytes) else body.encode()
        head = f'{{"activation_id":{activation_id},"status":{status},"newline":true,"body":'.encode()
        write_all(CHANNEL, head + body + b"}\n")

    def leave(self, activation_id, error):
        """Ends the process as an action that leaves by itself would, after telling the caller."""
        write_traceback(error)
        self.answer(activation_id, 400, failure(EXITED))
        end_logs()
        posix._exit(exit_code(error))


def describe(error):
    try:
        return str(error)
    except Exception:
        return type(error).__name__


def exit_code(error):
    code = getattr(error, "code", 1) if isinstance(error, SystemExit) else 1
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


def serve():
    launcher = Launcher()
    pending = []
    while True:
        data = posix.read(CHANNEL, READ_BYTES)
        if not data:
            return
        if data.endswith(b"\n") and not pending and data.count(b"\n") == 1:
            launcher.dispatch(data)
            continue
        lines = data.split(b"\n")
        for line in lines[:-1]:
            launcher.dispatch(b"".join(pending) + line)
            pending = []
        if lines[-1]:
            pending.append(lines[-1])


if __name__ == "__main__":
    os.set_inheritable(CHANNEL, False)
    os.set_blocking(CHANNEL, True)
    add_site_packages()
    serve()
    flush()
    posix._exit(0)

"""From the code that `/init` brings to answers: the states of the launcher, the action's surroundings, and the channel.

What an action sees and answers follows Apache OpenWhisk's Python runtime, proxy included; README.md lists what differs.
"""

import os
import posix
import sys

CHANNEL = 3
SENTINEL = b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"
READ_BYTES = 65536
# The code is stored and imported under this name, as in the stock image; `__main__` is the launcher.
MODULE = "main__"
# How a file begins that is a program already, and so nothing for the stock image's compiler.
PROGRAM = (b"#!", b"\x7fELF")
LAUNCHER_FOLDER = os.path.dirname(os.path.abspath(__file__))

NOT_FOUND = "The action failed to generate or locate a binary. See logs for details."
NOT_STARTED = "Cannot start action. Check logs for details."
NOT_A_DICTIONARY = "The action did not return a dictionary or array."
EXITED = "command exited"

BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


class Refused(Exception):
    """An init that fails; holds the status and the text that callers get."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status
        self.text = text


class Invalid(Exception):
    """Code that cannot become an action; the text goes to the log, callers get a general one."""


# --- JSON


def json_tools():
    """Returns a decoder and an encoder like `json.loads` and `json.dumps(…, ensure_ascii=False)`.

    The C parts of the `json` package are used by themselves, because the package imports `re`, which takes as long as
    the interpreter's own start.
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

    def refuse(value):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

    def decode(text):
        try:
            return scan(text, 0)[0]
        except (StopIteration, SystemError):
            # The scanner needs the package to say what is wrong.
            import json

            return json.loads(text)

    def encode(value, item=", ", key=": "):
        # The containers being written, kept to find circular references, are new each time.
        return "".join(make_encoder({}, refuse, encode_basestring, None, key, item, False, False, True)(value, 0))

    return decode, encode


decode, encode = json_tools()


def failure(text):
    """Returns the body of an answer that is not the action's, written as the stock proxy writes it."""
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


# --- variables


class Variables:
    """The `__OW_*` variables of activations.

    glibc keeps every text it was ever given by setenv, so three new values for each activation would cost a warm process
    300 bytes and 4 µs every time. From the second activation on they are set in `os.environ` only, and copied to the C
    environment when a child process is about to inherit it.
    """

    def __init__(self):
        self.environ = os.environ
        self.data = os.environ._data
        self.names = {}
        self.stale = {}
        self.deferred = False

    def set_init(self, values):
        for name, value in values.items():
            text = value if isinstance(value, str) else encode(value, ",", ":")
            try:
                self.environ[name] = text
            except (OSError, ValueError):
                # Not expressible as a variable: an empty name, `=` in it, a null character, a lone surrogate.
                pass

    def set_run(self, message):
        for member, text in message.items():
            if member == "value" or not isinstance(text, str):
                continue
            name = self.names.get(member)
            if name is None:
                name = self.names[member] = f"__OW_{member.upper()}".encode("utf-8", "surrogateescape")
            value = text.encode("utf-8", "surrogateescape")
            if self.data.get(name) == value:
                continue
            if not self.deferred:
                posix.putenv(name, value)
            else:
                self.stale[name] = None
            self.data[name] = value

    def defer(self):
        """Stops writing through to the C environment; called when an activation is over, since it takes a moment."""
        if self.deferred:
            return
        try:
            import _posixsubprocess
        except ImportError:
            return
        self.deferred = True
        # With what `os` has besides, the caller passes an environment, or calls one of these.
        for name in ("execv", "posix_spawn", "posix_spawnp", "system"):
            if hasattr(os, name):
                setattr(os, name, self.flushing(getattr(os, name)))
        _posixsubprocess.fork_exec = self.flushing(_posixsubprocess.fork_exec)
        # Since Python 3.11 this module holds a reference of its own.
        if hasattr(sys.modules.get("subprocess"), "_fork_exec"):
            sys.modules["subprocess"]._fork_exec = _posixsubprocess.fork_exec

    def flushing(self, function):
        def wrapper(*args, **kwargs):
            while self.stale:
                name, _ = self.stale.popitem()
                if name in self.data:
                    posix.putenv(name, self.data[name])
            return function(*args, **kwargs)

        wrapper.__name__ = function.__name__
        wrapper.__doc__ = function.__doc__
        return wrapper


# --- packages


class SitePackages:
    """Runs Python's `site` start-up when a module is found nowhere else.

    The launcher runs with `-S`, since `site` can take longer than the interpreter's own start. Its folders are on the path
    from the beginning; only what `.pth` files add comes with this.
    """

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if path is not None or cls not in sys.meta_path:
            return None
        sys.meta_path.remove(cls)
        import site

        before = (list(sys.path), list(sys.meta_path))
        site.main()
        if (sys.path, sys.meta_path) == before:
            return None
        for finder in list(sys.meta_path):
            spec = finder.find_spec(name, None, target)
            if spec is not None:
                return spec
        return None


def add_site_packages():
    """Puts the interpreter's package folders and the runtime's on the path, as `site` would, and defines the names it puts in builtins."""
    import builtins

    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = [f"{sys.prefix}/lib/{version}/site-packages"]
    if sys.prefix == "/usr":  # Debian's own Python
        folders = [f"/usr/local/lib/{version}/dist-packages", "/usr/lib/python3/dist-packages", *folders]
    folders.append(f"{os.path.dirname(os.path.abspath(__file__))}/packages")  # last: what the interpreter has comes first
    for folder in folders:
        if folder not in sys.path and os.path.isdir(folder):
            sys.path.append(folder)
    sys.meta_path.append(SitePackages)
    builtins.exit = builtins.quit = leave
    builtins.help = show_help


def leave(code=None):
    raise SystemExit(code)


def show_help(*args, **kwargs):
    import pydoc

    return pydoc.help(*args, **kwargs)


# --- from code to the entry point


def load(value):
    """Returns the action's entry point; raises `Refused`."""
    main = value.get("main") or "main"
    code = value.get("code")
    if not isinstance(code, str) or code == "":
        raise Refused(403, "Missing main/no code to execute.")
    content = decode_base64(code) if value.get("binary") else code.encode("utf-8", "surrogatepass")
    try:
        folder = new_folder()
        path = place(content, folder)
        main = chosen_main(folder) or main
        compiled = compile_file(path)
        os.chdir(folder)
    except (Invalid, OSError) as error:
        write_error(f"{error}\n")
        raise Refused(502, NOT_FOUND) from None
    sys.path[0] = folder
    try:
        activate_virtualenv(folder)
        return entry_point(compiled, path, main)
    except BaseException as error:
        write_traceback(error)
        write_error("Command exited abruptly during initialization.\n")
        raise Refused(502, NOT_STARTED) from None


def decode_base64(code):
    import binascii

    text = code.encode("utf-8", "surrogatepass")
    if text.translate(None, BASE64 + b"\r\n"):
        place = next(place for place, letter in enumerate(text) if letter not in BASE64)
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
    if not content.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"\x1f\x8b\x08")):
        with open(module, "xb", 0) as file:
            file.write(content)
        return module
    unpack(content, folder)
    if not (beginning(f"{folder}/exec") or PROGRAM[0]).startswith(PROGRAM):
        os.replace(f"{folder}/exec", f"{folder}/__main__.py")
    if os.path.isfile(f"{folder}/__main__.py"):
        os.replace(f"{folder}/__main__.py", module)
    if not os.path.isfile(module):
        raise Invalid("Zip file does not include __main__.py.")
    if os.path.isdir(f"{folder}/virtualenv") and activation_script(folder) is None:
        raise Invalid("Invalid virtualenv. Zip file does not include 'activate_this.py'.")
    return module


def beginning(path):
    """Returns a file's first bytes, or None if there is no file."""
    try:
        with open(path, "rb", 0) as file:
            return file.read(4)
    except OSError:
        return None


def chosen_main(folder):
    """Returns the entry point that the stock image's compiler (`-compile`) has fixed in an archive it made, or None."""
    if not (beginning(f"{folder}/exec") or b"").startswith(PROGRAM):
        return None
    try:
        with open(f"{folder}/exec__.py", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("from main__ import ") and line.endswith(" as main"):
            return line[len("from main__ import ") : -len(" as main")]
    return None


def unpack(content, folder):
    sys.path.insert(0, LAUNCHER_FOLDER)
    try:
        import oxwhisk_archive
    finally:
        sys.path.remove(LAUNCHER_FOLDER)
    try:
        oxwhisk_archive.unpack(content, folder)
    except oxwhisk_archive.Damaged as error:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
        raise Invalid(f"The archive cannot be unpacked: {error}.") from None


def compile_file(path):
    with open(path, "rb", 0) as file:
        source = file.read()
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        # The line and its mark, without a stack that would only show this file.
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
    exec(compile(source, script, "exec"), {"__file__": script, "__name__": "__main__"})


def entry_point(compiled, path, main):
    # Parts of `importlib` that are always loaded; its functions for this would take five times as long.
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import SourceFileLoader

    module = sys.modules[MODULE] = type(sys)(MODULE)
    module.__loader__ = SourceFileLoader(MODULE, path)
    module.__spec__ = ModuleSpec(MODULE, module.__loader__, origin=path)
    module.__spec__.has_location = True
    module.__package__ = ""
    module.__file__ = path
    module.__builtins__ = __builtins__
    exec(compiled, module.__dict__)
    try:
        return getattr(module, main)
    except AttributeError:
        raise ImportError(f"cannot import name {main!r} from {MODULE!r} ({path})") from None


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
    """Prints the stack to stderr without this file's frames; exits say what they were told to, as in any Python program."""
    if isinstance(error, SystemExit):
        if error.code is not None and not isinstance(error.code, int):
            write_error(f"{error.code}\n")
        return
    stack = error.__traceback__
    while stack is not None and stack.tb_frame.f_code.co_filename == __file__:
        stack = stack.tb_next
    error.__traceback__ = stack
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
            # Nobody reads this stream any more.
            pass


# --- serving


class Launcher:
    def __init__(self):
        self.function = None
        self.variables = Variables()
        # The activation that runs, as JSON.
        self.running = None

    def dispatch(self, line):
        try:
            message = decode(line.decode("utf-8", "surrogatepass"))
            if not isinstance(message, dict):
                raise ValueError("not an object")
        except ValueError as error:
            self.answer('""', 400, failure(f"Error unmarshaling request: {error}").encode())
            return
        if "init" in message:
            self.init(message["init"])
        else:
            self.run(message)

    def init(self, message):
        first = self.function is None
        try:
            if not first:
                raise Refused(403, "Cannot initialize the action more than once.")
            value = message.get("value") if isinstance(message, dict) else None
            value = value if isinstance(value, dict) else {}
            env = value.get("env")
            if isinstance(env, dict):
                self.variables.set_init(env)
            self.function = load(value)
            status, body = 200, '{"ok":true}'
        except Refused as refused:
            status, body = refused.status, failure(refused.text)
        write_all(CHANNEL, f'{{"init":true,"status":{status},"body":{body}}}\n'.encode())
        if first and status != 200:
            end_logs()

    def run(self, message):
        name = message.get("activation_id")
        activation_id = encode(name) if isinstance(name, str) else '""'
        if self.function is None:
            self.answer(activation_id, 500, failure("no action defined yet").encode())
            end_logs()
            return
        self.variables.set_run(message)
        self.running = activation_id
        try:
            try:
                result = self.function(message.get("value", {}))
            except Exception as error:
                write_traceback(error)
                result = {"error": str(error)}
            text = encode(result)
            body = text.encode()
        except BaseException as error:
            self.leave(activation_id, error)
        self.running = None
        if (text[0] in "{[" or text == "null") and is_json(text):
            self.answer(activation_id, 200, body)
        else:
            self.answer(activation_id, 502, failure(NOT_A_DICTIONARY).encode())
        end_logs()
        self.variables.defer()

    def answer(self, activation_id, status, body):
        """Answers before the logs end, so that the caller need not wait for them.

        The order of the members and the place of the body are part of the protocol: the platform cuts the body out unparsed.
        """
        write_all(CHANNEL, b'{"activation_id":%b,"status":%d,"newline":true,"body":%b}\n' % (activation_id.encode(), status, body))

    def leave(self, activation_id, error):
        """Ends the process as the error would have ended a program, after telling the caller what the stock proxy tells."""
        write_traceback(error)
        import atexit

        # What they print is part of the log. Before Python 3.10 the last failure, which is printed already, is raised again.
        try:
            atexit._run_exitfuncs()
        except BaseException:
            pass
        self.running = activation_id
        posix._exit(exit_code(error))

    def tell_of_exits(self):
        """Lets actions that end the process at once be answered as by the stock proxy, which outlives them."""
        end, owner = posix._exit, posix.getpid()

        def leave(status):
            if posix.getpid() == owner and self.running is not None:
                activation_id, self.running = self.running, None
                self.answer(activation_id, 400, failure(EXITED).encode())
                end_logs()
            end(status)

        os._exit = posix._exit = leave


def exit_code(error):
    if not isinstance(error, SystemExit):
        return 1
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1


def serve():
    """Serves requests until the platform closes the channel."""
    os.set_inheritable(CHANNEL, False)
    os.set_blocking(CHANNEL, True)
    # The stock image sets this; child processes that are Python programs heed it.
    os.environ.setdefault("PYTHONIOENCODING", "UTF-8")
    # The folder of an action lives as long as this process.
    sys.dont_write_bytecode = True
    add_site_packages()
    launcher = Launcher()
    launcher.tell_of_exits()
    pending = []
    while True:
        data = posix.read(CHANNEL, READ_BYTES)
        if not data:
            break
        *lines, rest = data.split(b"\n")
        for line in lines:
            if pending:
                line = b"".join([*pending, line])
                pending = []
            launcher.dispatch(line)
        if rest:
            pending.append(rest)
    flush()
    posix._exit(0)

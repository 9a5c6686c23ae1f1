"""Variables, packages and the process: runtime-protocol.md §3, §8.3, §8.5, §9.2, §10."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from .harness import SENTINEL, LauncherTest

PACKAGES = pathlib.Path(__file__).resolve().parent.parent / "packages"
SHOW = "import os\ndef main(args):\n    return {k: v for k, v in os.environ.items() if k.startswith('__OW_')}\n"
RUN = {"namespace": "guest", "action_name": "/guest/a", "action_version": "0.0.1", "activation_id": "ab", "transaction_id": "t", "deadline": "17", "api_key": "u:k"}


class Variables(LauncherTest):
    def test_variables_of_a_run_are_set(self):
        """§10 activation context."""
        body = self.started(SHOW, env={"__OW_API_KEY": "old"}).run(**RUN)["body"]
        expected = {f"__OW_{name.upper()}": text for name, text in RUN.items()}
        self.assertEqual(body, {"__OW_API_HOST": "http://api.example", **expected})

    def test_each_run_has_its_own(self):
        launcher = self.started("import os\ndef main(args):\n    return [os.environ['__OW_ACTIVATION_ID'], os.getenv('__OW_ACTIVATION_ID'), os.environb[b'__OW_ACTIVATION_ID'].decode()]\n")
        for text in ("one", "two", "drei ☃"):
            self.assertEqual(launcher.run(activation_id=text)["body"], [text] * 3)

    def test_init_variables_are_set_before_the_code_is_loaded(self):
        """§8.3, §10 env before init."""
        code = "import os\nSEEN = {k: os.environ.get(k) for k in 'TEXT NUMBER OBJECT NULL YES'.split()}\ndef main(args):\n    return SEEN\n"
        launcher = self.started(code, init_env={"TEXT": "x", "NUMBER": 5, "OBJECT": {"a": [1]}, "NULL": None, "YES": True})
        self.assertEqual(launcher.run()["body"], {"TEXT": "x", "NUMBER": "5", "OBJECT": '{"a":[1]}', "NULL": "null", "YES": "true"})

    def test_names_that_no_variable_can_have_are_left_out(self):
        launcher = self.started("import os\ndef main(args):\n    return {'ok': os.environ.get('OK')}\n", init_env={"": "a", "a=b": "c", "nul": "\0", "OK": "x"})
        self.assertEqual(launcher.run()["body"], {"ok": "x"})

    def test_child_processes_inherit_the_variables_of_the_run(self):
        code = """
import os, subprocess
COMMAND = 'echo $__OW_ACTIVATION_ID $MINE'
def main(args):
    os.environ['MINE'] = 'm'
    ways = {}
    ways['subprocess'] = subprocess.run(COMMAND, shell=True, capture_output=True, text=True).stdout
    ways['popen'] = os.popen(COMMAND).read()
    ways['system'] = os.system(f'test "$({COMMAND})" = "{args["id"]} m"')
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.dup2(writer, 1)
        os.execl('/bin/sh', 'sh', '-c', COMMAND)
    os.wait()
    ways['exec'] = os.read(reader, 100).decode()
    return ways
"""
        launcher = self.started(code)
        for text in ("one", "two", "three"):
            line = f"{text} m\n"
            self.assertEqual(launcher.run({"id": text}, activation_id=text)["body"], {"subprocess": line, "popen": line, "system": 0, "exec": line})

    def test_module_imported_later_inherits_them_too(self):
        code = "def main(args):\n    import subprocess\n    return {'out': subprocess.check_output(['sh', '-c', 'echo $__OW_DEADLINE']).decode()}\n"
        launcher = self.started(code)
        for deadline in ("1", "2"):
            self.assertEqual(launcher.run(deadline=deadline)["body"], {"out": deadline + "\n"})

    def test_warm_launcher_does_not_grow_with_each_activation(self):
        code = "def main(args):\n    with open('/proc/self/status') as f:\n        return {'kib': int(f.read().split('VmRSS:')[1].split()[0])}\n"
        launcher = self.started(code)

        def kib(runs):
            for i in range(runs):
                last = launcher.run(activation_id=f"{runs}-{i}".zfill(4000), deadline=f"{i}".zfill(4000))
            return last["body"]["kib"]

        before = kib(500)
        # Kept by the C library, the variables of 3000 activations would be 24 MB.
        self.assertLess(kib(3000) - before, 8000)


class Packages(LauncherTest):
    def test_installed_packages_can_be_imported(self):
        """§9.2 packages: the interpreter's own site-packages."""
        launcher = self.started("import pip, importlib.metadata\ndef main(args):\n    return {'v': importlib.metadata.version('pip')}\n")
        expected = subprocess.run([sys.executable, "-c", "import pip; print(pip.__version__)"], capture_output=True, text=True)
        if expected.returncode != 0:
            self.skipTest("needs an interpreter with pip")
        self.assertEqual(launcher.run()["body"], {"v": expected.stdout.strip()})

    def test_packages_that_pth_files_add_can_be_imported(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder + "/venv"], check=True)
            [packages] = pathlib.Path(folder, "venv", "lib").glob("python*/site-packages")
            pathlib.Path(folder, "elsewhere").mkdir()
            pathlib.Path(folder, "elsewhere", "far_away.py").write_text("x = 5\n")
            pathlib.Path(packages, "near.py").write_text("y = 6\n")
            pathlib.Path(packages, "more.pth").write_text(folder + "/elsewhere\n")
            launcher = self.started("import near, far_away\ndef main(args):\n    return [far_away.x, near.y]\n", python=folder + "/venv/bin/python")
            self.assertEqual(launcher.run()["body"], [5, 6])

    @unittest.skipUnless(PACKAGES.is_dir(), "needs the runtime's packages (see README.md)")
    def test_packages_of_the_runtime_come_last(self):
        """§9.2 packages: those that are pure Python are there whether the interpreter has them or not."""
        code = """
import sys
import bs4, dateutil.parser, httplib2, kafka, requests, simplejson, six
def main(args):
    return {
        'last': sys.path[-1],
        'soup': bs4.BeautifulSoup('<p>hi</p>', 'html.parser').p.text,
        'year': dateutil.parser.parse('1 May 2020').year,
        'json': simplejson.dumps({'a': 1}),
        'found': [hasattr(*pair) for pair in ((httplib2, 'Http'), (kafka, 'KafkaProducer'), (requests, 'get'), (six, 'PY3'))],
    }
"""
        self.assertEqual(self.started(code).run()["body"], {"last": str(PACKAGES), "soup": "hi", "year": 2020, "json": '{"a": 1}', "found": [True] * 4})

    def test_missing_module_is_an_ordinary_error(self):
        launcher = self.started("def main(args):\n    try:\n        import no_such_module\n    except ModuleNotFoundError as error:\n        return {'text': str(error), 'name': error.name}\n")
        for _ in range(2):
            self.assertEqual(launcher.run()["body"], {"text": "No module named 'no_such_module'", "name": "no_such_module"})

    def test_usual_builtins_are_there(self):
        launcher = self.started("import builtins\ndef main(args):\n    return {n: hasattr(builtins, n) for n in ('exit', 'quit', 'help')}\n")
        self.assertEqual(set(launcher.run()["body"].values()), {True})

    def test_module_names_of_actions_do_not_collide_with_the_launchers(self):
        launcher = self.started("import sys\ndef main(args):\n    return sorted(n for n in sys.modules if n in ('launcher', 'action', 'archive', 'json', 're'))\n")
        self.assertEqual(launcher.run()["body"], [])


class Process(LauncherTest):
    def test_launcher_exits_when_the_channel_is_closed(self):
        self.assertEqual(self.start().end(), (0, "", ""))

    def test_sys_exit_ends_the_process_after_the_answer(self):
        """Recording invoke-python/sys-exit; §8.4 child died while waiting."""
        for call, code, said in (("sys.exit(3)", 3, ""), ("sys.exit()", 0, ""), ("sys.exit('why')", 1, "why\n"), ("exit(4)", 4, "")):
            with self.subTest(call):
                launcher = self.started(f"import sys\ndef main(args):\n    print('last words')\n    {call}\n")
                self.assertEqual(launcher.run()["body"], {"error": "command exited"})
                self.assertEqual(launcher.line(), "")
                self.assertEqual(launcher.end(), (code, "last words\n" + SENTINEL, said + SENTINEL))

    def test_functions_registered_for_the_exit_run_before_the_end_of_the_log(self):
        launcher = self.started("import atexit, sys\natexit.register(print, 'bye')\ndef main(args):\n    sys.exit(0)\n")
        self.assertEqual(launcher.run()["body"], {"error": "command exited"})
        self.assertEqual(launcher.end(), (0, "bye\n" + SENTINEL, SENTINEL))

    def test_failing_functions_registered_for_the_exit_do_not_keep_the_answer_back(self):
        for failing in ("raise ValueError('oops')", "sys.exit(7)"):
            with self.subTest(failing):
                code = f"import atexit, sys\ndef fail():\n    {failing}\natexit.register(fail)\ndef main(args):\n    sys.exit(3)\n"
                launcher = self.started(code)
                self.assertEqual(launcher.run()["body"], {"error": "command exited"})
                status, out, err = launcher.end()
                self.assertEqual((status, out), (3, SENTINEL))
                self.assertEqual(err[-len(SENTINEL) :], SENTINEL)

    def test_processes_of_multiprocessing_run_functions_of_the_action(self):
        code = """
import multiprocessing
def square(n):
    return n * n
def main(args):
    with multiprocessing.get_context(args['way']).Pool(1) as pool:
        return pool.map(square, [2, 3])
"""
        launcher = self.started(code)
        for way in ("fork", "spawn", "forkserver"):
            with self.subTest(way):
                self.assertEqual(launcher.run({"way": way})["body"], [4, 9])

    def test_keyboard_interrupt_ends_the_process_with_its_stack(self):
        launcher = self.started("def main(args):\n    raise KeyboardInterrupt\n")
        self.assertEqual(launcher.run()["body"], {"error": "command exited"})
        code, _, stderr = launcher.end()
        self.assertEqual(code, 1)
        self.assertRegex(stderr, "KeyboardInterrupt\n" + SENTINEL)

    def test_child_processes_do_not_get_the_channel(self):
        launcher = self.started("import os\ndef main(args):\n    return {'open': os.system('test -S /proc/self/fd/3') == 0, 'here': os.path.exists('/proc/self/fd/3')}\n")
        self.assertEqual(launcher.run()["body"], {"open": False, "here": True})

    def test_threads_go_on_between_runs(self):
        code = """
import threading
started, done = threading.Event(), threading.Event()
def work():
    started.wait()
    done.set()
threading.Thread(target=work, daemon=True).start()
def main(args):
    if args.get('start'):
        started.set()
        return {}
    return {'done': done.wait(20)}
"""
        launcher = self.started(code)
        launcher.run({"start": True})
        self.assertEqual(launcher.run()["body"], {"done": True})

    def test_launcher_needs_no_flags(self):
        launcher = self.started(SHOW, flags=[])
        self.assertEqual(launcher.run()["status"], 200)


if __name__ == "__main__":
    unittest.main()

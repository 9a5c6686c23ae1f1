"""Init: runtime-protocol.md §8.2 (proxy), §9.2 (Python) and §10 (canonical tests). Rows are cited by their first words."""

import unittest

from .harness import SENTINEL, LauncherTest

NOT_FOUND = "The action failed to generate or locate a binary. See logs for details."
NOT_STARTED = "Cannot start action. Check logs for details."
GOOD = "def main(args):\n    return {'here': 1}\n"


def failed(status, error):
    return {"init": True, "status": status, "body": {"error": error}}


class Init(LauncherTest):
    def test_good_init_writes_nothing_to_the_logs(self):
        """§5, §8.2 step 10."""
        launcher = self.start()
        launcher.send({"init": {"value": {"name": "a", "main": "main", "code": GOOD, "binary": False}}})
        self.assertEqual(launcher.line(), '{"init":true,"status":200,"body":{"ok":true}}\n')
        self.assertEqual(launcher.end(), (0, "", ""))

    def test_no_code_is_refused(self):
        """§8.2 step 3, §10 init with empty code."""
        for value in (None, {}, {"main": "main"}, {"main": "main", "code": ""}, {"main": "main", "code": 5}):
            with self.subTest(value):
                launcher = self.start()
                launcher.send({"init": {"value": value}})
                self.assertEqual(launcher.line(), '{"init":true,"status":403,"body":{"error":"Missing main/no code to execute."}}\n')
                self.assertEqual(launcher.init(GOOD)["status"], 200)

    def test_second_init_is_refused_without_sentinel(self):
        """§8.2 step 1, §10 init then init again."""
        launcher = self.started(GOOD)
        self.assertEqual(launcher.init(GOOD), failed(403, "Cannot initialize the action more than once."))
        self.assertEqual(launcher.end(), (0, "", ""))

    def test_main_defaults_and_is_honoured(self):
        """§8.2 step 5, §10 entry point other than main."""
        for main, code in (("", GOOD), (None, GOOD), ("other", GOOD.replace("main", "other")), ("größe", GOOD.replace("main", "größe"))):
            with self.subTest(main):
                launcher = self.started(code, main)
                self.assertEqual(launcher.run()["body"], {"here": 1})

    def test_code_that_is_not_base64_is_refused(self):
        """§8.2 step 4."""
        for code, place in (("!!!!", 0), ("YWJ", 3), ("YW Jj", 2)):
            with self.subTest(code):
                answer = self.start().init(code, binary=True)
                self.assertEqual(answer, failed(400, f"cannot decode the request: illegal base64 data at input byte {place}"))

    def test_binary_code_may_be_a_source_file(self):
        """§8.2 step 6: what is no archive is one file."""
        import base64

        launcher = self.started(base64.b64encode(GOOD.encode()).decode(), binary=True)
        self.assertEqual(launcher.run()["body"], {"here": 1})

    def test_syntax_error_is_a_compile_error(self):
        """§8.2 step 7, §9.2 compile-time messages."""
        for code in ("def main(args:\n", "def main(args):\nreturn {}\n", "\0", "main = 'é'\n".encode("latin-1").decode("latin-1") + "\udc80"):
            with self.subTest(code):
                launcher = self.start()
                self.assertEqual(launcher.init(code), failed(502, NOT_FOUND))
                _, stdout, stderr = launcher.end()
                self.assertEqual(stdout, SENTINEL)
                self.assertTrue(stderr.endswith(SENTINEL))
                self.assertRegex(stderr, "Error: ")
                self.assertNotIn("oxwhisk_action.py", stderr)

    def test_failing_load_has_its_stack_in_the_log(self):
        """§9.2 missing function, import error or exception at import."""
        for code, expected in (
            ("raise ValueError('at load')\n" + GOOD, r"main__\.py\", line 1, in <module>\n    raise ValueError\('at load'\)\n(.*\n)?ValueError: at load\n"),
            ("import no_such_module\n" + GOOD, "ModuleNotFoundError: No module named 'no_such_module'\n"),
            ("def other(args):\n    return {}\n", "ImportError: cannot import name 'main' from 'main__' "),
        ):
            with self.subTest(code):
                launcher = self.start()
                self.assertEqual(launcher.init(code), failed(502, NOT_STARTED))
                _, stdout, stderr = launcher.end()
                self.assertEqual(stdout, SENTINEL)
                self.assertRegex(stderr, expected)
                self.assertTrue(stderr.endswith("Command exited abruptly during initialization.\n" + SENTINEL))
                self.assertNotIn("oxwhisk_action.py", stderr)

    def test_sys_exit_at_load_fails_the_init(self):
        """§8.2 step 9."""
        launcher = self.start()
        self.assertEqual(launcher.init("import sys\nsys.exit('no')\n" + GOOD), failed(502, NOT_STARTED))
        self.assertEqual(launcher.run(), {"activation_id": "", "status": 500, "newline": True, "body": {"error": "no action defined yet"}})
        self.assertEqual(launcher.end()[2], "no\nCommand exited abruptly during initialization.\n" + SENTINEL * 2)

    def test_os_exit_at_load_ends_the_process(self):
        launcher = self.start()
        launcher.send({"init": {"value": {"main": "main", "code": "import os\nprint('x', flush=True)\nos._exit(4)\n"}}})
        self.assertEqual(launcher.line(), "")
        self.assertEqual(launcher.end(), (4, "x\n", ""))

    def test_folder_that_cannot_be_made_fails_the_init(self):
        launcher = self.start(env={"TMPDIR": "/proc/none"})
        self.assertEqual(launcher.init(GOOD), failed(502, NOT_FOUND))
        self.assertRegex(launcher.end()[2], "No such file or directory")

    def test_code_knows_its_place(self):
        """§9.2 single file: the module is main__, its folder the current one and first on the path."""
        code = "import os, sys\ndef main(args):\n    return {'name': __name__, 'file': __file__, 'cwd': os.getcwd(), 'path': sys.path[0], 'self': sys.modules[__name__].main is main}\n"
        body = self.started(code).run()["body"]
        self.assertEqual(body["name"], "main__")
        self.assertEqual(body["file"], body["cwd"] + "/main__.py")
        self.assertEqual(body["path"], body["cwd"])
        self.assertTrue(body["self"])

    def test_module_of_the_code_is_like_an_imported_one(self):
        code = """
import importlib, pkgutil, sys
def main(args):
    module = sys.modules[__name__]
    data = pkgutil.get_data(__name__, 'main__.py').decode()
    return {'package': __package__, 'spec': __spec__.name, 'data': data.strip().splitlines()[0], 'again': importlib.reload(module) is module}
"""
        self.assertEqual(self.started(code).run()["body"], {"package": "", "spec": "main__", "data": "import importlib, pkgutil, sys", "again": True})

    def test_output_at_load_belongs_to_the_first_activation(self):
        launcher = self.started("print('loading')\ndef main(args):\n    print('running')\n    return {}\n")
        launcher.run()
        self.assertEqual(launcher.end(), (0, "loading\nrunning\n" + SENTINEL, SENTINEL))

    def test_init_that_comes_in_pieces_is_put_together(self):
        import json

        launcher = self.start()
        code = "def main(args):\n    return {'s': '☃' * 3}\n# " + "☃" * 70000
        line = (json.dumps({"init": {"value": {"main": "main", "code": code}}}, ensure_ascii=False) + "\n").encode()
        snow = line.index("☃".encode()) + 1
        for piece in (line[:3], line[3:snow], line[snow:]):
            launcher.write(piece)
        self.assertEqual(launcher.line(), '{"init":true,"status":200,"body":{"ok":true}}\n')
        self.assertEqual(launcher.run()["body"], {"s": "☃☃☃"})


if __name__ == "__main__":
    unittest.main()

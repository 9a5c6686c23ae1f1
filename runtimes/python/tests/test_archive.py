"""Archives: runtime-protocol.md §8.2 step 6 and §9.2 (zip, virtualenv), and hostile ones."""

import base64
import gzip
import os
import tarfile
import unittest

from .harness import SENTINEL, LauncherTest, tarred, zipped

NOT_FOUND = "The action failed to generate or locate a binary. See logs for details."
MAIN = "def main(args):\n    return {'from': 'main'}\n"
LINK = {"external_attr": 0o120777 << 16}


def cut(code, start, end):
    return base64.b64encode(base64.b64decode(code)[start:end]).decode()


class Good(LauncherTest):
    def result(self, code, main="main"):
        return self.started(code, main, True).run()["body"]

    def test_main_file_and_its_modules_are_found(self):
        """§9.2 zip; recording invoke-python/zip."""
        files = {"other.py": "x = 5\n", "package/__init__.py": "", "package/deep.py": "y = 6\n"}
        for name in ("__main__.py", "main__.py"):
            for pack in (zipped, tarred):
                with self.subTest(name, pack=pack.__name__):
                    source = "from other import x\nfrom package.deep import y\ndef run(args):\n    return [x, y, __name__]\n"
                    self.assertEqual(self.result(pack({name: source, **files}), "run"), [5, 6, "main__"])

    def test_folder_is_the_current_one(self):
        """§9.2 cwd is the extracted dir."""
        files = {"__main__.py": "import os\ndef main(args):\n    return [open('data').read(), os.getcwd() == os.path.dirname(__file__)]\n", "data": "d"}
        self.assertEqual(self.result(zipped(files)), ["d", True])

    def test_virtualenv_is_activated(self):
        """§9.2 virtualenv/ in the zip."""
        activate = "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + '/lib')\n"
        for place in ("bin", "Scripts"):
            files = {f"virtualenv/{place}/activate_this.py": activate, "virtualenv/lib/mine.py": "x = 7\n", "__main__.py": "import mine\ndef main(args):\n    return [mine.x]\n"}
            with self.subTest(place):
                self.assertEqual(self.result(zipped(files)), [7])

    def test_executable_files_stay_executable(self):
        files = {"__main__.py": "import subprocess\ndef main(args):\n    return [subprocess.check_output(['./tool']).decode()]\n", "tool": "#!/bin/sh\necho ran\n"}
        self.assertEqual(self.result(zipped(files, tool={"external_attr": 0o100755 << 16})), ["ran\n"])

    def test_links_inside_the_folder_are_made(self):
        files = {"real/mod.py": "x = 8\n", "links/deep/mod": "../../real", "__main__.py": "from links.deep.mod.mod import x\ndef main(args):\n    return [x]\n"}
        self.assertEqual(self.result(zipped(files, **{"links/deep/mod": LINK})), [8])
        link = {"type": tarfile.SYMTYPE, "linkname": "other.py"}
        hard = {"type": tarfile.LNKTYPE, "linkname": "__main__.py"}
        self.assertEqual(self.result(tarred({"__main__.py": "import mine, hard\ndef main(args):\n    return [mine.x]\n", "other.py": "x = 8\n", "mine.py": link, "hard.py": {**hard, "linkname": "other.py"}})), [8])

    def test_long_tar_names_are_read_in_both_forms(self):
        name = "d" * 120 + ".py"
        for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
            long = name if form != tarfile.USTAR_FORMAT else "p" * 60 + "/" + "d" * 90 + ".py"
            files = {"__main__.py": "def main(args):\n    return [open(%r).read()]\n" % long, long: "x"}
            with self.subTest(form):
                self.assertEqual(self.result(tarred(files, form)), ["x"])

    def test_stored_entries_folders_and_windows_names_are_read(self):
        files = {"__main__.py": MAIN, "dir/": "", "a\\b.py": "x = 1\n", "empty": ""}
        code = zipped(files, **{"__main__.py": {"compress_type": 0}, "a\\b.py": {"create_system": 0, "external_attr": 0}})
        self.assertEqual(self.result(code), {"from": "main"})

    def test_links_may_lead_anywhere(self):
        """`bin/python` of a virtual environment leads to the interpreter, in archives of the stock image's `-compile` as well."""
        main = "import os\ndef main(args):\n    return [os.readlink('virtualenv/bin/' + name) for name in ('python', 'python3')]\n"
        files = {"__main__.py": main, "virtualenv/bin/activate_this.py": "", "virtualenv/bin/python": "/usr/local/bin/python3.11", "virtualenv/bin/python3": "../../../x"}
        links = {name: LINK for name in files if name.startswith("virtualenv/bin/python")}
        tar = {name: {"type": tarfile.SYMTYPE, "linkname": files[name]} if name in links else files[name] for name in files}
        for code in (zipped(files, **links), tarred(tar)):
            self.assertEqual(self.result(code), ["/usr/local/bin/python3.11", "../../../x"])

    def test_archive_of_the_stock_compiler_keeps_its_entry_point(self):
        """§8.6 precompilation: the name is part of the launcher in the archive, whatever the action says."""
        files = {
            "exec": "#!/bin/bash\nexec python exec__.py\n",
            "exec.env": "openwhisk/action-python-v3.11",
            "exec__.py": "import sys\nfrom main__ import niam as main\nout = 3\n",
            "main__.py": "def main(args):\n    return {'from': 'main'}\ndef niam(args):\n    return {'from': 'niam'}\n",
        }
        self.assertEqual(self.result(zipped(files)), {"from": "niam"})
        del files["exec__.py"]
        self.assertEqual(self.result(zipped(files)), {"from": "main"})

    def test_source_file_called_exec_is_the_main_module(self):
        """§9.2 single file: stored as `exec`, which comes before `__main__.py`."""
        self.assertEqual(self.result(zipped({"exec": MAIN, "__main__.py": "x = 1\n"})), {"from": "main"})

    def test_tar_devices_are_left_out(self):
        self.assertEqual(self.result(tarred({"__main__.py": MAIN, "null": {"type": tarfile.CHRTYPE}, "dir": {"type": tarfile.DIRTYPE}})), {"from": "main"})


class Bad(LauncherTest):
    def refused(self, code, reason):
        launcher = self.start()
        self.assertEqual(launcher.init(code, binary=True), {"init": True, "status": 502, "body": {"error": NOT_FOUND}})
        _, stdout, stderr = launcher.end()
        self.assertEqual(stdout, SENTINEL)
        self.assertRegex(stderr, reason)
        self.assertTrue(stderr.endswith(SENTINEL))
        return launcher

    def test_archive_without_main_is_refused(self):
        """§9.2 compile-time messages; recording invoke-python/zip-without-main."""
        for pack in (zipped, tarred):
            self.refused(pack({"other.py": "x = 5\n"}), r"^Zip file does not include __main__\.py\.\n")

    def test_virtualenv_without_activation_is_refused(self):
        """§9.2 virtualenv."""
        self.refused(zipped({"__main__.py": MAIN, "virtualenv/lib/x.py": ""}), r"^Invalid virtualenv\. Zip file does not include 'activate_this\.py'\.\n")

    def test_syntax_error_in_an_archive_is_a_compile_error(self):
        self.refused(zipped({"__main__.py": "def main(args:\n"}), "SyntaxError: ")

    def test_hostile_zips_are_refused_and_nothing_leaves_the_folder(self):
        for name, info, reason in (
            ("../x", {}, "unsafe name"),
            ("a/../../x", {}, "unsafe name"),
            ("/tmp/oxwhisk-x", {}, "unsafe name"),
            ("..\\x", {"create_system": 0}, "unsafe name"),
            ("x", {**LINK, "content": ""}, "leads nowhere"),
        ):
            with self.subTest(name, **info):
                content = info.pop("content", "x")
                launcher = self.refused(zipped({"__main__.py": MAIN, name: content}, **{name: info}), reason)
                self.assertEqual(os.listdir(launcher.folder), [])

    def test_file_below_a_link_is_refused(self):
        self.refused(zipped({"__main__.py": MAIN, "d": ".", "d/x": "x"}, d=LINK), "File exists")

    def test_damaged_zips_are_refused(self):
        good = zipped({"__main__.py": MAIN})
        data = base64.b64decode(good)

        def changed(place, value):
            return base64.b64encode(data[:place] + value + data[place + len(value) :]).decode()

        central = data.index(b"PK\x01\x02")
        for name, code, reason in (
            ("no directory", cut(good, 0, -22), "directory is missing"),
            ("first bytes", base64.b64encode(b"PK\x03\x04").decode(), "directory is missing"),
            ("garbage", base64.b64encode(b"PK\x03\x04" + bytes(range(256)) * 4).decode(), "directory is missing"),
            ("directory elsewhere", changed(len(data) - 6, b"\x01\x00"), "directory is damaged"),
            ("checksum", changed(central + 16, b"\x01\x02"), "is damaged"),
            ("small size", changed(central + 24, b"\x01\x00"), "more than it says"),
            ("large size", changed(central + 24, b"\xf0\x00"), "is damaged"),
            ("size beyond all space", changed(central + 24, b"\xff\xff\xff\xff"), "."),
            ("encrypted", changed(central + 8, b"\x01"), "is encrypted"),
            ("unknown method", changed(central + 10, b"\x0e"), "unsupported method 14"),
            ("local header", changed(central + 42, b"\x05"), "is damaged"),
        ):
            with self.subTest(name):
                self.refused(code, reason)

    def test_sizes_beyond_the_free_space_are_refused_before_unpacking(self):
        data = bytearray(base64.b64decode(zipped({f"{i}": "" for i in range(40_000)})))
        place = 0
        while (place := data.find(b"PK\x01\x02", place)) != -1:
            data[place + 24 : place + 28] = b"\0\0\0\x80"
            place += 46
        self.refused(base64.b64encode(bytes(data)).decode(), "does not fit into the free space")

    def test_hostile_tars_are_refused(self):
        for files, reason in (
            ({"a/../../x": "x"}, "unsafe name"),
            ({"/tmp/oxwhisk-x": "x"}, "unsafe name"),
            ({"x": {"type": tarfile.LNKTYPE, "linkname": "../../../etc/passwd"}}, "unsafe name"),
            ({"../" + "x" * 150: "x"}, "unsafe name"),
        ):
            for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
                with self.subTest(files, form=form):
                    self.refused(tarred({"__main__.py": MAIN, **files}, form), reason)

    def test_damaged_tars_are_refused(self):
        good = tarred({"__main__.py": MAIN})
        plain = gzip.decompress(base64.b64decode(good))
        for name, code, reason in (
            ("cut gzip", cut(good, 0, 40), "cut short|incomplete"),
            ("cut tar", base64.b64encode(gzip.compress(plain[:520])).decode(), "cut short"),
            ("header", base64.b64encode(gzip.compress(b"x" * 1024)).decode(), "."),
            ("garbage", base64.b64encode(b"\x1f\x8b\x08" + b"x" * 100).decode(), "."),
        ):
            with self.subTest(name):
                self.refused(code, reason)


if __name__ == "__main__":
    unittest.main()

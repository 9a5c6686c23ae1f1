"""Runs: runtime-protocol.md §8.4, §9.2 and §10; observed.md, invocation.md §3.3 row "Python"."""

import json
import unittest

from .harness import SENTINEL, LauncherTest

ECHO = "def main(args):\n    return args\n"
NOT_A_DICTIONARY = '{"error":"The action did not return a dictionary or array."}'


def returning(expression):
    return f"def main(args):\n    return {expression}\n"


class Results(LauncherTest):
    def body_of(self, code, value=None):
        """Returns status and body text of one run."""
        launcher = self.started(code)
        launcher.send({"value": value or {}})
        line = launcher.line()
        head, newline, body = line.partition(',"newline":true,"body":')
        self.assertTrue(newline, line)
        return int(head.rpartition(":")[2]), body[:-2]

    def test_answer_has_its_members_in_the_order_the_platform_relies_on(self):
        launcher = self.started("def main(args):\n    return {'hello': args.get('name', 'stranger')}\n")
        launcher.send({"value": {"name": "x"}, "activation_id": "ab" * 16})
        self.assertEqual(launcher.line(), '{"activation_id":"%s","status":200,"newline":true,"body":{"hello": "x"}}\n' % ("ab" * 16))
        for activation_id in ("", None, 5):
            launcher.send({"value": {"name": "x"}, "activation_id": activation_id})
            self.assertEqual(launcher.line(), '{"activation_id":"","status":200,"newline":true,"body":{"hello": "x"}}\n')

    def test_results_are_written_as_json_dumps_writes_them(self):
        """Recording invoke-python/returns-object: `{"hello": "x"}` and a line end are 15 characters."""
        for expression, body in (
            ("{'hello': 'x'}", '{"hello": "x"}'),
            ("[1, 'two']", '[1, "two"]'),
            ("(1, 2)", "[1, 2]"),
            ("{}", "{}"),
            ("{'s': '☃ é \\U0001F600'}", '{"s": "☃ é 😀"}'),
            ("{'i': 5, 'f': 5.0, 'e': 1e30, 'n': None, 't': True, 'b': 10**30}", '{"i": 5, "f": 5.0, "e": 1e+30, "n": null, "t": true, "b": 1000000000000000000000000000000}'),
            ("{1: 2, None: 3, 1.5: 4, False: 5}", '{"1": 2, "null": 3, "1.5": 4, "false": 5}'),
            ("{'q': '\"\\\\\\n\\t\\x01/'}", '{"q": "\\"\\\\\\n\\t\\u0001/"}'),
            ("{'error': 'bad', 'other': 1}", '{"error": "bad", "other": 1}'),
            ("{'word': 'NaN and Infinity'}", '{"word": "NaN and Infinity"}'),
            ("None", "null"),
        ):
            with self.subTest(expression):
                self.assertEqual(self.body_of(returning(expression)), (200, body))

    def test_other_results_are_refused(self):
        """§8.4: what is neither object nor array for the proxy."""
        for expression in ("'text'", "5", "5.5", "True", "float('nan')", "{'a': float('nan')}", "[float('inf')]"):
            with self.subTest(expression):
                self.assertEqual(self.body_of(returning(expression)), (502, NOT_A_DICTIONARY))

    def test_launcher_serves_on_after_a_refused_result(self):
        launcher = self.started("def main(args):\n    return args.get('r')\n")
        self.assertEqual(launcher.run({"r": 5})["status"], 502)
        self.assertEqual(launcher.run({"r": {}})["status"], 200)
        self.assertEqual(launcher.end(), (0, SENTINEL * 2, SENTINEL * 2))

    def test_result_that_cannot_be_written_ends_the_process(self):
        """§9.2: a result that cannot be serialised kills the process, and the proxy says so."""
        for expression, error in (
            ("{'s': {1, 2}}", "TypeError: Object of type set is not JSON serializable\n"),
            ("(lambda a: a.update(a=a) or a)({})", "ValueError: Circular reference detected\n"),
            ("{(1, 2): 3}", "TypeError: keys must be str, int, float, bool or None, not tuple\n"),
            ("{'s': '\\ud800'}", "UnicodeEncodeError: "),
            ("object()", "TypeError: Object of type object is not JSON serializable\n"),
        ):
            with self.subTest(expression):
                launcher = self.started(returning(expression))
                launcher.send({"value": {}, "activation_id": "a"})
                self.assertEqual(launcher.line(), '{"activation_id":"a","status":400,"newline":true,"body":{"error":"command exited"}}\n')
                self.assertEqual(launcher.line(), "")
                code, stdout, stderr = launcher.end()
                self.assertEqual((code, stdout), (1, SENTINEL))
                self.assertIn(error, stderr)
                self.assertTrue(stderr.endswith(SENTINEL))

    def test_result_that_nests_too_deeply_ends_the_process(self):
        launcher = self.started("def main(args):\n    r = []\n    for _ in range(100000):\n        r = [r]\n    return r\n")
        self.assertEqual(launcher.run()["body"], {"error": "command exited"})

    def test_action_that_ends_the_process_at_once_is_answered(self):
        """Recording invoke-python/exits: the stock proxy outlives the action's process; ends of child processes are not the action's."""
        for module in ("os", "posix"):
            with self.subTest(module):
                code = (
                    f"import os, {module}\ndef main(args):\n    child = os.fork()\n    if child == 0: {module}._exit(7)\n"
                    f"    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n    {module}._exit(3)\n"
                )
                launcher = self.started(code)
                launcher.send({"value": {}, "activation_id": "a"})
                self.assertEqual(launcher.line(), '{"activation_id":"a","status":400,"newline":true,"body":{"error":"command exited"}}\n')
                self.assertEqual(launcher.end(), (3, "7\n" + SENTINEL, SENTINEL))

    def test_exception_is_an_application_error(self):
        """§9.2 exception in the handler."""
        launcher = self.started("def main(args):\n    if args:\n        raise ValueError('boom')\n    return {}\n")
        launcher.send({"value": {"a": 1}})
        self.assertEqual(launcher.line(), '{"activation_id":"","status":200,"newline":true,"body":{"error": "boom"}}\n')
        self.assertEqual(launcher.run()["status"], 200)
        _, stdout, stderr = launcher.end()
        self.assertEqual(stdout, SENTINEL * 2)
        self.assertRegex(stderr, r'^Traceback \(most recent call last\):\n  File ".*/main__.py", line 3, in main\n    raise ValueError\(\'boom\'\)\n(.*\n)?ValueError: boom\n' + SENTINEL)
        self.assertNotIn("oxwhisk_action.py", stderr)

    def test_exception_without_a_text_is_an_empty_one(self):
        self.assertEqual(self.body_of("def main(args):\n    raise KeyError\n"), (200, '{"error": ""}'))
        self.assertEqual(self.body_of("def main(args):\n    return args['k']\n"), (200, '{"error": "\'k\'"}'))

    def test_main_that_is_no_function_is_an_exception(self):
        self.assertEqual(self.body_of("main = 5\n"), (200, "{\"error\": \"'int' object is not callable\"}"))


class Requests(LauncherTest):
    def test_run_before_init_is_refused(self):
        """§8.4 no child."""
        launcher = self.start()
        self.assertEqual(launcher.run(activation_id="a"), {"activation_id": "a", "status": 500, "newline": True, "body": {"error": "no action defined yet"}})

    def test_missing_value_is_an_empty_dictionary(self):
        """§10 /run with {}."""
        launcher = self.started("def main(args):\n    return {'args': args}\n")
        for line, args in (("{}", "{}"), ('{"value":{}}', "{}"), ('{"value":null}', "null"), ('{"value":[1]}', "[1]")):
            launcher.write(line + "\n")
            self.assertEqual(launcher.line(), '{"activation_id":"","status":200,"newline":true,"body":{"args": %s}}\n' % args)

    def test_line_that_is_no_object_is_refused(self):
        """§8.2 step 2."""
        launcher = self.started(ECHO)
        for line in ("", "{", "5", "null", "[1]", '{"value":}'):
            with self.subTest(line):
                launcher.write(line + "\n")
                answer = json.loads(launcher.line())
                self.assertEqual(answer["status"], 400)
                self.assertRegex(answer["body"]["error"], "^Error unmarshaling request: ")
        self.assertEqual(launcher.run({"a": 1})["body"], {"a": 1})

    def test_numbers_and_texts_survive(self):
        launcher = self.started(ECHO)
        launcher.write('{"value":{"i":5,"f":5.0,"e":1e3,"big":12345678901234567890123,"u":"\\u2603 é \\ud83d\\ude00","n":null,"a":[{}]}}\n')
        self.assertEqual(
            launcher.line(),
            '{"activation_id":"","status":200,"newline":true,"body":{"i": 5, "f": 5.0, "e": 1000.0, "big": 12345678901234567890123, "u": "☃ é 😀", "n": null, "a": [{}]}}\n',
        )

    def test_unicode_survives_in_values_and_logs(self):
        """§10 unicode."""
        launcher = self.started("def main(args):\n    winter = args['delimiter'] + ' ☃ ' + args['delimiter']\n    print(winter)\n    return {'winter': winter}\n")
        self.assertEqual(launcher.run({"delimiter": "❄"})["body"], {"winter": "❄ ☃ ❄"})
        self.assertEqual(launcher.end(), (0, "❄ ☃ ❄\n" + SENTINEL, SENTINEL))

    def test_string_of_a_megabyte_survives_the_round_trip(self):
        """§10 large input."""
        launcher = self.started(ECHO)
        for text in ("x" * 1_048_561, "☃" * 400_000):
            self.assertEqual(launcher.run({"big": text})["body"], {"big": text})

    def test_requests_in_one_write_are_served_in_order(self):
        launcher = self.started(ECHO)
        launcher.write('{"value":{"n":1}}\n{"value":{"n":2}}\n{"value":')
        launcher.write('{"n":3}}\n')
        for n in (1, 2, 3):
            self.assertEqual(json.loads(launcher.line())["body"], {"n": n})

    def test_state_is_kept_from_run_to_run(self):
        """Recording invoke-python/warm-state."""
        launcher = self.started("n = 0\ndef main(args):\n    global n\n    n += 1\n    return {'n': n}\n")
        self.assertEqual([launcher.run()["body"]["n"] for _ in range(3)], [1, 2, 3])


class Logs(LauncherTest):
    def test_each_run_ends_with_one_sentinel_on_each_stream(self):
        """§5, §10 echo; recording invoke-python/logs-both."""
        launcher = self.started("import sys\ndef main(args):\n    print('out')\n    print('err', file=sys.stderr)\n    return args\n")
        launcher.run()
        launcher.run()
        self.assertEqual(launcher.end(), (0, ("out\n" + SENTINEL) * 2, ("err\n" + SENTINEL) * 2))

    def test_text_without_a_line_end_shares_its_line_with_the_sentinel(self):
        launcher = self.started("def main(args):\n    print('no end', end='')\n    return {}\n")
        launcher.run()
        self.assertEqual(launcher.end()[1], "no end" + SENTINEL)

    def test_megabyte_of_output_comes_before_the_sentinel(self):
        launcher = self.started("def main(args):\n    for _ in range(5000):\n        print('x' * 200)\n    return {}\n")
        launcher.run()
        self.assertEqual(launcher.end()[1], ("x" * 200 + "\n") * 5000 + SENTINEL)

    def test_streams_an_action_has_closed_harm_nobody(self):
        launcher = self.started("import os, sys\ndef main(args):\n    sys.stdout.close()\n    os.close(2)\n    return {}\n")
        self.assertEqual(launcher.run()["status"], 200)
        self.assertEqual(launcher.run()["status"], 200)


if __name__ == "__main__":
    unittest.main()

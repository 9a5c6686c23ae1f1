"""Applications made with openwhisk-composer for Python: its combinators deployed and run, and the programs `pycompose` and `pydeploy`.

Run with APIHOST and AUTH of a server, and the library on PYTHONPATH.
"""

import os
import subprocess
import sys
import tempfile
import unittest

import composer
import conductor

APIHOST, AUTH = os.environ["APIHOST"], os.environ["AUTH"]
ACTIONS = {
    "echo": "function main(params) { return params }",
    "double": "function main({ n }) { return { n: n * 2 } }",
    "increment": "function main({ n }) { return { n: n + 1 } }",
    "below10": "function main({ n }) { return { value: n < 10 } }",
    "breaks": "function main() { return { error: 'broken' } }",
}


# The library takes functions by name, which see the variables of `let` in their first argument.
def mark(env, args):
    args["seen"] = True


def handled(env, args):
    return {"handled": args["error"]}


def last(env, args):
    return {"last": args}


def show_x(env, args):
    return env["x"]


def keep_n(env, args):
    env["x"] = args["n"]
    return args


def works_at_last(env, args):
    env["left"] -= 1
    return {"error": "again"} if env["left"] >= 0 else {"done": True}


def throws(env, args):
    raise ValueError("thrown")


SUCCESS = {
    "sequence": (lambda: composer.sequence("increment", composer.seq("double", "increment")), {"n": 1}, {"n": 5}),
    "function": (lambda: composer.function(mark), {"n": 1}, {"n": 1, "seen": True}),
    "literal": (lambda: composer.literal({"fixed": [1, "ä"]}), {}, {"fixed": [1, "ä"]}),
    "when, test true": (lambda: composer.when("below10", "increment", "double"), {"n": 9}, {"n": 10}),
    "when, test false": (lambda: composer.when("below10", "increment", "double"), {"n": 10}, {"n": 20}),
    "loop": (lambda: composer.loop("below10", "double"), {"n": 3}, {"n": 12}),
    "doloop": (lambda: composer.doloop("double", "below10"), {"n": 30}, {"n": 60}),
    "repeat": (lambda: composer.repeat(4, "double"), {"n": 1}, {"n": 16}),
    "do": (lambda: composer.do("breaks", handled), {}, {"handled": "broken"}),
    "ensure": (lambda: composer.ensure("breaks", last), {}, {"last": {"error": "broken"}}),
    "let": (lambda: composer.let({"x": 1}, keep_n, "double", show_x), {"n": 7}, {"value": 7}),
    "mask": (lambda: composer.let({"x": 1}, composer.let({"x": 2}, composer.mask(show_x))), {}, {"value": 1}),
    "retain": (lambda: composer.retain("double"), {"n": 2}, {"params": {"n": 2}, "result": {"n": 4}}),
    "retain_catch": (lambda: composer.retain_catch("breaks"), {"n": 2}, {"params": {"n": 2}, "result": {"error": "broken"}}),
    "retry": (lambda: composer.let({"left": 2}, composer.retry(2, works_at_last)), {}, {"done": True}),
}
FAILURE = {
    "error of an action": (lambda: composer.seq("breaks", "echo"), "broken"),
    "retry that gives up": (lambda: composer.let({"left": 2}, composer.retry(1, works_at_last)), "again"),
    "function that throws": (lambda: composer.function(throws), "Function combinator threw an exception at AST node root (see log for details)"),
    "action that does not exist": (lambda: composer.action("missing"), "Failed to resolve action with name 'guest/missing' during composition."),
}


class Combinators(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ow = conductor.openwhisk({"apihost": APIHOST, "api_key": AUTH})
        for name, code in ACTIONS.items():
            cls.ow.actions.update({"name": name, "action": code, "kind": "nodejs:default"})

    def deploy(self, composition, name="composition"):
        self.ow.compositions.deploy({"name": name, "annotations": [], "limits": {}, **composition.compile()}, True)

    def run_it(self, composition, params):
        """Returns the response of a blocking invocation, success or not."""
        self.deploy(composition)
        try:
            return self.ow.actions.invoke({"name": "composition", "params": params, "blocking": True})["response"]
        except Exception as error:
            return error.error["response"]

    def test_each_gives_its_result(self):
        for name, (composition, params, expected) in SUCCESS.items():
            with self.subTest(name):
                response = self.run_it(composition(), params)
                self.assertEqual((response["status"], response["result"]), ("success", expected))

    def test_failures_are_the_applications(self):
        for name, (composition, expected) in FAILURE.items():
            with self.subTest(name):
                response = self.run_it(composition(), {})
                self.assertEqual((response["status"], response["result"]), ("application error", {"error": expected}))

    def test_async_answers_with_an_id(self):
        response = self.run_it(composer.asynchronous("double"), {"n": 1})
        self.assertEqual((response["result"]["method"], len(response["result"]["activationId"])), ("async", 32))

    def test_existing_composition_is_not_replaced_unless_told_to(self):
        self.deploy(composer.seq("double"), "once")
        with self.assertRaises(Exception) as refused:
            self.ow.compositions.deploy({"name": "once", "annotations": [], "limits": {}, **composer.seq("echo").compile()}, False)
        self.assertEqual(refused.exception.status_code, 409)


class Programs(unittest.TestCase):
    def test_composition_goes_from_source_to_server(self):
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "demo.py")
            with open(source, "w") as file:
                file.write(
                    "import composer\n\ndef main():\n    return composer.when(\n"
                    "        composer.action('check', {'action': lambda args: {'value': args['password'] == 'abc123'}}),\n"
                    "        composer.action('welcome', {'action': lambda args: {'message': 'welcome'}}),\n"
                    "        composer.action('refuse', {'action': lambda args: {'message': 'refused'}}))\n"
                )
            composed = subprocess.run([sys.executable, "-m", "pycompose", source], capture_output=True, text=True, check=True)
            target = os.path.join(folder, "demo.json")
            with open(target, "w") as file:
                file.write(composed.stdout)
            command = [sys.executable, "-m", "pydeploy", "demo", target, "--apihost", APIHOST, "-u", AUTH, "-w"]
            deployed = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(deployed.returncode, 0, deployed.stdout + deployed.stderr)
        ow = conductor.openwhisk({"apihost": APIHOST, "api_key": AUTH})
        for password, message in (("abc123", "welcome"), ("x", "refused")):
            result = ow.actions.invoke({"name": "demo", "params": {"password": password}, "blocking": True, "result": True})
            self.assertEqual(result, {"message": message})


if __name__ == "__main__":
    unittest.main()

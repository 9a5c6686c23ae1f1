"""Compositions in the form in which openwhisk-composer for Python deploys them, sent as its client sends them (composer §1 to §3).

The library itself is not on PyPI; `composer_python.py` runs it where there is a copy. What it puts on a server is one action of
kind `python:3` that holds the compiled composition as JSON and the interpreter for it, so here is a small interpreter of our own
that asks the platform for the same. Run with APIHOST and AUTH of a server, and `requests` on PYTHONPATH.
"""

import base64
import json
import os
import time
import unittest

import requests

APIHOST, AUTH = os.environ["APIHOST"], os.environ["AUTH"]
HEADERS = {"Authorization": "Basic " + base64.b64encode(AUTH.encode()).decode(), "Content-Type": "application/json"}
ACTIONS = {
    "double": "def main(args):\n    return {'n': args['n'] * 2}",
    "breaks": "def main(args):\n    return {'error': 'broken'}",
}
# The library's own imports come first in each conductor, so all of them must be there when it is loaded.
CONDUCTOR = '''import base64
import functools
import inspect
import json
import marshal
import os
import re
import types
import urllib.parse
import requests

program = json.loads(%s)


def settled(args, state):
    """An error goes to the nearest handler; without one it ends the composition."""
    if 'error' in args:
        state['at'] = state['handlers'].pop() if state['handlers'] else len(program)
    return args


def detached(args, state):
    _, namespace, name = os.environ['__OW_ACTION_NAME'].split('/')
    url = os.environ['__OW_API_HOST'] + '/api/v1/namespaces/' + namespace + '/actions/' + name
    key = base64.b64encode(os.environ['__OW_API_KEY'].encode()).decode()
    headers = {'Authorization': 'Basic ' + key, 'Content-Type': 'application/json'}
    body = json.dumps({**args, '$composer': state})
    answer = requests.request('POST', url, params={}, data=body, headers=headers, verify=False)
    return {'method': 'async', 'activationId': answer.json()['activationId'], 'sessionId': state['session']}


def main(args):
    state = args.pop('$composer', None)
    if state is None:
        state = {'at': 0, 'handlers': [], 'session': os.environ['__OW_ACTIVATION_ID']}
    else:
        args = settled(args, state)
    while state['at'] < len(program):
        step = program[state['at']]
        state['at'] += 1
        if step['type'] == 'action':
            return {'method': 'action', 'action': step['name'], 'params': args, 'state': {'$composer': state}}
        if step['type'] == 'function':
            scope = {}
            exec(step['code'], scope)
            args = settled(scope[step['functionName']]({}, args), state)
        elif step['type'] == 'try':
            state['handlers'].append(step['catch'])
        elif step['type'] == 'exit':
            state['handlers'].pop()
            state['at'] = step['next']
        elif step['type'] == 'async':
            args = detached(args, dict(state))
            state['at'] = step['return']
        elif step['type'] == 'stop':
            break
    return args if 'error' in args else {'params': args}
'''


def send(method, path, body=None, **query):
    """Sends what the library's client sends: JSON with every method, `null` where there is no body, `True` for true."""
    url = APIHOST + "/api/v1/namespaces/_/" + path
    return requests.request(method, url, params=query, data=json.dumps(body), headers=HEADERS, verify=True)


def action(code):
    return {"exec": {"kind": "python:3", "code": code}}


def composition(*steps, annotations=()):
    tree = json.dumps({"type": "sequence", "components": [step for step in steps if step["type"] == "action"]})
    return {
        "exec": {"kind": "python:3", "code": CONDUCTOR % repr(json.dumps(steps))},
        "annotations": [
            {"key": "conductor", "value": tree},
            {"key": "composerVersion", "value": "0.15.1"},
            {"key": "conductorVersion", "value": "0.4.0"},
            {"key": "provide-api-key", "value": True},
            *annotations,
        ],
        "limits": {},
    }


def named(name):
    return {"type": "action", "name": name}


def function(code):
    return {"type": "function", "kind": "python:3", "functionName": "step", "code": code}


def record_of(activation_id):
    """The record of an activation, which may still be on its way."""
    end = time.monotonic() + 20
    while True:
        answer = send("GET", "activations/" + activation_id)
        if answer.status_code == 200 or time.monotonic() > end:
            return answer.json()
        time.sleep(0.01)


class PythonForm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for name, code in ACTIONS.items():
            assert send("PUT", "actions/" + name, action(code), overwrite=True).status_code == 200
        assert send("PUT", "packages/pack", {}, overwrite=True).status_code == 200

    def run_it(self, args, *steps):
        """Deploys over what is there and returns the answer to a blocking invocation."""
        self.assertIn(send("DELETE", "actions/composed").status_code, (200, 404))
        deployed = send("PUT", "actions/composed", composition(*steps))
        self.assertEqual(deployed.status_code, 200, deployed.text)
        return send("POST", "actions/composed", args, blocking=True)

    def test_deployment_is_kept_as_it_was_sent(self):
        body = composition(named("/_/double"), annotations=[{"key": "note", "value": "hello"}])
        self.assertEqual(send("DELETE", "actions/demo").status_code, 404)
        self.assertEqual(send("PUT", "actions/demo", body).status_code, 200)
        refused = send("PUT", "actions/demo", body)
        self.assertEqual((refused.status_code, refused.json()["error"]), (409, "resource already exists"))
        self.assertEqual(send("DELETE", "actions/demo").status_code, 200)
        self.assertEqual(send("PUT", "actions/demo", body).status_code, 200)
        shown = send("GET", "actions/demo").json()
        self.assertEqual(shown["exec"], {**body["exec"], "binary": False})
        self.assertEqual(shown["version"], "0.0.1")
        self.assertEqual(shown["limits"], {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1})
        annotations = {entry["key"]: entry["value"] for entry in shown["annotations"]}
        sent = {entry["key"]: entry["value"] for entry in body["annotations"]}
        self.assertEqual(annotations, {**sent, "exec": "python:3"})
        self.assertIsInstance(annotations["conductor"], str)

    def test_steps_follow_each_other(self):
        increment = "def step(env, args):\n    return {'n': args['n'] + 1}"
        self.assertEqual(send("PUT", "actions/pack/triple", action("def main(args):\n    return {'n': args['n'] * 3}"), overwrite=True).status_code, 200)
        sequence = {"exec": {"kind": "sequence", "components": ["/_/double", "/_/double"]}}
        self.assertEqual(send("PUT", "actions/twice", sequence, overwrite=True).status_code, 200)
        steps = [named("/_/double"), function(increment), named("/_/pack/triple"), named("/_/twice")]
        answer = self.run_it({"n": 1}, *steps)
        self.assertEqual(answer.status_code, 200, answer.text)
        activation = answer.json()
        self.assertEqual((activation["response"]["success"], activation["response"]["result"]), (True, {"n": 36}))
        record = record_of(activation["activationId"])
        names = [record_of(step)["name"] for step in record["logs"]]
        self.assertEqual(names, ["composed", "double", "composed", "triple", "composed", "twice", "composed"])
        annotations = {entry["key"]: entry["value"] for entry in record["annotations"]}
        self.assertEqual((annotations["conductor"], annotations["kind"], annotations["topmost"]), (True, "sequence", True))

    def test_errors_go_to_the_handler_or_end_it(self):
        handler = function("def step(env, args):\n    return {'handled': args['error']}")
        # The body, then past the handler; where the body fails, the handler.
        steps = [{"type": "try", "catch": 3}, named("/_/breaks"), {"type": "exit", "next": 4}, handler]
        self.assertEqual(self.run_it({}, *steps).json()["response"]["result"], {"handled": "broken"})
        steps[1] = named("/_/double")
        self.assertEqual(self.run_it({"n": 2}, *steps).json()["response"]["result"], {"n": 4})
        missing = "Failed to resolve action with name 'guest/missing' during composition."
        for step, text in ((named("/_/breaks"), "broken"), (named("/_/missing"), missing)):
            answer = self.run_it({}, step, named("/_/double"))
            response = answer.json()["response"]
            expected = (502, "application error", {"error": text})
            self.assertEqual((answer.status_code, response["status"], response["result"]), expected)

    def test_the_rest_can_be_detached(self):
        steps = [{"type": "async", "return": 3}, named("/_/double"), {"type": "stop"}]
        answer = self.run_it({"n": 4}, *steps).json()
        result = answer["response"]["result"]
        self.assertEqual((result["method"], result["sessionId"]), ("async", answer_session(answer)))
        self.assertEqual(record_of(result["activationId"])["response"]["result"], {"n": 8})


def answer_session(answer):
    """The conductor's first run is the first of the composition's steps; its id names the session."""
    return record_of(answer["activationId"])["logs"][0]


if __name__ == "__main__":
    unittest.main()

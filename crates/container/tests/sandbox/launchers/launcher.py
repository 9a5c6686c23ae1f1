"""A launcher for tests: speaks the framed protocol, runs Python source whose `main` takes a dict."""
import json
import os
import socket
import sys

connection = socket.socket(fileno=3)
os.set_inheritable(3, False)
reader = connection.makefile("rb")
SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"


def send(text):
    connection.sendall(text.encode() + b"\n")


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def end_logs():
    for stream in (sys.stdout, sys.stderr):
        stream.write(SENTINEL + "\n")
        stream.flush()


scope = {}
send('{"ready":true}')
for line in reader:
    message = json.loads(line)
    if "init" in message:
        value = message["init"]["value"]
        os.environ.update(value.get("env", {}))
        try:
            exec(value["code"], scope)
            send('{"init":true,"status":200,"body":{"OK":true}}')
        except BaseException as error:
            send('{"init":true,"status":502,"body":%s}' % compact({"error": str(error)}))
            end_logs()
        continue
    try:
        status, body = 200, compact(scope["main"](message["value"]))
    except Exception as error:
        status, body = 200, compact({"error": str(error)})
    send('{"activation_id":"%s","status":%d,"body":%s}' % (message.get("activation_id", ""), status, body))
    end_logs()

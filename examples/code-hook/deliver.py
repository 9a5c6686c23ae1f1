"""python3 deliver.py URL EVENT FILE [SECRET]: delivers a file as the code host would, signed with the secret (default: $HOOK_SECRET)."""

import hashlib
import hmac
import os
import sys
import urllib.error
import urllib.request

url, event, file = sys.argv[1:4]
secret = sys.argv[4] if len(sys.argv) > 4 else os.environ["HOOK_SECRET"]
with open(file, "rb") as opened:
    body = opened.read()
headers = {
    "Content-Type": "application/json",
    "X-GitHub-Event": event,
    "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
}
try:
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as refused:
    print(refused.code, refused.read().decode())

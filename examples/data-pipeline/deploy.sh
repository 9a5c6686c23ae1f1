#!/bin/sh
set -e
cd "$(dirname "$0")"
wsk package update pipeline
wsk action update pipeline/parse parse.py
wsk action update pipeline/convert convert.js
wsk action update pipeline/summary summary.py
wsk action update pipeline/report --sequence pipeline/parse,pipeline/convert,pipeline/summary --web true
(cd thumbnail && python3 -m zipfile -c ../thumbnail.zip __main__.py png.py)
wsk action update pipeline/thumbnail thumbnail.zip --kind python:default --web true
rm thumbnail.zip

#!/bin/sh
set -e
cd "$(dirname "$0")"
wsk package update orders
wsk action update orders/reserve reserve.js -p stock '{"lamp": {"there": 12, "cents": 2500}, "anvil": {"there": 4, "cents": 9900}}'
wsk action update orders/release release.js
wsk action update orders/charge charge.py
wsk action update orders/refund refund.py
wsk action update orders/ship ship.js -p grams '{"lamp": 800, "anvil": 20000}'
wsk action update orders/workflow conductor.py -a conductor true
wsk action update orders/check check.js
wsk action update orders/order --sequence orders/check,orders/workflow --web true

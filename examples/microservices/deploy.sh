#!/bin/sh
set -e
cd "$(dirname "$0")"
wsk package update shop -P parameters.json
wsk action update shop/catalog catalog.js --web true
wsk action update shop/basket basket.js
wsk action update shop/price price.py
wsk action update shop/receipt receipt.js
wsk action update shop/quote --sequence shop/basket,shop/price,shop/receipt --web true

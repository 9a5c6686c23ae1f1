#!/bin/sh
set -e
cd "$(dirname "$0")"
wsk package update warehouse
wsk action update warehouse/audit audit.js
wsk action update warehouse/reorder reorder.py -p minimum 5 -p full 20
wsk trigger update stock-changed
wsk rule update audit-changes stock-changed warehouse/audit
wsk rule update reorder-low-stock stock-changed warehouse/reorder

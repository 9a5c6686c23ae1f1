#!/bin/sh
set -e
cd "$(dirname "$0")"
wsk package update iot
wsk action update iot/check check.js -a provide-api-key true -p alarm alarm \
    -p limits '{"default": {"low": 0, "high": 40}, "freezer": {"low": -30, "high": -15}}'
wsk action update iot/notify notify.py -p team facility@example.com -p on_call +15550100 -p severe_distance 10
wsk trigger update reading
wsk trigger update alarm
wsk rule update check-readings reading iot/check
wsk rule update notify-of-alarms alarm iot/notify

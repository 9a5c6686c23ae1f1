#!/bin/sh
wsk rule delete notify-of-alarms
wsk rule delete check-readings
wsk trigger delete alarm
wsk trigger delete reading
wsk action delete iot/notify
wsk action delete iot/check
wsk package delete iot

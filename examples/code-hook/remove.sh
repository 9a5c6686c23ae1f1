#!/bin/sh
wsk rule delete plan-after-push
wsk trigger delete pushed
wsk action delete hook/plan
wsk action delete hook/receive
wsk package delete hook

#!/bin/sh
for action in quote receipt price basket catalog; do wsk action delete shop/$action; done
wsk package delete shop

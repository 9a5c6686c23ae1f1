#!/bin/sh
for action in thumbnail report summary convert parse; do wsk action delete pipeline/$action; done
wsk package delete pipeline

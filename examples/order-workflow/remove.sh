#!/bin/sh
for action in order check workflow ship refund charge release reserve; do wsk action delete orders/$action; done
wsk package delete orders

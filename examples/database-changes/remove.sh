#!/bin/sh
wsk rule delete reorder-low-stock
wsk rule delete audit-changes
wsk trigger delete stock-changed
wsk action delete warehouse/reorder
wsk action delete warehouse/audit
wsk package delete warehouse

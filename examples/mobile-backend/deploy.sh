#!/bin/sh
set -e
cd "$(dirname "$0")"
users=$(node new-user.js anna 'correct horse')
secret=$(node -p 'crypto.randomBytes(32).toString("hex")')
wsk package update app -P articles.json
wsk action update app/api api.js --web true -a provide-api-key true -p users "$users" -p secret "$secret"
wsk action update app/triage triage.py
wsk trigger update app-feedback
wsk rule update app-feedback-triage app-feedback app/triage

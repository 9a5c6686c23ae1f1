#!/bin/sh
# HOOK_SECRET is what the webhook is set up with at the code host.
set -e
cd "$(dirname "$0")"
: "${HOOK_SECRET:?say what the webhook signs with}"
wsk package update hook
wsk action update hook/receive receive.js --web raw -a provide-api-key true -p secret "$HOOK_SECRET" -p trigger pushed
wsk action update hook/plan plan.py -p branches '["main", "release/*"]' -p parts '{"site": ["web/*"], "server": ["src/*"], "manual": ["docs/*"]}'
wsk trigger update pushed
wsk rule update plan-after-push pushed hook/plan

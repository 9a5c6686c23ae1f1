"""Decides who should look at feedback from the app. A rule starts it, so nobody waits for it."""

TEAMS = {
    "payments": ("pay", "card", "refund", "invoice"),
    "stability": ("crash", "freeze", "hang", "slow"),
}


def main(args):
    words = args["text"].lower()
    found = [team for team, signs in TEAMS.items() if any(sign in words for sign in signs)]
    urgent = args["rating"] <= 2
    print(f"feedback of {args['user']}: {args['rating']} of 5")
    return {"user": args["user"], "teams": found or ["support"], "urgent": urgent}

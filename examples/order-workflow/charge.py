"""Takes the money. Stands for a payment service: the check digit of the card decides."""


def main(args):
    if not is_card(args["card"]):
        return {"error": "the card was declined"}
    print(f"order {args['id']}: {args['cents']} cents taken")
    return {"payment": f"{args['id']}-{args['cents']}"}


def is_card(number):
    """Luhn's rule: every second digit from the right is doubled, and the sum of all digits ends in 0."""
    digits = [int(digit) for digit in number if digit.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(digits) >= 12 and (sum(digits[::-2]) + sum(doubled)) % 10 == 0

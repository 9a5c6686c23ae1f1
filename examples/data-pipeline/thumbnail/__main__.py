"""Makes a small picture of a large one: each pixel is the mean of those it stands for."""

import base64
import binascii

import png


def main(args):
    try:
        edge = int(args.get("edge", 64))
        content = base64.b64decode(args["__ow_body"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return refusal(400, "post a picture as image/png; ?edge= is a whole number")
    if not 8 <= edge <= 512:
        return refusal(400, "'edge' is from 8 to 512")
    try:
        small = shrink(*png.decode(content), edge)
    except ValueError as fault:
        return refusal(415, str(fault))
    return {"headers": {"Content-Type": "image/png"}, "body": base64.b64encode(png.encode(*small)).decode()}


def shrink(width, height, channels, pixels, edge):
    """Returns the picture so that its longer side has at most `edge` pixels."""
    longer = max(width, height)
    if longer <= edge:
        return width, height, channels, pixels
    columns, rows = max(1, width * edge // longer), max(1, height * edge // longer)
    small = bytearray()
    for row in range(rows):
        lines = range(row * height // rows, (row + 1) * height // rows)
        for column in range(columns):
            left, right = column * width // columns, (column + 1) * width // columns
            count = len(lines) * (right - left)
            for channel in range(channels):
                total = sum(sum(pixels[(y * width + left) * channels + channel : (y * width + right) * channels : channels]) for y in lines)
                small.append(total // count)
    return columns, rows, channels, bytes(small)


def refusal(status, error):
    return {"error": {"statusCode": status, "body": {"error": error}}}

"""python3 sample.py FILE: writes a picture of 640 x 360 pixels, to have one. `python3 sample.py --size FILE` tells the size of one."""

import sys

sys.path.insert(0, "thumbnail")
sys.dont_write_bytecode = True

import png  # noqa: E402

if sys.argv[1] == "--size":
    with open(sys.argv[2], "rb") as file:
        width, height, channels, pixels = png.decode(file.read())
    print(f"{width} x {height}, first pixel {tuple(pixels[:channels])}")
else:
    width, height = 640, 360
    pixels = bytes(value for y in range(height) for x in range(width) for value in (255 * x // width, 255 * y // height, 128))
    with open(sys.argv[1], "wb") as file:
        file.write(png.encode(width, height, 3, pixels))

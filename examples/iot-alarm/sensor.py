"""python3 sensor.py NAME CELSIUS…: a sensor that sends its readings, each as a firing of the trigger `reading`."""

import subprocess
import sys

name, *readings = sys.argv[1:]
for celsius in readings:
    subprocess.run(["wsk", "trigger", "fire", "reading", "-p", "sensor", name, "-p", "celsius", celsius], check=True)

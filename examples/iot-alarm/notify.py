"""Says who has to be told about an alarm, and what. A real one would send it; how is a parameter away."""


def main(args):
    distance = abs(args["celsius"] - args["limit"])
    severe = distance >= args["severe_distance"]
    text = f"{args['sensor']} is {args['state']}: {args['celsius']} °C, {distance:.1f} °C beyond the limit"
    print(text)
    return {"to": args["on_call"] if severe else args["team"], "severe": severe, "text": text}

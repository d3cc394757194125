"""Numbers among the arguments: what cannot be meant is refused before anything starts."""

import argparse
import math


def milliseconds(text: str) -> float:
    """0 or more."""
    return _number(text, "a number of milliseconds was expected, 0 or more")


def seconds(text: str) -> float:
    """More than 0."""
    what = "a number of seconds was expected, more than 0"
    number = _number(text, what)
    if number == 0:
        raise argparse.ArgumentTypeError(f"{text}: {what}")
    return number


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: {what}")
    return number

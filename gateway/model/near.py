"""The name somebody probably meant."""

import difflib
from collections.abc import Iterable
from itertools import islice


def nearest(text: str, choices: Iterable[str]) -> str:
    """The choice most like `text`, upper and lower case aside; empty when none is like it."""
    by_lower_case = {choice.lower(): choice for choice in islice(choices, 2000)}
    found = difflib.get_close_matches(text[:200].lower(), by_lower_case, n=1, cutoff=0.6)
    return by_lower_case[found[0]] if found else ""

"""The interpreter's search for cyclic garbage, kept away from what lives as long as the configuration.

Plans, profiles and sources are hundreds of thousands of objects. A full search walks through all of them, a quarter of
a second in which nothing else runs; so what a change of the configuration brought is set aside after it. None of it is
in a cycle: what the next change drops goes at once. And it searches less often: one notification of thousands of values
is tens of thousands of objects, all of them gone a moment later without any search.
"""

import gc
from collections.abc import Callable
from typing import NoReturn

from gateway.model.contracts import Clock

LOOK_S = 5.0
YOUNG = 50_000
"""Objects made and not gone before those are searched; the interpreter's own choice is 700."""


async def set_aside(in_force: Callable[[], object], clock: Clock) -> NoReturn:
    """Whenever `in_force` gives another object: searches what is new, then leaves it alone. Until cancelled."""
    known: object = None
    gc.set_threshold(YOUNG)
    while True:
        if in_force() is not known:
            known = in_force()
            gc.collect()
            gc.freeze()
        await clock.sleep(LOOK_S)

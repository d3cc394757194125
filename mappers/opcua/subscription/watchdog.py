"""Whether what was told still holds, by the values themselves: a subscription may be dead though its socket, its
session and even its keep-alives live."""

from collections.abc import Mapping, Sequence
from typing import Any

from asyncua import ua

from gateway.model.contracts import Clock
from mappers.opcua.subscription.item import Item, Wish
from mappers.opcua.subscription.outlet import Data

SAMPLE = 100
"""Items of one look."""
PATIENCE_S = 5.0
"""For so long the server may know better before it counts; at least three publishing and two sampling intervals."""
MOST_PATIENT = 64
"""Times that, where making the subscription anew did not help: some values differ each time they are read."""
SEVERITY = 0xFFFF0000
"""The part of a status code that says what is wrong."""


class Watchdog:
    """Compares a rotating sample of what the server holds with what it told last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._place = 0
        self._factor = 1
        self._calm = 0
        self._suspects: dict[int, tuple[Data | None, float]] = {}
        """By handle: what was told last when the server was first found to know better, and when that was."""

    def pick(self, items: Sequence[Item]) -> list[Item]:
        """Whom to read now: those that are suspected, then the next in turn."""
        watched = [item for item in items if item.id and item.wish.events is None]
        if len(watched) <= SAMPLE:
            return watched
        suspected = [item for item in watched if item.handle in self._suspects][: SAMPLE // 2]
        start = self._place % len(watched)
        self._place = start + SAMPLE - len(suspected)
        turn = (watched * 2)[start : self._place]
        return list(dict.fromkeys([*suspected, *turn]))

    def judge(
        self, picked: Sequence[Item], found: Sequence[Data], told: Mapping[int, Data], interval: float
    ) -> list[Item]:
        """Those of which the server knew better twice and told nothing in between, for longer than it may. `interval`:
        of publishing, in seconds."""
        now, wrong = self._clock.monotonic(), []
        for item, data in zip(picked, found, strict=True):
            last = told.get(item.handle)
            if not knows_better(item.wish, last, data):
                self._suspects.pop(item.handle, None)
                continue
            before, since = self._suspects.setdefault(item.handle, (last, now))
            if before is not last:
                self._suspects[item.handle] = last, now
            elif now - since > self._factor * max(PATIENCE_S, 3 * interval, 2 * item.sampling):
                wrong.append(item)
        self._learn(wrong, len(picked))
        return wrong

    def begin(self) -> None:
        """Everything is watched anew."""
        self._suspects.clear()

    def forget(self, handle: int) -> None:
        """It is not watched any more."""
        self._suspects.pop(handle, None)

    def _learn(self, wrong: list[Item], looked: int) -> None:
        """Patience grows with each time that it did not help, and shrinks while all is well."""
        if wrong:
            self._factor = min(MOST_PATIENT, self._factor * 2)
            self._calm = 0
        elif looked and not self._suspects:
            self._calm += 1
            if self._calm > self._factor:
                self._factor, self._calm = max(1, self._factor // 2), 0


SAYS_NOTHING = frozenset(
    {
        ua.StatusCodes.BadNotReadable, ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadSecurityModeInsufficient,
        ua.StatusCodes.BadAttributeIdInvalid, ua.StatusCodes.BadServiceUnsupported, ua.StatusCodes.BadTimeout,
        ua.StatusCodes.BadResponseTooLarge, ua.StatusCodes.BadEncodingLimitsExceeded,
        ua.StatusCodes.BadTooManyOperations, ua.StatusCodes.BadNotImplemented, ua.StatusCodes.BadNotSupported,
    }
)  # fmt: skip
"""What a read may end with of a node that is watched all the same: it is about the read, not the value."""


def knows_better(wish: Wish, told: Data | None, now: Data) -> bool:
    """Whether the server should have told what it holds now."""
    if now.StatusCode.value in SAYS_NOTHING:
        return False
    if told is None or (told.StatusCode.value ^ now.StatusCode.value) & SEVERITY:
        return True
    if wish.trigger == "timestamp" and told.SourceTimestamp != now.SourceTimestamp:
        return True
    if wish.trigger == "status" or now.StatusCode.is_bad():
        return False
    return _differ(told.Value.Value, now.Value.Value, wish)


def _differ(told: Any, now: Any, wish: Wish) -> bool:
    if told == now or (told != told and now != now):
        return False
    if wish.deadband is None:
        return True
    if wish.deadband.percent:
        return False  # of a range that only the server knows
    if isinstance(told, list) and isinstance(now, list) and len(told) == len(now):
        return any(_differ(one, other, wish) for one, other in zip(told, now, strict=True))
    if isinstance(told, int | float) and isinstance(now, int | float):
        return abs(now - told) > wish.deadband.value
    return True

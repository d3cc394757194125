"""The one way in which JSON is read, from files, from the API and from the cloud: exact, or not at all.

Exact is RFC 8259 and a bit more: UTF-8, no NaN, no number that becomes infinite, no key twice in one object (whose
value would count?), no half of a surrogate pair (it has no UTF-8, so it could be neither stored nor sent on), and no
more levels than the reader asks for.
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn


class NotJson(ValueError):
    """What is wrong with a text, in words that any sender understands."""

    def __init__(self, what: str, line: int = 0, key: str = "") -> None:
        super().__init__(what)
        self.line = line
        """0: not known."""
        self.key = key
        """The key it is about, if it is about one."""


class TooDeep(NotJson):
    """More levels than are read."""

    def __init__(self, levels: int) -> None:
        super().__init__(f"more than {levels} levels inside one another")


def read(text: bytes, levels: int, number: Callable[[str], float] = float) -> Any:
    """The value of a JSON text, at most so many levels deep. `number` reads what has a point or an exponent. Raises
    NotJson, TooDeep."""
    try:
        value = json.loads(
            text.decode(), object_pairs_hook=_unique, parse_float=partial(_finite, number), parse_constant=_no_constant
        )
    except NotJson:
        raise
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8: byte 0x{text[error.start]:02x}") from None
    except json.JSONDecodeError as error:
        raise NotJson(str(error), error.lineno) from None
    except RecursionError:
        raise TooDeep(levels) from None
    except ValueError as error:  # an integer of more digits than Python reads
        raise NotJson(str(error)) from None
    if deeper_than(value, levels):
        raise TooDeep(levels)
    if b"\\u" in text:
        _speakable(value)
    return value


def deeper_than(value: Any, levels: int) -> bool:
    """Whether lists and objects nest deeper; level by level, so that depth costs no stack."""
    level = [value]
    for _ in range(levels + 1):
        holders = [item for item in level if isinstance(item, dict | list)]
        if not holders:
            return False
        level = [child for holder in holders for child in (holder.values() if isinstance(holder, dict) else holder)]
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise NotJson(f"the key {twice!r} stands twice in one object; remove one", key=twice)
    return found


def _finite(number: Callable[[str], float], text: str) -> float:
    value = number(text)
    if not math.isfinite(value):
        raise NotJson(f"the number {text[:40]} is too large")
    return value


def _no_constant(text: str) -> NoReturn:
    raise NotJson(f"{text} is no JSON number; write a finite number")


def _speakable(value: Any) -> None:
    """Only an escape can bring half a pair into a text that was UTF-8, so only then is it looked for."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise NotJson("half a surrogate pair in a text") from None

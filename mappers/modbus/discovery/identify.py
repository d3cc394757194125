"""What a unit says about itself: Read Device Identification, function 43 with MEI type 14 (Modbus Application Protocol
V1.1b3, 6.21). Pure: a talk yields requests and is sent the answers.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Talk: TypeAlias = Generator[bytes, bytes | None, T]
"""Yields request PDUs, is sent the PDU that answers each, or None for silence, and returns what it found."""

FUNCTION, MEI = 43, 14
BASIC, REGULAR = 1, 2
OBJECTS = {0: "vendor", 1: "product", 2: "revision", 3: "url", 4: "productName", 5: "model", 6: "application"}
"""Names of the basic (0 to 2) and regular objects."""
MOST_PAGES = 16
"""Answers of one stream; seven objects need seven at the most."""
MORE_FOLLOWS = 0xFF


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: objects as they came, and where the next one goes on (None: it was the last)."""

    conformity: int
    objects: Mapping[int, bytes]
    goes_on: int | None


@dataclass(frozen=True, slots=True)
class Identification:
    """Texts by object number, without what a terminal or a file should not be given."""

    objects: Mapping[int, str]

    def __getitem__(self, name: str) -> str:
        """By name, empty if it was not said."""
        return next((text for number, text in self.objects.items() if OBJECTS.get(number) == name), "")

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that may name the product."""
        return tuple(dict.fromkeys(t for n in ("product", "productName", "model") if (t := self[n])))

    @property
    def text(self) -> str:
        """For people: `Eastron SDM630-Modbus 1.0`."""
        return " ".join(dict.fromkeys(t for t in (self["vendor"], *self.names[:1], self["revision"]) if t))


def plain(data: bytes) -> str:
    """Text of a device: what is not UTF-8 is taken as Latin-1, what cannot be seen is a blank, blanks shrink."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def page(answer: bytes | None) -> Page | None:
    """None: it is no identification (an exception, silence, something else). Of an answer that ends too early the whole
    objects count, and there is no next one."""
    if answer is None or len(answer) < 7 or answer[0] != FUNCTION or answer[1] != MEI:
        return None
    conformity, more, goes_on, count = answer[3:7]
    objects: dict[int, bytes] = {}
    at = 7
    for _ in range(count):
        if at + 2 > len(answer) or at + 2 + answer[at + 1] > len(answer):
            return Page(conformity, objects, None)
        objects[answer[at]] = answer[at + 2 : at + 2 + answer[at + 1]]
        at += 2 + answer[at + 1]
    return Page(conformity, objects, goes_on if more == MORE_FOLLOWS else None)


def identify() -> Talk[Identification | None]:
    """The basic objects, then the regular ones if the unit says that it has them. None: it does not identify itself."""
    found: dict[int, bytes] = {}
    level = yield from _stream(BASIC, found)
    if level is not None and level & 0x7F >= REGULAR:
        yield from _stream(REGULAR, found)
    texts = {number: text for number in sorted(found) if number in OBJECTS and (text := plain(found[number]))}
    return Identification(texts) if texts else None


def _stream(code: int, found: dict[int, bytes]) -> Talk[int | None]:
    """The conformity level, and into `found` the objects. A unit that goes back to what it said is not followed."""
    start, level = 0, None
    for _ in range(MOST_PAGES):
        got = page((yield bytes((FUNCTION, MEI, code, start))))
        if got is None:
            break
        level = got.conformity
        for number, data in got.objects.items():
            found.setdefault(number, data)
        if got.goes_on is None or got.goes_on <= start:
            break
        start = got.goes_on
    return level

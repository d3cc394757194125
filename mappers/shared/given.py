"""What people give in attributes and protocol properties: read from its literal text, judged in plain words."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError

from gateway.model import scalar
from gateway.model.duration import parse_duration
from gateway.model.errors import Problem
from gateway.model.near import nearest
from gateway.model.scalar import literal_text


def seconds(value: Any) -> float:
    """A bare number is seconds; everything else a Go duration. Raises ValueError."""
    text = literal_text(value).strip()
    try:
        found = parse_duration(text + "s" if text[-1:].isdigit() else text)
    except ValueError:
        raise ValueError(f"expected a duration such as 500ms or 2s, or a number of seconds, got {text!r}") from None
    if found < 0:
        raise ValueError(f"a duration here must not be negative, got {text!r}")
    return found


def whole(value: Any) -> int:
    """An integer as Go's base 0 reads it: 10, `0x0A`, `0b1010`, `012`, quoted or not. Raises ValueError."""
    if type(value) is int:
        return value
    text = literal_text(value).strip()
    found = None if isinstance(value, bool) else scalar.whole(text)
    if found is None:
        raise ValueError(f"expected a whole number, got {text!r}")
    return found


def flag(value: Any) -> bool:
    """`true` and `false`, quoted or not. Raises ValueError."""
    text = literal_text(value).strip().lower()
    if text not in ("true", "false"):
        raise ValueError(f"expected true or false, got {literal_text(value)!r}")
    return text == "true"


def one_of(choices: tuple[str, ...]) -> BeforeValidator:
    by_lower_case = {choice.lower(): choice for choice in choices}

    def read(value: Any) -> str:
        text = literal_text(value)
        found = by_lower_case.get(text.strip().lower())
        if found is None:
            raise ValueError(f"expected one of {', '.join(choices)}, got {text!r}{meant(text, choices)}")
        return found

    return BeforeValidator(read)


def meant(text: str, choices: Mapping[str, Any] | tuple[str, ...]) -> str:
    near = nearest(text, choices)
    return f"; did you mean {near}?" if near else ""


Whole = Annotated[int, BeforeValidator(whole)]
Flag = Annotated[bool, BeforeValidator(flag)]


def unknown_keys(given: Mapping[str, Any], known: tuple[str, ...], ignored: tuple[str, ...] = ()) -> list[Problem]:
    """A warning for every key that means nothing, with the nearest one that does."""
    found = []
    for key in given:
        if key not in known and key not in ignored:
            near = nearest(key, known)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
            found.append(Problem(key, f"unknown key, ignored; {hint}", severity="warning"))
    return found


def from_pydantic(error: ValidationError, required: Mapping[str, str]) -> list[Problem]:
    """One problem per key, in plain words."""
    found = []
    for one in error.errors(include_url=False):
        key = str(one["loc"][0]) if one["loc"] else ""
        text = one["msg"].removeprefix("Value error, ")
        if one["type"] == "missing":
            text = required.get(key, "is required")
        elif one["type"] in ("greater_than_equal", "less_than_equal"):
            text = f"{text[0].lower()}{text[1:]}, got {literal_text(one['input'])}"
        found.append(Problem(key, text))
    return found

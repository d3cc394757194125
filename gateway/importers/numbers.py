"""Numbers as tables have them: decimal commas, blanks between thousands, hexadecimal."""

import math
import re

_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_HEX = re.compile(r"(?:0x([0-9a-f]+)|([0-9a-f]+)h)", re.IGNORECASE)
LONGEST = 40


class NotANumber(ValueError):
    """Says what was expected and what came."""


def number(text: str) -> float:
    """`0.1`, `0,1`, `1 000,5`, `1e-3`; `1,000` could be one or a thousand and is refused. Raises NotANumber."""
    plain = re.sub(r"[\s\u00a0\u202f']", "", text).replace("−", "-")
    if len(plain) > LONGEST:
        raise NotANumber(f"expected a number, got {text[:30]!r}…")
    if "," in plain and "." in plain:
        thousands = "," if plain.rindex(",") < plain.rindex(".") else "."
        plain = plain.replace(thousands, "").replace(",", ".")
    elif re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+", plain):
        raise NotANumber(f"{text!r} may be a decimal or thousands; write it with a point, or without the comma")
    elif plain.count(",") == 1:
        plain = plain.replace(",", ".")
    if not _PLAIN.fullmatch(plain) or not math.isfinite(float(plain)):
        raise NotANumber(
            f"expected a number, got {text[:30]!r}" if text.strip() else "expected a number, the cell is empty"
        )
    return float(plain)


def whole(text: str) -> int:
    """`100`, `0x64`, `64h`, `100.0` and `00100`, which is a hundred in a table. Raises NotANumber."""
    plain = text.strip()
    found = _HEX.fullmatch(plain)
    if found and len(plain) <= LONGEST:
        return int(found[1] or found[2], 16)
    value = number(plain)
    if not value.is_integer():
        raise NotANumber(f"expected a whole number, got {text[:30]!r}")
    return int(value)

"""One value in one cell, and back: what a spreadsheet does not change comes back as it was.

A cell is what YAML would have there: `502` is a number, `true` a truth value, `null` nothing, `{"a": 1}` and `[1]` are
JSON, all else is text; text that would be taken for one of these stands in double quotes. An empty cell is no value.
"""

import json
import re
from typing import Any

from gateway.model import strictjson
from gateway.model.scalar import LiteralFloat, LiteralInt, Plain, free, literal_float, literal_text, resolve

DANGEROUS = frozenset("=+-@\t\r＝＋－＠")
"""What makes a spreadsheet take a cell for a formula when it begins with it (OWASP, CSV injection)."""
_HARMLESS = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_QUOTED = re.compile(r'[,;\t|"\r\n]|^\s|\s$')
_DEPTH = 32


def cell_of(value: Any) -> str:
    """Text of a value of a free-form map."""
    if isinstance(value, str):
        plain = type(resolve(value)) is str and value[0] not in '"[{' and value == value.strip() if value else False
        return value if plain else json.dumps(value, ensure_ascii=False)
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return json_text(value)
    return literal_text(value)


def value_of(cell: str) -> Any:
    """The value of a cell that is not empty. Raises ValueError."""
    text = cell.strip()
    if text[:1] in '"[{':
        return json_value(text)
    return free(Plain(text))


def json_text(value: Any) -> str:
    """JSON in which numbers keep the text they had."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {json_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, LiteralFloat | LiteralInt):
        return value.text if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", value.text) else repr(value.real)
    return json.dumps(value, ensure_ascii=False)


def json_value(text: str) -> Any:
    """Raises ValueError in plain words."""
    try:
        return strictjson.read(text.encode(errors="surrogatepass"), _DEPTH, literal_float)
    except strictjson.NotJson as error:
        raise ValueError(f"is no JSON ({error}); text that begins so stands in double quotes") from None


def disarmed(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: with an apostrophe before it where it would."""
    first = cell.lstrip(" ")[:1]
    if first == "'" or (first in DANGEROUS and first and not _HARMLESS.fullmatch(cell)):
        return f"'{cell}"
    return cell


def armed(cell: str) -> str:
    """The reverse of `disarmed`."""
    first = cell[1:].lstrip(" ")[:1]
    return cell[1:] if cell[:1] == "'" and first and (first == "'" or first in DANGEROUS) else cell


def csv_row(cells: list[str]) -> str:
    """One line, quoted where any program would take a character of it for something else."""
    shown = (disarmed(cell) for cell in cells)
    return ",".join(f'"{c.replace(chr(34), chr(34) * 2)}"' if _QUOTED.search(c) else c for c in shown) + "\r\n"

"""JSON text → a document."""

import json
from typing import Any

from gateway.model import yaml
from gateway.model.document import Document, utf8
from gateway.model.errors import ConfigError, Problem
from gateway.model.scalar import literal_float


def read(text: str | bytes, file: str) -> Document:
    """JSON, numbers with their literal text. Raises ConfigError."""
    data = utf8(text, file)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ConfigError([Problem(key, f"the key {key!r} stands twice in one object; remove one", file)])
            found[key] = value
        return found

    try:
        value = json.loads(data, parse_float=literal_float, parse_constant=_refuse_constant, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ConfigError([Problem("", f"not readable as JSON: {error.msg}", file, error.lineno)]) from None
    except RecursionError:
        raise ConfigError([Problem("", "too many levels inside one another", file)]) from None
    except ValueError as error:
        raise ConfigError([Problem("", f"not readable as JSON: {error}", file)]) from None
    return Document(value, file, find_lines=lambda: _with_lines(data, file))


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON; write a finite number")


def _with_lines(data: bytes, file: str) -> Any:
    try:
        return yaml.read(data, file).value  # YAML contains JSON, nearly
    except ConfigError:
        return None

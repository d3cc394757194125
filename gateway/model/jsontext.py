"""JSON text → a document."""

from typing import Any

from gateway.model import strictjson, yaml
from gateway.model.document import Document, utf8
from gateway.model.errors import ConfigError, Problem
from gateway.model.scalar import MAX_DEPTH, literal_float


def read(text: str | bytes, file: str) -> Document:
    """JSON, numbers with their literal text. Raises ConfigError."""
    data = utf8(text, file)
    try:
        value = strictjson.read(data, MAX_DEPTH, literal_float)
    except strictjson.NotJson as error:
        raise ConfigError([Problem(error.key, f"not readable as JSON: {error}", file, error.line)]) from None
    return Document(value, file, find_lines=lambda: _with_lines(data, file))


def _with_lines(data: bytes, file: str) -> Any:
    try:
        return yaml.read(data, file).value  # YAML contains JSON, nearly
    except ConfigError:
        return None

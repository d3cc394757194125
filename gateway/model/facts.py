"""What was learned about a device, in words."""

from collections.abc import Mapping
from typing import Any


def in_words(facts: Mapping[str, Any]) -> str:
    """All of it, parted by semicolons; empty when nothing was learned."""
    return "; ".join(_said(name, value) for name, value in facts.items())


def _said(name: str, value: Any) -> str:
    if name == "answer_ms":
        return f"answers after {value:g} ms"
    if name == "apart":
        places = [f"{table} {', '.join(map(str, addresses))}" for table, addresses in value.items()]
        return f"no request reaches across {'; '.join(places)}"
    if name in ("max_registers", "max_bits"):
        return f"at most {value} {name.removeprefix('max_')} a request"
    return f"{name} {value}"

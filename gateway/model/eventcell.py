"""A device's autoEvents in one cell, and back: `Values every 10s; Mode every 1s on change > 0.5`."""

import re
from collections.abc import Sequence
from typing import Any

from gateway.model.csvcell import json_text, json_value
from gateway.model.device import AutoEvent

_EVENT = re.compile(
    r"(?P<source>.+) every (?P<interval>\S+?)(?P<change> on change(?: > (?P<threshold>\S+))?)?", re.DOTALL
)


NONE = "none"
"""Of a device of which nothing is read, whatever its profile says."""


def events_cell(events: Sequence[AutoEvent] | None) -> str:
    """`Values every 10s; Mode every 1s on change > 0.5`; JSON where that would not say all; `none` for an empty list,
    and nothing for no list: the profile's own count."""
    if not events:
        return "" if events is None else NONE
    parts = [_event_text(event) for event in events]
    if any(part is None for part in parts):
        return json_text([event.model_dump(mode="json", by_alias=True, exclude_defaults=True) for event in events])
    return "; ".join(part for part in parts if part is not None)


def _event_text(event: AutoEvent) -> str | None:
    name = event.source_name
    if event.retention is not None or ";" in name or name != name.strip() or name[0] in "[\"'" or " " in event.interval:
        return None
    if event.on_change_threshold and not event.on_change:
        return None
    change = " on change" * event.on_change
    more = f" > {event.on_change_threshold!r}" if event.on_change_threshold else ""
    text = f"{name} every {event.interval}{change}{more}"
    found = _EVENT.fullmatch(text)
    return text if found and found["source"] == name else None


def events_of(cell: str) -> list[Any] | None:
    """The reverse of `events_cell`. Raises ValueError."""
    if cell in ("", NONE):
        return None if not cell else []
    if cell.startswith("["):
        found = json_value(cell)
        return found if isinstance(found, list) else [found]
    events: list[Any] = []
    for part in filter(None, (part.strip() for part in cell.split(";"))):
        match = _EVENT.fullmatch(part)
        if match is None:
            raise ValueError(f"{part[:60]!r}: expected such as Values every 10s; Mode every 1s on change > 0.5")
        events.append({"sourceName": match["source"], "interval": match["interval"], "onChange": bool(match["change"])})
        if match["threshold"]:
            try:
                events[-1]["onChangeThreshold"] = float(match["threshold"])
            except ValueError:
                raise ValueError(f"{match['threshold'][:30]!r} is no number") from None
    return events

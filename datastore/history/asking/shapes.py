"""What answers to `Values` and `Completeness` look like, wherever they come from."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.model.asking import Completeness, Values
from gateway.model.errors import QuestionRefused

PATIENCE = 2.5
"""A gap is longer than so many intervals."""
MOST_GAPS = 10_000
NOBODY = "nothing was read of any device: the gateway did not run, or its clock was set"
UNKNOWN = "not read, for a reason that nothing kept tells"
_encoder = msgspec.json.Encoder(enc_hook=str, decimal_format="number")


def encode(body: Mapping[str, Any]) -> bytes:
    """JSON; what is not finite becomes null, what it has no word for is as text."""
    return _encoder.encode(body)


def head(asked: Values, value_type: str, units: str) -> dict[str, Any]:
    """What stands before the columns."""
    return {
        "device": asked.device,
        "resource": asked.resource,
        "valueType": value_type,
        "units": units,
        "start": asked.start,
        "end": asked.end,
        "bucket": asked.bucket,
    }


def nothing_known(asked: Values) -> QuestionRefused:
    """Neither configured nor ever kept."""
    return QuestionRefused(404, f"{asked.device} has no {asked.resource}, and nothing of it was ever kept")


def check_buckets(asked: Values, most: int) -> None:
    """Raises QuestionRefused(413) where a span has more buckets than one answer may."""
    count = -(-asked.end // asked.bucket) - asked.start // asked.bucket
    if count > most:
        raise QuestionRefused(413, f"{count} buckets are too many, at most {most}; ask for larger ones")


def check_rows(rows: int, most: int) -> None:
    """Raises QuestionRefused(413)."""
    if rows > most:
        raise QuestionRefused(
            413,
            f"there are more than {most} readings; ask for a shorter span, or with `bucket`, such as bucket=1m",
        )


def gaps(at: Sequence[int], readings: Sequence[int], asked: Values) -> list[dict[str, int]]:
    """Stretches of buckets without a reading, half open, cut to the span asked for."""
    found: list[dict[str, int]] = []
    for start, count in zip(at, readings, strict=True):
        if count:
            continue
        if found and found[-1]["end"] == start:
            found[-1]["end"] = start + asked.bucket
        else:
            found.append({"start": start, "end": start + asked.bucket})
    for gap in found:
        gap["start"], gap["end"] = max(gap["start"], asked.start), min(gap["end"], asked.end)
    return found


def missing(since: int, till: int, quality: str | None, nobody: bool) -> dict[str, Any]:
    """A gap of a source, with its cause: what was bad then, or that nobody was read."""
    cause = quality.removeprefix("bad ") if quality else NOBODY if nobody else UNKNOWN
    return {"start": since, "end": till, "seconds": (till - since) / 1e9, "cause": cause}


def completeness(
    asked: Completeness, resolution: int, counts: Mapping[int, tuple[int, int]], found: Mapping[int, Sequence[Any]]
) -> bytes:
    """The report: by place in `asked.sources`, events received and good, and gaps."""
    shown = [
        _source(asked, at, *counts.get(at, (0, 0)), found.get(at, ()))
        for at, (device, *_) in enumerate(asked.sources)
        if asked.device in ("", device)
    ]
    return encode({"start": asked.start, "end": asked.end, "resolution": resolution, "sources": shown})


def _source(asked: Completeness, at: int, received: int, good: int, gaps: Sequence[Any]) -> dict[str, Any]:
    device, source, step = asked.sources[at]
    expected = (asked.end - asked.start) // step if step else None
    return {
        "device": device,
        "source": source,
        "interval_s": step / 1e9 if step else None,
        "expected": expected,
        "received": received,
        "good": good,
        "percent": round(min(100.0, 100 * good / expected), 3) if expected else None,
        "gaps": gaps,
    }

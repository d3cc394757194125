"""Times and amounts of bytes as people say them."""

_TIMES = ((365 * 86400.0, "years"), (86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def time_words(seconds: float) -> str:
    """`41 hours`, `12 days`, `3.5 years`: the largest unit of which there are at least two."""
    for size, unit in _TIMES:
        if seconds >= 2 * size:
            count = seconds / size
            return f"{count:.1f} {unit}" if unit == "years" and count < 10 else f"{count:.0f} {unit}"
    return f"{max(seconds, 0):.1f} seconds"


def bytes_words(count: float) -> str:
    """`1.2 GB`, `850 MB`."""
    for size, unit in _BYTES:
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"

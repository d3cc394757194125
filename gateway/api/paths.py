"""Names in paths: a device `a/b` is reached as `a%2Fb`, and no name can change a path's levels."""

import re
from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import Path
from pydantic import AfterValidator

from gateway.api.envelope import EdgexError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def routing_path(raw: bytes) -> str:
    """The path with everything decoded but `%2F` and `%25`, so that a name's slash is not taken for a level.

    Raises EdgexError(400) for broken escapes, text that is not UTF-8 and control characters.
    """
    if _BROKEN_ESCAPE.search(raw):
        raise EdgexError(400, "the path has a % that is not followed by two hexadecimal digits; write a % as %25")
    kept = re.sub(rb"%(25|2[Ff])", lambda m: b"%25" + m[1].upper(), raw)
    try:
        path = unquote_to_bytes(kept).decode()
    except UnicodeDecodeError:
        raise EdgexError(400, "the path is not UTF-8; encode names as UTF-8 before escaping them") from None
    if _CONTROL.search(path):
        raise EdgexError(400, "control characters are not allowed in names")
    return path


def _segment(text: str) -> str:
    return text.replace("%2F", "/").replace("%25", "%")


Name = Annotated[str, Path(description="Percent-encoded; a / inside it as %2F"), AfterValidator(_segment)]
"""A name in a path, as people gave it."""

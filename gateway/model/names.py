"""Names of gateways, devices, profiles and resources: what is refused, and how they travel in topics and file names."""

import re
import unicodedata
from urllib.parse import unquote

_ESCAPED = {character: f"%{ord(character):02X}" for character in "/+#$%"}
_ESCAPES = str.maketrans(_ESCAPED)
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check_name(name: str) -> str:
    """The name itself. Raises ValueError when it is blank or holds a control character, a line break or half a
    surrogate pair; every other character of any script is fine."""
    if not name.strip():
        raise ValueError("a name must not be blank")
    if not (name.isascii() and name.isprintable()):
        for character in name:
            if unicodedata.category(character) in _UNSEEN:
                raise ValueError(f"a name must not contain the control character U+{ord(character):04X}")
    return name


def encode_name(name: str) -> str:
    """Percent-encodes `/ + # $ %` (cloud contract), so that no name can change a topic's levels or meet another's."""
    return name.translate(_ESCAPES)


def decode_name(text: str) -> str:
    """The reverse of `encode_name`; also takes what others percent-encode. Raises ValueError when `text` is no encoded
    name."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"{text!r}: a % must be followed by two hexadecimal digits")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{text!r}: the percent-encoded bytes are not UTF-8") from None

"""What vendors call a type → what it is: `U16`, `INT32U`, `unsigned long`, `string(16)`, `bitfield32`, `FLOAT CDAB`."""

import re
from dataclasses import dataclass

from gateway.importers.numbers import NotANumber, whole

UNSIGNED = {"u", "ui", "uint", "unsigned", "unsignedint", "unsignedinteger", "intu", "uinteger", "acc", "cardinal"}
SIGNED = {"s", "i", "int", "signed", "signedint", "signedinteger", "sint", "integer", "si", "ints"}
FLOAT = {"f", "float", "real", "floatingpoint", "ieee", "ieee754", "flt", "fp", "floatieee", "floatieee754", "realieee"}
FIELD = {"bitfield", "bitmap", "bitmask", "enum", "enumeration", "flags", "bits", "bitstring", "status", "hex", "raw"}
TEXT = {"string", "str", "char", "chars", "ascii", "text", "utf", "utf8", "asciistring", "stringascii", "string8"}
BCD = {"bcd"}
FIXED_SIZE = {
    "word": ("Uint", 16), "ushort": ("Uint", 16), "unsignedshort": ("Uint", 16), "unsignedword": ("Uint", 16),
    "short": ("Int", 16), "signedshort": ("Int", 16), "signedword": ("Int", 16), "shortint": ("Int", 16),
    "dword": ("Uint", 32), "udint": ("Uint", 32), "ulong": ("Uint", 32), "unsignedlong": ("Uint", 32),
    "dint": ("Int", 32), "long": ("Int", 32), "slong": ("Int", 32), "signedlong": ("Int", 32), "longint": ("Int", 32),
    "doubleword": ("Uint", 32), "udword": ("Uint", 32), "sdword": ("Int", 32), "longword": ("Uint", 32),
    "ulint": ("Uint", 64), "qword": ("Uint", 64), "lint": ("Int", 64), "longlong": ("Int", 64), "uquad": ("Uint", 64),
    "unsignedlonglong": ("Uint", 64), "ulonglong": ("Uint", 64), "llong": ("Int", 64), "ullong": ("Uint", 64),
    "byte": ("Uint", 8), "usint": ("Uint", 8), "uchar": ("Uint", 8), "unsignedchar": ("Uint", 8),
    "signedchar": ("Int", 8), "double": ("Float", 64), "lreal": ("Float", 64), "doublefloat": ("Float", 64),
    "single": ("Float", 32), "lbcd": ("Bcd", 32), "dbcd": ("Bcd", 32), "sunssf": ("Int", 16), "count": ("Uint", 16),
}  # fmt: skip
BOOL = {"bool", "boolean", "bit", "coil", "digital", "binary", "discrete", "flag", "b"}
ORDERS = {
    "abcd": "ABCD", "big": "ABCD", "be": "ABCD", "bigendian": "ABCD", "mswfirst": "ABCD", "msw": "ABCD", "1234": "ABCD",
    "highwordfirst": "ABCD", "hilo": "ABCD", "normal": "ABCD", "motorola": "ABCD", "no": "ABCD", "none": "ABCD",
    "cdab": "CDAB", "wordswap": "CDAB", "wordswapped": "CDAB", "swapped": "CDAB", "lswfirst": "CDAB", "lsw": "CDAB",
    "lowwordfirst": "CDAB", "lohi": "CDAB", "3412": "CDAB", "swap": "CDAB", "sw": "CDAB", "ws": "CDAB", "yes": "CDAB",
    "badc": "BADC", "byteswap": "BADC", "byteswapped": "BADC", "2143": "BADC", "bs": "BADC",
    "dcba": "DCBA", "littleendian": "DCBA", "little": "DCBA", "le": "DCBA", "4321": "DCBA", "intel": "DCBA",
}  # fmt: skip
REGISTERS_OF = {8: 1, 16: 1, 32: 2, 64: 4}
_ARRAY = re.compile(r"(.+?)(?:\s*\[(\d+)\]|\s+[x×*]\s*(\d+))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Kind:
    """A type; `registers` and `length` as in `draft.Value`."""

    name: str
    order: str = ""
    raw: str = ""
    registers: int | None = None
    length: int | None = None


class UnknownType(ValueError):
    """Says which and what would do."""


def kind(text: str, count: int | None, order: str = "") -> Kind:
    """`count`: registers that the table gives, if it does. Raises UnknownType."""
    given = " ".join(text.split())
    if len(given) > 60:
        raise UnknownType(f"{given[:40]!r}… is no type")
    words = re.split(r"[\s,;()_/\-]+", given.lower())
    found = next(
        (ORDERS[word] for word in words if word in ORDERS and not word.isdigit() and word not in _AMBIGUOUS), ""
    )
    bare = " ".join(w for w in given.split(" ") if w.lower().strip("(),;") not in ORDERS or w.lower() in _AMBIGUOUS)
    order = found or order
    text_found = _text(bare, count, order)
    if text_found:
        return text_found
    array = _ARRAY.fullmatch(bare)
    length = int(array[2] or array[3]) if array else None
    family, bits = _family(re.sub(r"[^a-z0-9]", "", (array[1] if array else bare).lower()), count, length)
    if family == "Bool":
        return Kind("Bool", length=length)
    needed = REGISTERS_OF[bits] * (length or 1)
    if count is not None and length is None and count != needed:
        if count % needed or bits == 8:
            raise UnknownType(f"{given} takes {needed} registers, the table says {count}")
        length = count // needed
    if family == "Bcd":
        return Kind(f"Uint{bits}", order, "BCD", length=length)
    return Kind(f"{family}{bits}", order, length=length)


_AMBIGUOUS = {"no", "none", "yes", "normal", "b", "lsw", "msw"}


def _text(bare: str, count: int | None, order: str) -> Kind | None:
    found = re.fullmatch(
        r"([a-z][a-z_ ]*?)\s*(8)?\s*[\[(]?\s*(\d+)?\s*(?:chars?|bytes?|characters)?\s*[\])]?", bare.lower()
    )
    if not found or re.sub(r"[^a-z0-9]", "", found[1]) not in TEXT:
        return None
    size = int(found[3]) if found[3] else None
    registers = count if count is not None else -(-size // 2) if size else None
    if not registers:
        raise UnknownType(f"{bare}: how long it is, is said neither here, as in string(16), nor in a column of lengths")
    return Kind("String", order, registers=registers)


def _family(plain: str, count: int | None, length: int | None) -> tuple[str, int]:
    """Int, Uint, Float, Bcd or Bool, and its bits."""
    plain = plain.removesuffix("t") if re.fullmatch(r"u?int\d+t", plain) else plain
    if plain in FIXED_SIZE:
        return FIXED_SIZE[plain]
    if plain in BOOL:
        return "Bool", 1
    found = re.fullmatch(
        r"(?:(\d+)(?:bits?)?)?([a-z]+?(?:754)?)(?:bits?)?(\d+)?(?:bits?)?([us])?(?:bits?|ieee(?:754)?)?", plain
    )
    if not found:
        raise UnknownType(f"{plain!r} is no type that is known here, such as U16, INT32, FLOAT or string(16)")
    name, letter = found[2], found[4] or ""
    digits = int(found[3] or found[1] or 0)
    per = (count or 1) if length is None else max(1, (count or length) // length)
    bits = digits or (32 if name in FLOAT and (count or 0) < 4 else 16 * per)
    if bits not in REGISTERS_OF:
        raise UnknownType(f"{plain!r}: {bits} bits; 8, 16, 32 and 64 are read")
    for family, names in (("Uint", UNSIGNED | FIELD), ("Int", SIGNED), ("Float", FLOAT), ("Bcd", BCD)):
        if name in names:
            if family == "Float" and bits not in (32, 64):
                raise UnknownType(f"{plain!r}: floats of {bits} bits are not read here")
            return "Uint" if family == "Int" and letter == "u" else family, bits
    raise UnknownType(f"{plain!r} is no type that is known here, such as U16, INT32, FLOAT or string(16)")


def byte_order(text: str) -> str:
    """Of a column of its own. Raises UnknownType."""
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    if not plain:
        return ""
    if plain not in ORDERS:
        raise UnknownType(f"{text!r} is no byte order; ABCD, CDAB, BADC and DCBA are")
    return ORDERS[plain]


def count_of(text: str) -> int | None:
    """Registers of a value, where the table says so. Raises NotANumber."""
    if not text.strip():
        return None
    value = whole(re.sub(r"\s*(?:registers?|regs?|words?)\.?\s*$", "", text.strip(), flags=re.IGNORECASE))
    if not 1 <= value <= 2000:
        raise NotANumber(f"{value} registers; 1 to 2000 are possible")
    return value

"""Cells of a vendor's register table: addresses, tables, rights, factors, limits."""

import re
from dataclasses import dataclass

from gateway.importers.numbers import NotANumber, number, whole

NOTHING = {"", "-", "--", "–", "—", "n/a", "na", "n.a.", "none", "/", "null", "nil", "*"}
TABLES = {
    "holding": "HOLDING_REGISTERS", "holdingregister": "HOLDING_REGISTERS", "holdingregisters": "HOLDING_REGISTERS",
    "hr": "HOLDING_REGISTERS", "hreg": "HOLDING_REGISTERS", "4x": "HOLDING_REGISTERS", "hold": "HOLDING_REGISTERS",
    "input": "INPUT_REGISTERS", "inputregister": "INPUT_REGISTERS", "inputregisters": "INPUT_REGISTERS",
    "ir": "INPUT_REGISTERS", "ireg": "INPUT_REGISTERS", "3x": "INPUT_REGISTERS", "inputreg": "INPUT_REGISTERS",
    "holdingreg": "HOLDING_REGISTERS", "coil": "COILS", "coils": "COILS", "0x": "COILS", "outputcoil": "COILS",
    "discrete": "DISCRETE_INPUTS", "discreteinput": "DISCRETE_INPUTS", "discreteinputs": "DISCRETE_INPUTS",
    "di": "DISCRETE_INPUTS", "1x": "DISCRETE_INPUTS", "inputstatus": "DISCRETE_INPUTS", "contact": "DISCRETE_INPUTS",
    "inputcoil": "DISCRETE_INPUTS",
}  # fmt: skip
BY_DIGIT = {"0": "COILS", "1": "DISCRETE_INPUTS", "3": "INPUT_REGISTERS", "4": "HOLDING_REGISTERS"}
READS = {1: "COILS", 2: "DISCRETE_INPUTS", 3: "HOLDING_REGISTERS", 4: "INPUT_REGISTERS"}
WRITES = {5: "COILS", 15: "COILS", 6: "HOLDING_REGISTERS", 16: "HOLDING_REGISTERS", 22: "HOLDING_REGISTERS"}
ACCESS = {
    **dict.fromkeys(("r", "ro", "read", "readonly", "rd", "ronly"), "R"),
    **dict.fromkeys(("w", "wo", "write", "writeonly", "wronly"), "W"),
    **dict.fromkeys(("rw", "wr", "readwrite", "writeread", "rdwr", "rwo", "readandwrite"), "RW"),
}
_RANGE = re.compile(r"(.+?)\s*(?:-|–|…|\.\.+|~|\bto\b|bis|/|&|\+)\s*(.+)", re.IGNORECASE)
_BIT = re.compile(r"(.+?)\s*(?:[.:]\s*(?:bit)?|\s+bit\s*|,\s*bit\s*)\s*(\d{1,2})", re.IGNORECASE)


class Unfit(ValueError):
    """A cell that cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is; the number as the vendor has it, and what it counts from."""

    table: str
    """Empty: the address does not say."""
    number: int
    base: int
    bit: int | None = None
    count: int | None = None
    """Registers, where the address is a range."""


def is_nothing(text: str) -> bool:
    return text.strip().lower() in NOTHING


def address(text: str, base: str, hexadecimal: bool, is_bit: bool) -> Place:
    """`base`: 0, 1, modicon or a number of `addressBase`. `is_bit`: the type says so, else `40001.0` is a spreadsheet's
    way to write 40001. Raises Unfit."""
    plain, bit, last = text.strip(), None, None
    found = _BIT.fullmatch(plain)
    if found and (is_bit or "bit" in plain.lower()):
        plain, bit = found[1], int(found[2])
    elif found and re.fullmatch(r"\d+\.0+", plain):
        plain = found[1]
    elif pair := _RANGE.fullmatch(plain):
        plain, last = pair[1], pair[2]
    try:
        place = _one(plain, base, hexadecimal)
        count = _count(place, plain, last, base, hexadecimal) if last else None
    except NotANumber:
        raise Unfit(f"{text.strip()[:40]!r} is no address{_bare_hex(plain)}") from None
    return Place(place.table, place.number, place.base, bit, count)


def _bare_hex(text: str) -> str:
    if re.fullmatch(r"[0-9A-Fa-f]{2,6}", text):
        return "; is it hexadecimal? Write 0x before it, or “hex” into the heading"
    return " such as 100, 0x64 or 40001"


def _one(text: str, base: str, hexadecimal: bool) -> Place:
    prefixed = re.fullmatch(r"([0134])[xX](\d{1,5})", text)
    if prefixed and not (prefixed[1] == "0" and (hexadecimal or base != "modicon")):
        return Place(BY_DIGIT[prefixed[1]], whole(prefixed[2]), 1)
    if base == "modicon":
        digits = re.fullmatch(r"([0134])(\d{4,5})", text.replace(" ", ""))
        if not digits:
            shorter = re.fullmatch(r"\d{1,4}", text)
            if shorter:  # 00001 that went through a spreadsheet
                return Place("COILS", int(text), 1)
            raise Unfit(f"{text[:40]!r} has no leading 0, 1, 3 or 4 that would name its table (--address-base modicon)")
        starts = {
            "0": 1,
            "1": 10 ** len(digits[2]) + 1,
            "3": 3 * 10 ** len(digits[2]) + 1,
            "4": 4 * 10 ** len(digits[2]) + 1,
        }
        counted = starts[digits[1]]
        return Place(BY_DIGIT[digits[1]], int(digits[1] + digits[2]), counted)
    value = int(text, 16) if hexadecimal and re.fullmatch(r"[0-9A-Fa-f]{1,6}", text) else whole(text)
    return Place("", value, int(base))


def _count(place: Place, first: str, last: str, base: str, hexadecimal: bool) -> int:
    """40001-40002 and 40001-2 are two registers."""
    end = _one(last, base, hexadecimal).number if len(last) >= len(first) or base != "modicon" else int(whole(last))
    if end < place.number:
        shift = 10 ** len(last)
        end = place.number - place.number % shift + end
    if not 0 <= end - place.number < 2000:
        raise Unfit(f"{first}-{last} is no range of registers")
    return end - place.number + 1


def table(text: str) -> tuple[str, str, list[int]]:
    """Table, rights (empty: not said) and writing functions out of `holding`, `03`, `3/16`, `FC04`, `4x`. Raises
    Unfit."""
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    if plain in TABLES:
        return TABLES[plain], "", []
    by_digit = re.fullmatch(r"([0134])x+", plain)
    if by_digit:
        return BY_DIGIT[by_digit[1]], "", []
    codes = [
        int(code, 0) if code[:2] in ("0x", "0X") else int(code) for code in re.findall(r"0[xX][0-9a-fA-F]+|\d+", text)
    ]
    reads = [code for code in codes if code in READS]
    writes = [code for code in codes if code in WRITES]
    tables = {READS[code] for code in reads} | {WRITES[code] for code in writes}
    if len(tables) != 1:
        for word, name in (("holding", "HOLDING_REGISTERS"), ("coil", "COILS"), ("discrete", "DISCRETE_INPUTS")):
            if word in plain:
                return name, "", []
        if "input" in plain:
            return TABLES["input"], "", []
        raise Unfit(
            f"{text.strip()[:40]!r} names no single table; holding, input, coil, discrete or a function code do"
        )
    return tables.pop(), "R" * bool(reads) + "W" * bool(writes), writes


def access(text: str) -> str:
    """R, W or RW; empty where the word is not known."""
    return ACCESS.get(re.sub(r"[^a-z]", "", text.lower()), "")


def factor(text: str) -> tuple[float, str]:
    """`0.1`, `×0.1`, `/10`, `1/10`, `10^-1`, `0.1 V`: the factor, and the unit behind it. Raises NotANumber, Unfit."""
    plain = text.strip()
    power = re.fullmatch(r"[x×*]?\s*10\s*\^\s*([-+−]?\d{1,2})", plain)
    share = re.fullmatch(r"(?:1\s*)?[/÷:]\s*(\S+)", plain)
    unit = ""
    if power:
        found = 10.0 ** int(power[1].replace("−", "-"))
    elif share:
        divisor = number(share[1])
        found = 1 / divisor if divisor else 0.0
    else:
        parts = re.fullmatch(r"[x×*]?\s*([-+−]?[\d.,]+(?:[eE][-+]?\d+)?)\s*([^\d\s.,].*)?", plain)
        if not parts:
            raise NotANumber(f"expected a factor such as 0.1 or /10, got {plain[:30]!r}")
        found, unit = number(parts[1]), (parts[2] or "").strip()
    if not found:
        raise Unfit(f"{plain[:30]!r} would make every value 0")
    return float(f"{found:.15g}"), unit


def limits(text: str) -> tuple[float, float] | None:
    """`0..100`, `-20 – 80`, `0 to 65535`; None for what is no such range."""
    parts = re.fullmatch(r"\s*([-+−]?[\d.,]*\d)\s*(?:-|–|…|\.\.+|~|to|bis|/)\s*([-+−]?[\d.,]*\d)\s*[^\d]*", text)
    if not parts:
        return None
    try:
        low, high = number(parts[1]), number(parts[2])
    except NotANumber:
        return None
    return (low, high) if low <= high else None

"""Where a value is on a Modbus wire: a resource's attributes, EdgeX's (contract, section 6.1) and our own.

Numbers are taken from their literal text, because register 10.10 is not register 10.1.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic.alias_generators import to_camel

from gateway.model.errors import Problem
from gateway.model.profile import Compat
from gateway.model.scalar import literal_text
from mappers.shared.given import Flag, Whole, from_pydantic, meant, one_of, unknown_keys, whole

MAX_REGISTERS = 125
"""Registers of one read request (Modbus Application Protocol V1.1b3, 6.3)."""
MAX_BITS = 2000
"""Coils or discrete inputs of one read request (6.1)."""
MAX_WRITE_REGISTERS = 123
MAX_WRITE_BITS = 1968


class Table(Enum):
    """A primary table: its name for people, the function that reads it, what it is made of, whether it is writable."""

    COILS = ("coils", 1, True, True)
    DISCRETE_INPUTS = ("discrete inputs", 2, True, False)
    HOLDING_REGISTERS = ("holding registers", 3, False, True)
    INPUT_REGISTERS = ("input registers", 4, False, False)

    def __init__(self, text: str, function: int, bits: bool, writable: bool) -> None:
        self.text = text
        self.function = function
        self.bits = bits
        self.writable = writable

    __hash__ = object.__hash__


TABLES = {
    "COILS": Table.COILS,
    "DISCRETES_INPUT": Table.DISCRETE_INPUTS,
    "DISCRETE_INPUTS": Table.DISCRETE_INPUTS,
    "INPUT_REGISTERS": Table.INPUT_REGISTERS,
    "HOLDING_REGISTERS": Table.HOLDING_REGISTERS,
}
"""Every spelling of `primaryTable`, upper and lower case aside."""
RAW_TYPES = (
    "Int8", "Int16", "Int32", "Int64", "Uint8", "Uint16", "Uint32", "Uint64", "BCD",
)  # fmt: skip
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
BASES = {
    0: None,
    1: None,
    10001: Table.DISCRETE_INPUTS,
    100001: Table.DISCRETE_INPUTS,
    30001: Table.INPUT_REGISTERS,
    300001: Table.INPUT_REGISTERS,
    40001: Table.HOLDING_REGISTERS,
    400001: Table.HOLDING_REGISTERS,
}
"""What `startingAddress` may count from, and the only table such counting is used for."""


class Start(NamedTuple):
    """`startingAddress` as written, before the address base is taken off."""

    register: int
    bit: int | None = None


def _start(value: Any, info: ValidationInfo) -> Start:
    if type(value) is int and value >= 0:
        return Start(value)
    text = literal_text(value).strip()
    if isinstance(value, float) and (info.context or {}).get("compat") is Compat.EDGEX:
        text = f"{value:.2f}" if not value.is_integer() else f"{value:.0f}"
    register, dot, bit = text.partition(".")
    try:
        found = Start(whole(register), int(bit) if dot and bit.isascii() and bit.isdigit() else None)
    except ValueError:
        found = Start(-1)
    if found.register < 0 or (dot and found.bit is None):
        raise ValueError(f"expected an address such as 100, 0x64 or (a bit of a register) 100.3, got {text!r}")
    if found.bit is not None and found.bit > 15:
        raise ValueError(f"bit {found.bit} of a register does not exist; bits are 0 (the least significant) to 15")
    return found


def _table(value: Any) -> Table:
    text = literal_text(value)
    table = TABLES.get(text) or TABLES.get(text.strip().upper())
    if table is None:
        raise ValueError(f"expected one of {', '.join(TABLES)}, got {text!r}{meant(text, TABLES)}")
    return table


def _base(base: int) -> int:
    if base not in BASES:
        raise ValueError(f"expected one of {', '.join(map(str, BASES))}, got {base}")
    return base


def _write_function(code: int) -> int:
    if code not in (5, 6, 15, 16, 22):
        raise ValueError(f"expected 5, 6, 15, 16 or 22, got {code}")
    return code


class Attributes(BaseModel):
    """A resource's `attributes`. The pairs that must fit together are judged with the value type, in `point`."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore", arbitrary_types_allowed=True)

    primary_table: Annotated[Table, BeforeValidator(_table)]
    starting_address: Annotated[Start, BeforeValidator(_start)]
    raw_type: Annotated[str, one_of(RAW_TYPES)] = ""
    is_byte_swap: Flag = False
    is_word_swap: Flag = False
    byte_order: Annotated[str, one_of(ORDERS)] = ""
    string_register_size: Annotated[Whole, Field(ge=1, le=123)] | None = None
    array_length: Annotated[Whole, Field(ge=1, le=MAX_BITS)] | None = None
    address_base: Annotated[Whole, AfterValidator(_base)] = 0
    write_function: Annotated[Whole, AfterValidator(_write_function)] | None = None
    barrier: Flag = False

    @property
    def order(self) -> str:
        """`byteOrder`, or EdgeX's two swaps in its words."""
        return self.byte_order or ORDERS[self.is_word_swap + 2 * self.is_byte_swap]


ATTRIBUTES = tuple(field.alias or name for name, field in Attributes.model_fields.items())
"""Every attribute name."""
OF_MODBUS = frozenset(ATTRIBUTES) - {"rawType", "arrayLength"}
"""Attribute names that only a Modbus resource has."""


def attributes(given: Mapping[str, Any], compat: Compat) -> tuple[Attributes | None, list[Problem]]:
    """The attributes (None when there is an error) and everything wrong or doubtful, by key."""
    problems = unknown_keys(given, ATTRIBUTES, ignored=("urlRawQuery",))
    kept = {key: value for key, value in given.items() if value is not None} if None in given.values() else given
    try:
        return Attributes.model_validate(kept, context={"compat": compat}), problems
    except ValidationError as error:
        return None, problems + from_pydantic(error, _REQUIRED)


_REQUIRED = {
    "primaryTable": f"is required: one of {', '.join(TABLES)}",
    "startingAddress": "is required: the zero-based address of the first register or bit",
}

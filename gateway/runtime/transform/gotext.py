"""Values as the text Go's `%v` gives them: what EdgeX compares assertions and mappings with."""

from decimal import Decimal
from typing import Any


def go_text(value: Any) -> str:
    """`true`, `12`, `1.5`, `1e+06`, `[1 2 3]`."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(go_text, value))}]"
    return str(value)


def _float_text(value: float) -> str:
    """Fewest digits that read back; plain where the decimal exponent is -4 to 5, else with an exponent."""
    if value != value:
        return "NaN"
    if value - value != 0:
        return "+Inf" if value > 0 else "-Inf"
    number = Decimal(repr(value)).normalize()
    exponent = number.adjusted()
    if not value or -4 <= exponent < 6:
        return f"{number:f}"
    mantissa = f"{number.scaleb(-exponent):f}"
    return f"{mantissa}e{exponent:+03d}"

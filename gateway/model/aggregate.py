"""EdgeX's `aggregateFunc`: one number of all readings of a resource."""

from dataclasses import dataclass
from typing import Any

from gateway.model.profile import ValueType

FUNCTIONS = ("MIN", "MAX", "COUNT", "SUM", "AVG")


@dataclass(slots=True)
class Sums:
    """What is known of some numbers."""

    count: int = 0
    total: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def add(self, other: "Sums") -> None:
        """Those of both."""
        if other.count:
            self.low = min(self.low, other.low) if self.count else other.low
            self.high = max(self.high, other.high) if self.count else other.high
            self.count += other.count
            self.total += other.total

    def of(self, function: str) -> float | None:
        """None: there is none."""
        if function == "COUNT":
            return self.count
        if not self.count:
            return None
        return {"SUM": self.total, "AVG": self.total / self.count, "MIN": self.low, "MAX": self.high}[function]


def aggregate_json(who: tuple[str, str, str], kind: ValueType, sums: Sums, function: str) -> dict[str, Any]:
    """As core-data shows it; `who`: device, resource, profile. What is no number has an empty value."""
    device, resource, profile = who
    shown = {"deviceName": device, "resourceName": resource, "profileName": profile, "valueType": kind.value}
    value = sums.of(function) if kind.is_integer or kind.is_float else None
    if value is None:
        return shown | {"value": ""}
    whole = kind.is_integer and function != "AVG" and float(value).is_integer()
    if function not in ("MIN", "MAX"):
        counts = function == "COUNT" or whole
        shown["valueType"] = (ValueType.INT64 if counts else ValueType.FLOAT64).value
    return shown | {"value": int(value) if whole else value}

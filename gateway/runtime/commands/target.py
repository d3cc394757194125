"""What is wanted of one device and how far that has come."""

from dataclasses import dataclass, field
from typing import Any

from gateway.model.command import Desired

APPLIED, PENDING, REJECTED = "applied", "pending", "rejected"
SUPERSEDED, DRIFTED = "superseded", "drifted"


@dataclass(slots=True, eq=False)
class Target:
    """One desired document. Results are `{status, code, value, ts}` by property."""

    device: str
    epoch: str
    version: int
    ts: int
    properties: dict[str, Any]
    expires_at: int | None
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: bool = False
    """It has been acknowledged at least once."""
    attempts: dict[str, int] = field(default_factory=dict)
    """How often each property was handed to the command road."""
    busy: set[str] = field(default_factory=set)
    """Handed to the command road, result not yet noted."""
    made: int = 0
    """ns UTC; tells it from an earlier one of the same epoch and version, which the command ledger may still know."""
    spent: list[str] = field(default_factory=list)
    """Command ids whose results are noted, here and not yet on disk."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why the last try of a property did not succeed, in words; not kept on disk."""

    @classmethod
    def of(cls, desired: Desired, made: int) -> "Target":
        """A new target: everything is pending."""
        target = cls(
            desired.device,
            desired.epoch,
            desired.version,
            desired.ts,
            {name: value for name, value in desired.properties.items() if value is not None},
            desired.expires_at,
            made=made,
        )
        for name in target.properties:
            target.note(name, PENDING, 202, None, desired.ts)
        return target

    @classmethod
    def restored(cls, stored: Any) -> "Target | None":
        """The reverse of `stored`; None when it is none of ours."""
        try:
            return cls(**{**stored, "busy": set(stored["busy"])})
        except (KeyError, TypeError):
            return None

    def stored(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            **{
                name: getattr(self, name) for name in ("device", "epoch", "version", "ts", "expires_at", "told", "made")
            },
            "properties": self.properties,
            "results": {name: dict(result) for name, result in self.results.items()},
            "attempts": dict(self.attempts),
            "busy": sorted(self.busy),
        }

    def view(self) -> dict[str, Any]:
        """For people: results with the number of tries and, where the last one did not succeed, its reason."""
        shown = {name: self.stored()[name] for name in ("epoch", "version", "ts", "expires_at", "properties")}
        results = {
            name: {**result, "tries": self.tries(name), "reason": self.reasons.get(name, "")}
            for name, result in self.results.items()
        }
        return {**shown, "results": results}

    def status(self, name: str) -> str:
        return str(self.results[name]["status"])

    def value(self, name: str) -> Any:
        return self.results[name]["value"]

    def waiting(self) -> list[str]:
        """Properties not yet decided."""
        return [name for name, result in self.results.items() if result["status"] == PENDING]

    def note(self, name: str, status: str, code: int, value: Any, ts: int) -> None:
        """What became of a property; the stamp moves only when something changed."""
        new = {"status": status, "code": code, "value": value}
        old = self.results.get(name)
        if old is None or {key: old[key] for key in new} != new:
            self.results[name] = {**new, "ts": ts}

    def tries(self, name: str) -> int:
        return self.attempts.get(name, 0)

    def under_way(self, name: str) -> bool:
        """A command was handed over whose result was not noted (a restart lay between)."""
        return name in self.busy

    def begin(self, name: str) -> None:
        """A new try, with a command id of its own: the ledger answers a repeated id from its record."""
        self.attempts[name] = self.tries(name) + 1
        self.busy.add(name)

    def end(self, name: str) -> None:
        """The result is noted."""
        self.spent.append(self.command_id(name))
        self.busy.discard(name)

    def command_id(self, name: str) -> str:
        """Unique per target, property and try."""
        return f"desired-{self.epoch}-{self.version}-{self.made}-{name}-{self.tries(name)}"

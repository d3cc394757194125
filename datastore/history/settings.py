"""The `history` part of gateway.yaml."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from datastore.history.asking.settings import AskSettings
from datastore.settings import parse_size
from gateway.model.duration import parse_duration

SMALLEST_BYTES = 10_000_000
"""Below this there is no room to merge files beside what is kept."""
Kind = Literal["result", "ack", "alarm"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Around(_Strict):
    """Only what lies around an alarm."""

    event: str = Field(description="Name of the alarm, also of a rule's; `*` and `?` as in file names")
    before: str = Field(default="5m", description="Kept of the time before the alarm")
    after: str = Field(default="10m", description="Kept of the time after it")
    of: Literal["device", "any"] = Field(
        default="device", description="Whose alarms: the device's own and the gateway's, or those of any device"
    )

    @field_validator("before", "after")
    @classmethod
    def _window(cls, text: str) -> str:
        if not 0 <= parse_duration(text) <= 86400:
            raise ValueError(f"{text} is out of range; write 0s to 24h")
        return text

    @property
    def before_ns(self) -> int:
        return int(parse_duration(self.before) * 1e9)

    @property
    def after_ns(self) -> int:
        return int(parse_duration(self.after) * 1e9)


class Deadband(_Strict):
    """Only what differs enough from what was kept last."""

    deadband: float = Field(gt=0, description="A number is kept when it differs by more than this")


class While(_Strict):
    """Only while something holds."""

    while_: str = Field(
        alias="while",
        description="Such as `Power > 10 and Mode == 2`: resources of the same device, with their last values",
    )

    @field_validator("while_")
    @classmethod
    def _condition(cls, text: str) -> str:
        from datastore.history.conditions import Condition

        Condition(text)
        return text


class AroundRule(_Strict):
    """Only what lies around an alarm."""

    around: Around


Keep = Literal["everything", "on-change", "nothing"] | Deadband | While | AroundRule


class KeepRule(_Strict):
    """What is kept of the readings and messages it is for."""

    name: str = Field(default="", description="For people; left out, `keep-0`, `keep-1`, … by its place")
    device: str = Field(default="*", description="Devices: a name, `*` and `?` as in file names")
    source: str = Field(default="*", description="Their commands and resources, in the same way")
    label: str = Field(default="", description="Only devices with this label, or whose profile has it")
    keep: Keep = Field(default="everything", description="Of readings: which are kept")
    messages: bool | list[Kind] = Field(
        default=True, description="Of messages (results of commands, alarms): all, none, or these kinds"
    )

    def fits(self, device: str, source: str | None, labels: Sequence[str]) -> bool:
        """Whether it is for this source of a device with these labels. `source` None: for its messages."""
        if self.source != "*" if source is None else not fnmatchcase(source, self.source):
            return False
        return fnmatchcase(device, self.device) and (not self.label or self.label in labels)

    @field_validator("keep", mode="wrap")
    @classmethod
    def _keep(cls, given: Any, handler: Any) -> Any:
        """One error that says what there is, instead of one for each that it is not."""
        kinds: dict[str, type[BaseModel]] = {"deadband": Deadband, "while": While, "around": AroundRule}
        if isinstance(given, dict) and len(given) == 1 and (kind := kinds.get(next(iter(given)))):
            return kind.model_validate(given)
        if isinstance(given, BaseModel) or given in ("everything", "on-change", "nothing"):
            return handler(given)
        raise ValueError(
            f"{given!r} is no way to keep; write everything, on-change, nothing, or one of {{deadband: 0.5}}, "
            "{while: 'Power > 10'}, {around: {event: 'Hot*', before: 5m, after: 10m}}"
        )


class HistorySettings(_Strict):
    """What is kept for long, in Parquet files; needs southgate[history]. Left out, only the journal keeps readings."""

    flush: str = Field(
        default="60s", description="The journal's new records are taken so often, 1s to 1h; queries see them before"
    )
    raw: str = Field(default="30d", description="Readings older than this are removed")
    minute: str = Field(default="365d", description="Minima, maxima, means of minutes are kept for so long")
    hour: str = Field(default="3650d", description="The same of hours")
    messages: str = Field(default="365d", description="Results of commands and alarms are kept for so long")
    max_bytes: str = Field(
        default="10GB",
        description="Bytes on disk, at least 10MB; the oldest readings go first, down to a quarter, then minutes, "
        "messages, hours",
    )
    ask: AskSettings = AskSettings()
    keep: list[KeepRule] = Field(
        default=[], description="What is kept, the first rule that fits counts; what fits none is kept"
    )

    @property
    def flush_s(self) -> float:
        return parse_duration(self.flush)

    @property
    def bytes_max(self) -> int:
        return parse_size(self.max_bytes)

    def age_ns(self, tier: Literal["raw", "minute", "hour", "messages"]) -> int:
        return int(parse_duration(getattr(self, tier)) * 1e9)

    @field_validator("flush")
    @classmethod
    def _flush(cls, text: str) -> str:
        if not 1 <= parse_duration(text) <= 3600:
            raise ValueError(f"{text} is out of range; write 1s to 1h")
        return text

    @field_validator("raw", "minute", "hour", "messages")
    @classmethod
    def _age(cls, text: str) -> str:
        if parse_duration(text) < 3600:
            raise ValueError(f"{text} is too short; write a duration of an hour or more, such as 30d")
        return text

    @field_validator("max_bytes", mode="before")
    @classmethod
    def _bytes(cls, size: object) -> object:
        text = str(size) if isinstance(size, int) and not isinstance(size, bool) else size
        if isinstance(text, str) and parse_size(text) < SMALLEST_BYTES:
            raise ValueError(f"{text} is too small; give the history at least 10MB")
        return text

    @model_validator(mode="after")
    def _ladder(self) -> "HistorySettings":
        if not self.age_ns("raw") <= self.age_ns("minute") <= self.age_ns("hour"):
            raise ValueError("raw, minute, hour: each must be kept at least as long as the one before")
        return self

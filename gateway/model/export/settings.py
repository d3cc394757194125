"""What every entry of `exporters:` in gateway.yaml may say."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from gateway.model.duration import parse_duration
from gateway.model.scalar import free

MessageKind = Literal["alarm", "result", "ack"]
"""Alarms; results of commands; acknowledgements of desired values."""
Free = Annotated[Any, BeforeValidator(free)]
"""A value of any shape."""


class Only(BaseModel):
    """Which records: patterns such as `meter-*` (`*` any characters, `?` one, `[ab]` one of these); all that are given
    must fit, nothing given: everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    devices: list[str] = Field(default=[], description="Patterns of device names")
    sources: list[str] = Field(default=[], description="Patterns of source names: deviceCommands and deviceResources")
    resources: list[str] = Field(default=[], description="Patterns of resource names; of an event only these remain")
    labels: list[str] = Field(default=[], description="Patterns of labels of devices; one of a device's must fit")
    readings: bool = Field(default=True, description="Whether readings are exported")
    messages: list[MessageKind] = Field(
        default=[],
        description="Which messages are exported, too: `alarm`, `result` of commands, `ack` of desired values",
    )


class ExportSettings(BaseModel):
    """One place that records go to; each has a pace, a cursor and trouble of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    only: Only = Field(default=Only(), description="Which records")
    rename: dict[str, str] = Field(
        default={}, description="Other names of resources at the other side: `{PhaseAVoltage: u1}`"
    )
    batch: int = Field(default=500, ge=1, le=10_000, description="Records (events, messages) of a request at most")
    linger: str = Field(default="200ms", description="How long small events wait for company, 0 to 1m")
    rate: int = Field(
        default=20_000, ge=1, le=1_000_000, description="Records a second of what waited, beside the live ones, at most"
    )
    tries: int = Field(default=3, ge=1, le=100, description="Refused so often, a record becomes a dead letter")
    timeout: str = Field(default="10s", description="How long a request may take, its answer included; 100ms to 10m")

    @field_validator("linger")
    @classmethod
    def _linger(cls, text: str) -> str:
        if not 0 <= parse_duration(text) <= 60:
            raise ValueError(f"{text} is out of range; write 0 to 1m")
        return text

    @field_validator("timeout")
    @classmethod
    def _timeout(cls, text: str) -> str:
        if not 0.1 <= parse_duration(text) <= 600:
            raise ValueError(f"{text} is out of range; write 100ms to 10m")
        return text

    @property
    def linger_s(self) -> float:
        return parse_duration(self.linger)

    @property
    def timeout_s(self) -> float:
        return parse_duration(self.timeout)


Labels = Mapping[str, tuple[str, ...]]
"""Device → its labels."""

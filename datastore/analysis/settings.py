"""The `rules` of gateway.yaml, and of requests: one model per `kind`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from datastore.analysis.formula import check
from datastore.analysis.refs import Ref, ref
from gateway.model.alarm import OWN
from gateway.model.duration import parse_duration
from gateway.model.names import check_name

SAMPLES = 3600
"""Readings that a window holds at most, unless the rule says more."""
WINDOW = 65_536
"""Values that a model is given at most: more would hold up the loop."""


def _place(text: str) -> str:
    ref(text)
    return text


def _single(text: str) -> str:
    if ref(text).many:
        raise ValueError(f"{text} is a pattern; what a rule makes is one resource of one device, such as plant/power")
    return text


def _span(text: str) -> str:
    if not parse_duration(text) > 0:
        raise ValueError(f"{text!r}: a duration above 0, such as 10s, was expected")
    return text


def _wait(text: str) -> str:
    if parse_duration(text) < 0:
        raise ValueError(f"{text!r}: a duration must not be negative")
    return text


def _rule_name(name: str) -> str:
    check_name(name)
    if name in OWN:
        raise ValueError(f"{name!r}: the gateway has an alarm of its own of this name; choose another")
    return name


Place = Annotated[str, AfterValidator(_place)]
Target = Annotated[str, AfterValidator(_place), AfterValidator(_single)]
Span = Annotated[str, AfterValidator(_span)]
Wait = Annotated[str, AfterValidator(_wait)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class RuleSettings(BaseModel):
    """What every rule has."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    numeric: ClassVar[bool] = True
    """Whether it can only read numbers and Bool."""

    name: Annotated[str, AfterValidator(_rule_name)] = Field(description="Unique; the alarm's name, too")
    description: str = Field(default="", description="For people; part of what the alarm says")
    severity: Literal["info", "warning", "critical"] = Field(default="warning", description="Of the alarm")

    def reads(self) -> Mapping[str, Ref]:
        """What it reads, by the name it gives it."""
        return {"of": ref(self.of)} if hasattr(self, "of") else {}

    def makes(self) -> Mapping[str, Ref]:
        """The virtual resources it makes, by the key that names them."""
        into = getattr(self, "into", None)
        return {"into": ref(into)} if into else {}

    @model_validator(mode="after")
    def _into_one(self) -> "RuleSettings":
        if self.makes() and any(one.many for one in self.reads().values()):
            raise ValueError("`of` is a pattern of many devices and `into` is one resource; name one device")
        return self


class Limits(RuleSettings):
    """Above or below what a number raises the alarm."""

    above: Finite | None = Field(default=None, description="Raised when the number is above this")
    below: Finite | None = Field(default=None, description="Raised when the number is below this")
    hysteresis: Annotated[Finite, Field(ge=0)] = Field(
        default=0.0, description="Cleared only when it is back inside the limit by so much"
    )
    for_: Wait = Field(default="0s", alias="for", description="Raised only when it lasted so long")
    clear_after: Wait = Field(default="0s", description="Cleared only when all was well for so long")

    @property
    def limited(self) -> bool:
        return self.above is not None or self.below is not None

    @model_validator(mode="after")
    def _apart(self) -> "Limits":
        if self.above is not None and self.below is not None and self.below >= self.above:
            raise ValueError(f"below ({self.below:g}) must be less than above ({self.above:g})")
        if self.above is not None and self.below is not None and 2 * self.hysteresis >= self.above - self.below:
            raise ValueError("with this hysteresis nothing between the limits would ever clear the alarm")
        return self


class Made(BaseModel):
    """What a rule's number becomes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    into: Target | None = Field(default=None, description="Virtual resource that the number becomes: plant/power")
    units: str = Field(default="", description="Unit of the virtual resource")
    every: Wait = Field(default="0s", description="At most one value in so long, by the readings' own times")


class Threshold(Limits):
    """A value beyond a limit. `into` becomes true while it is."""

    kind: Literal["threshold"]
    of: Place = Field(description="What it reads: device/resource; the device may be a pattern")
    into: Target | None = Field(default=None, description="Virtual Bool that is true while it is raised")

    @model_validator(mode="after")
    def _some_limit(self) -> "Threshold":
        if not self.limited:
            raise ValueError("a threshold needs `above`, `below` or both")
        return self


class Rate(Limits, Made):
    """How fast a value changes, per `per`, over `over` (or from one reading to the next)."""

    kind: Literal["rate"]
    of: Place = Field(description="What it reads: device/resource; the device may be a pattern")
    per: Span = Field(default="1s", description="The rate is per so long")
    over: Wait = Field(default="0s", description="Over so long; 0: from one reading to the next")
    samples: int = Field(default=SAMPLES, ge=2, le=100_000, description="Readings that the window holds at most")


class Rolling(Limits, Made):
    """A statistic of the last readings."""

    kind: Literal["rolling"]
    of: Place = Field(description="What it reads: device/resource; the device may be a pattern")
    stat: Literal["mean", "min", "max", "std"] = Field(default="mean", description="std: of the sample (n - 1)")
    over: Span = Field(description="Window, by the readings' own times")
    samples: int = Field(default=SAMPLES, ge=2, le=100_000, description="Readings that the window holds at most")


class ZScore(Limits, Made):
    """How far a value is from the median of those before it, in robust standard deviations (median of absolute
    deviations). Raised beyond `limit` to either side."""

    kind: Literal["zscore"]
    of: Place = Field(description="What it reads: device/resource; the device may be a pattern")
    samples: int = Field(default=100, ge=5, le=10_000, description="Readings it is compared with")
    at_least: int = Field(default=20, ge=3, le=10_000, description="Fewer readings than these give no score")
    limit: Annotated[Finite, Field(gt=0)] = Field(default=3.5, description="Raised when the score is beyond ±limit")

    @model_validator(mode="after")
    def _enough(self) -> "ZScore":
        if self.at_least > self.samples:
            raise ValueError(
                f"at_least ({self.at_least}) is more than samples ({self.samples}): there never were enough"
            )
        if self.limited:
            raise ValueError("a zscore has `limit`, which counts to both sides, not `above` and `below`")
        return self


class Rollover(RuleSettings, Made):
    """The total of a counter that starts again from 0 when it is full."""

    kind: Literal["rollover"]
    of: Target = Field(description="The counter: device/resource")
    modulo: Annotated[Finite, Field(gt=0)] | None = Field(
        default=None, description="It starts again at this; left out: where its valueType ends (Uint16: 65536)"
    )
    into: Target = Field(description="Virtual resource of the total")


class Formula(Limits, Made):
    """An expression over several resources. Without `into` and limits the alarm is raised while it is true."""

    numeric: ClassVar[bool] = False

    kind: Literal["formula"]
    of: dict[str, Target] = Field(
        min_length=1, max_length=32, description="By name, what it reads: {u: meter-1/voltage}"
    )
    value: str = Field(max_length=500, description="The expression: u * i / 1000")

    def reads(self) -> Mapping[str, Ref]:
        return {name: ref(text) for name, text in self.of.items()}

    @model_validator(mode="after")
    def _expression(self) -> "Formula":
        check(self.value, list(self.of))
        return self


class Stuck(RuleSettings):
    """A value that keeps coming and does not change."""

    numeric: ClassVar[bool] = False

    kind: Literal["stuck"]
    of: Place = Field(description="What it reads: device/resource; the device may be a pattern")
    for_: Span = Field(alias="for", description="So long read without a change, by the clock")
    tolerance: Annotated[Finite, Field(ge=0)] = Field(
        default=0.0, description="A change of a number by so much is none"
    )
    into: Target | None = Field(default=None, description="Virtual Bool that is true while it is raised")


class Missing(RuleSettings):
    """No good value for so long."""

    numeric: ClassVar[bool] = False

    kind: Literal["missing"]
    of: Place = Field(description="What it reads: device/resource; the device may be a pattern")
    for_: Span = Field(alias="for", description="So long without a good value, by the clock")
    into: Target | None = Field(default=None, description="Virtual Bool that is true while it is raised")


class Hard(BaseModel):
    """Which samples are hard, how many are kept, how many leave."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    between: tuple[Finite, Finite] | None = Field(
        default=None, description="A score in this range is hard; the model may say so itself, too"
    )
    keep: int = Field(default=1000, ge=0, le=100_000, description="Newest ones kept in the data folder")
    into: Target | None = Field(
        default=None, description="Virtual Object resource that carries hard samples to wherever readings go"
    )
    per_hour: int = Field(default=60, ge=0, le=36_000, description="At most so many leave in an hour")


class Score(Limits, Made):
    """What a model says of the last readings. It runs in a process of its own."""

    kind: Literal["score"]
    of: dict[str, Target] = Field(
        min_length=1, max_length=64, description="By name, what it reads, in the order in which the model takes it"
    )
    window: int = Field(default=1, ge=1, le=10_000, description="Readings of each that the model is given")
    step: int = Field(default=1, ge=1, le=10_000, description="So many new readings before it is asked again")
    model: Path | None = Field(default=None, description="File of an ONNX model, relative to gateway.yaml")
    call: str = Field(default="", description="Or a Python callable, module:function")
    version: str = Field(default="", description="Of the model; part of every result")
    timeout: Span = Field(default="5s", description="A model that takes longer is ended and started anew")
    label: Target | None = Field(default=None, description="Virtual String resource of the label")
    hard: Hard = Field(default=Hard(), description="Hard samples")

    def reads(self) -> Mapping[str, Ref]:
        return {name: ref(text) for name, text in self.of.items()}

    def makes(self) -> Mapping[str, Ref]:
        named = {"into": self.into, "label": self.label, "hard.into": self.hard.into}
        return {key: ref(text) for key, text in named.items() if text}

    @model_validator(mode="after")
    def _one_model(self) -> "Score":
        if bool(self.model) == bool(self.call):
            raise ValueError("a score needs `model` (a file) or `call` (module:function), one of the two")
        if self.window * len(self.of) > WINDOW:
            raise ValueError(
                f"a window of {self.window} readings of {len(self.of)} inputs is more than {WINDOW} values"
            )
        if self.call and not all(part.isidentifier() for part in self.call.replace(":", ".", 1).split(".")):
            raise ValueError(f"call: {self.call!r} is not module:function")
        return self


Rule = Annotated[
    Threshold | Rate | Rolling | ZScore | Rollover | Formula | Stuck | Missing | Score, Field(discriminator="kind")
]
"""Any rule."""
AnyRule = Threshold | Rate | Rolling | ZScore | Rollover | Formula | Stuck | Missing | Score

"""The `journal` part of gateway.yaml."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.model.duration import parse_duration

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)B?")
_POWER = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
SMALLEST_BYTES = 1_000_000
"""Below this a journal could not hold two segments and the write-ahead log beside them."""


def parse_size(text: str) -> int:
    """Bytes of a size such as `2GB` (powers of 1000), `512MiB` (powers of 1024) or `4096`. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a size; write a number with its unit, such as 500MB or 2GB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWER[unit])


class JournalSettings(BaseModel):
    """How soon what was read is on disk, how much is kept, what goes first when there is no room."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    commit: str = Field(
        default="500ms",
        description="At most this much is lost by a power cut, 10ms to 1m; commands and alarms are committed at once",
    )
    max_bytes: str = Field(default="2GB", description="Bytes on disk, with log and indexes; at least 1MB")
    max_age: str = Field(default="30d", description="What is older is removed")
    when_full: Literal["drop-oldest", "drop-newest"] = Field(
        default="drop-oldest", description="What goes when there is no room: the oldest records, or those just read"
    )

    @property
    def commit_s(self) -> float:
        return parse_duration(self.commit)

    @property
    def bytes_max(self) -> int:
        return parse_size(self.max_bytes)

    @property
    def age_ns(self) -> int:
        return int(parse_duration(self.max_age) * 1e9)

    @field_validator("commit")
    @classmethod
    def _commit(cls, text: str) -> str:
        if not 0.01 <= parse_duration(text) <= 60:
            raise ValueError(f"{text} is out of range; write 10ms to 1m")
        return text

    @field_validator("max_bytes", mode="before")
    @classmethod
    def _bytes(cls, size: object) -> object:
        text = str(size) if isinstance(size, int) and not isinstance(size, bool) else size
        if isinstance(text, str) and parse_size(text) < SMALLEST_BYTES:
            raise ValueError(f"{text} is too small; give the journal at least 1MB")
        return text

    @field_validator("max_age")
    @classmethod
    def _age(cls, text: str) -> str:
        if parse_duration(text) <= 0:
            raise ValueError(f"{text} keeps nothing; write a duration such as 30d")
        return text

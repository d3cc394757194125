"""The `ask` part of `history` in gateway.yaml."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from datastore.settings import parse_size
from gateway.model.duration import parse_duration

SMALLEST_MEMORY = 64_000_000


class AskSettings(BaseModel):
    """How long questions to history may take, and how much memory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout: str = Field(default="30s", description="A question that takes longer is broken off, 1s to 10m")
    memory: str = Field(
        default="256MB",
        description="A question that needs more is broken off; at least 64MB, for each of two processes",
    )
    idle: str = Field(default="5m", description="A process that nobody has asked for so long ends, 1s to 1d")

    @property
    def timeout_s(self) -> float:
        return parse_duration(self.timeout)

    @property
    def memory_bytes(self) -> int:
        return parse_size(self.memory)

    @property
    def idle_s(self) -> float:
        return parse_duration(self.idle)

    @field_validator("timeout")
    @classmethod
    def _timeout(cls, text: str) -> str:
        if not 1 <= parse_duration(text) <= 600:
            raise ValueError(f"{text} is out of range; write 1s to 10m")
        return text

    @field_validator("idle")
    @classmethod
    def _idle(cls, text: str) -> str:
        if not 1 <= parse_duration(text) <= 86_400:
            raise ValueError(f"{text} is out of range; write 1s to 1d")
        return text

    @field_validator("memory", mode="before")
    @classmethod
    def _memory(cls, size: object) -> object:
        text = str(size) if isinstance(size, int) and not isinstance(size, bool) else size
        if isinstance(text, str) and parse_size(text) < SMALLEST_MEMORY:
            raise ValueError(f"{text} is too small; give questions at least 64MB")
        return text

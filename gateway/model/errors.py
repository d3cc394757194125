"""The errors every part agrees on: who raises them, who acts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class GatewayError(Exception):
    """Root of ours."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong (or worth a warning) in a file or a request body."""

    where: str
    """Path of the key inside the document, e.g. `deviceResources[3].attributes.primaryTable`."""
    what: str
    """What is wrong, what was expected, what to do; one plain sentence or two."""
    file: str = ""
    line: int = 0
    """1-based; 0 when unknown (a JSON body)."""
    severity: str = "error"
    """`error`, `warning` or `note`."""

    def __str__(self) -> str:
        position = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        mark = "" if self.severity == "error" else f"{self.severity}: "
        return f"{position}{mark}{self.where + ': ' if self.where else ''}{self.what}"


class ConfigError(GatewayError):
    """It will never work. `check`, start and the registry refuse; names all problems at once."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = [Problem("", problems)] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(map(str, self.problems)))


class NotConnected(GatewayError):
    """The wire is gone. The lane (or the forwarder) closes, backs off with jitter and connects again."""


class NotTaken(NotConnected):
    """The other side is there and takes nothing now: it is busy, we have no right, what we write to is missing. It
    counts as connected again when it has taken something."""

    def __init__(self, text: str, wait_s: float = 0.0) -> None:
        self.wait_s = wait_s
        """It asked to be left alone for so many seconds."""
        super().__init__(text)


class NoAnswer(GatewayError):
    """One unit on a live connection did not answer in time. The lane quarantines that unit only."""

    def __init__(self, text: str = "", told: bool = False) -> None:
        self.told = told
        """Something between said so: it alone knows how long it waits for the unit."""
        super().__init__(text)


class EndOfRecording(GatewayError):
    """What was asked of a recording was answered before it began or after it ended."""


class DeviceError(GatewayError):
    """The device answered: no. The others go on."""

    def __init__(self, code: str, text: str, request: str = "") -> None:
        self.code = code
        """The device's own code, e.g. `2` for Modbus ILLEGAL DATA ADDRESS."""
        self.request = request
        super().__init__(f"{text}{' (' + request + ')' if request else ''}")


class CommandRejected(GatewayError):
    """A command was refused before the wire. `code` is a status of the cloud contract (400, 403, 404, 405, …)."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


class PartialSend(GatewayError):
    """An exporter could not send some records for good; `indices` are their positions in the batch. The rest went."""

    def __init__(self, indices: Sequence[int], text: str, reasons: Mapping[int, str] | None = None) -> None:
        self.indices = list(indices)
        self.reasons = reasons or dict.fromkeys(indices, text)
        """By position; they may differ."""
        super().__init__(text)


class StoreFailed(GatewayError):
    """The disk refused (full, read-only, EIO). The declared drop policy applies; polling and commands go on."""


class QuestionRefused(GatewayError):
    """History does not answer. `code`: 400 the question is wrong, 413 it asks for too much, 416 there is no such page,
    503 too many others ask, 504 it took too long."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)

"""Rules whose result is what a model says of the last readings."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from datastore.analysis.around import Around, Input, Outlet
from datastore.analysis.numbers import NumberRule
from datastore.analysis.running import number, short
from datastore.analysis.scoring.worker import Worker
from datastore.analysis.settings import Score
from gateway.model.duration import parse_duration
from gateway.model.names import encode_name
from gateway.model.reading import OVERFLOW, Quality

HOUR_S = 3600.0


class ScoreRule(NumberRule):
    """See `Score`. Each event that brings one of its values adds a row: that value, and the last ones of the others."""

    settles = True

    def __init__(self, rule: Score, inputs: Mapping[str, Input], around: Around) -> None:
        super().__init__(rule, inputs, around)
        self._score = rule
        self._now: dict[str, float] = {}
        self._rows: deque[tuple[float, ...]] = deque(maxlen=rule.window)
        self._new = 0
        made = rule.makes()
        self._label = Outlet(around, made["label"]) if "label" in made else None
        self._hard = Outlet(around, made["hard.into"]) if "hard.into" in made else None
        self._sent: deque[float] = deque()
        """When hard samples of the last hour left, monotonic."""
        self._worker = Worker(rule.name, self._order(), parse_duration(rule.timeout), around.clock)
        self._worker.answered, self._worker.failing = self._answered, self._failing
        self._task: asyncio.Task[None] | None = None
        self._said = ""
        self.inferences = self.hard_samples = self.uploaded = 0

    def _order(self) -> dict[str, Any]:
        rule, around = self._score, self.around
        return {
            "folder": str((around.data / "models" / encode_name(rule.name)).absolute()),
            "beside": str(around.folder),
            "model": str(around.folder / rule.model) if rule.model else "",
            "call": rule.call,
            "version": rule.version,
            "window": rule.window,
            "inputs": list(self.inputs),
            "between": list(rule.hard.between) if rule.hard.between else None,
            "keep": rule.hard.keep,
        }

    def words(self) -> str:
        return f"the score of model {self._worker.version or self._score.model or self._score.call}{self._said}"

    def begin(self) -> None:
        self._task = asyncio.create_task(self._worker.run(), name=f"model of {self.rule.name}")

    def end(self) -> None:
        super().end()
        if self._task is not None:
            self._task.cancel()

    @property
    def over(self) -> bool:
        return self._task is None or self._task.done()

    async def closed(self) -> None:
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def take(self, slot: str, value: Any, at: int) -> None:
        self.readings += 1
        given = number(value)
        if given is None:
            self.trouble.note(f"{short(value)} is no number")
            self.bad(slot, OVERFLOW, at)
        else:
            self._now[slot] = given

    def bad(self, slot: str, quality: Quality, at: int) -> None:
        """What has a hole is no window: it begins again."""
        super().bad(slot, quality, at)
        if self._label is not None:
            self._label.spoil(quality, at)
        self._now.pop(slot, None)
        self._rows.clear()

    def settle(self, at: int) -> None:
        if len(self._now) < len(self.inputs):
            return
        self._rows.append(tuple(self._now[name] for name in self.inputs))
        self._new += 1
        if len(self._rows) == self._score.window and self._new >= self._score.step:
            self._new = 0
            self._worker.ask(at, self._window)

    def _window(self) -> list[list[float]] | None:
        """By input; None: a bad reading has emptied it."""
        if len(self._rows) < self._score.window:
            return None
        return [list(column) for column in zip(*self._rows, strict=True)]

    def _answered(self, asked: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        at: int = asked["at"]
        if "error" in said:
            self._spoil(str(said["error"]), at)
            return
        self.inferences += 1
        label = said["label"]
        self._said = f" ({label})" if label else ""
        self.tell(said["score"], at)
        if self._label is not None and label is not None:
            self._label.put(label, at)
        if said["hard"]:
            self.hard_samples += 1
            self._upload(asked, said)

    def _failing(self, why: str) -> None:
        self._spoil(why, self.around.clock.now())

    def _spoil(self, why: str, at: int) -> None:
        """There is no score: what was said before does not hold any more."""
        self.trouble.note(why)
        quality = Quality("bad", "config", why[:200])
        super().bad("", quality, at)
        if self._label is not None:
            self._label.spoil(quality, at)

    def _upload(self, asked: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        """A hard sample to wherever readings go, not more of them than the rule says."""
        now = self.around.clock.monotonic()
        while self._sent and self._sent[0] <= now - HOUR_S:
            self._sent.popleft()
        if self._hard is None or len(self._sent) >= self._score.hard.per_hour:
            return
        self._sent.append(now)
        self.uploaded += 1
        self._hard.put({**said, "window": dict(zip(self.inputs, asked["window"], strict=True))}, asked["at"])

    @property
    def ails(self) -> str:
        return f"its model is {self._worker.state}: {self._worker.why}" if self._worker.why else ""

    def memory(self) -> Any:
        return [self.inferences, self.hard_samples, self.uploaded] if self.inferences else None

    def recall(self, memory: Any) -> None:
        if not self.inferences and isinstance(memory, list) and len(memory) == 3:
            self.inferences, self.hard_samples, self.uploaded = memory

    def report(self) -> dict[str, Any]:
        worker = self._worker
        return super().report() | {
            "model": {"state": worker.state, "version": worker.version, "why": worker.why},
            "inferences": self.inferences,
            "hard_samples": self.hard_samples,
            "uploaded": self.uploaded,
            "upload_ratio": self.uploaded / self.inferences if self.inferences else 0.0,
            "skipped": worker.skipped,
        }

"""The worker: one model, asked over standard input, answering over what was standard output.

`python -m datastore.analysis.scoring`. The first message is the order (`Order`); the answer says which model runs. What
the model prints goes to standard error. It ends when its input does."""

import contextlib
import filecmp
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datastore.analysis.scoring.frames import packed, read_from
from datastore.analysis.scoring.model import BadModel, Function, Model, Onnx, Scored

GOOD = "good.json"
"""What scored last, or was the first that could be loaded: the model that is gone back to."""
TRIES = 3
"""A new model that fails on so many windows and has scored none is no good."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run."""

    folder: str
    """For what is kept of this rule."""
    beside: str
    """The folder of gateway.yaml."""
    model: str
    call: str
    version: str
    window: int
    inputs: list[str]
    between: list[float] | None = None
    keep: int = 1000
    doubt: str = ""
    """Why it is not tried this time: it hung, or ended its process."""


@dataclass(slots=True)
class HardSamples:
    """The newest hard samples: JSON Lines in two files, of which the older goes when the newer is half of what is
    kept."""

    folder: Path
    keep: int
    _count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        with contextlib.suppress(OSError):
            self._count = self._file.read_bytes().count(b"\n")

    @property
    def _file(self) -> Path:
        return self.folder / "hard.jsonl"

    def put(self, sample: Mapping[str, Any]) -> None:
        """Raises OSError."""
        if not self.keep:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._count >= max(1, self.keep // 2):
            self._file.replace(self.folder / "hard.1.jsonl")
            self._count = 0
        with self._file.open("a") as file:
            file.write(json.dumps(sample) + "\n")
        self._count += 1


class Scorer:
    """The model that was ordered; the one that scored before when that does not load, or loads and scores nothing."""

    def __init__(self, order: Order) -> None:
        """Raises BadModel."""
        self._order = order
        self._samples = HardSamples(Path(order.folder), order.keep)
        self._version, self._why = order.version, ""
        self._failures = 0
        before = self._before()
        self._proven = before is not None and _same(before, order)
        """It need not show any more that it can score."""
        self._spare = None if self._proven else before
        try:
            if order.doubt:
                raise BadModel(order.doubt)
            self._model = self._open(order.model, order.call)
        except BadModel as error:
            if before is None:
                raise
            self._go_back(before, str(error))
        else:
            if before is None:
                _keep(order)

    def runs(self) -> dict[str, str]:
        """What runs, and why it is not what was ordered."""
        return {"version": self._version, "why": self._why}

    def _open(self, file: str, call: str) -> Model:
        if call:
            return Function(call, Path(self._order.beside))
        return Onnx(Path(file), self._order.window, len(self._order.inputs))

    def _go_back(self, before: Any, why: str) -> None:
        """Raises BadModel."""
        try:
            self._model = self._open(before["model"], before["call"])
        except BadModel as worse:
            raise BadModel(f"{why}; nor can the one before it: {worse}") from None
        self._version, self._why = before["version"], why
        self._proven, self._spare = True, None

    def _before(self) -> Any | None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads((Path(self._order.folder) / GOOD).read_text())
            if found["window"] == self._order.window and found["inputs"] == self._order.inputs:
                return found
        return None

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """To one window."""
        window = dict(zip(self._order.inputs, asked["window"], strict=True))
        try:
            found = self._score(window)
        except Exception as error:  # noqa: BLE001  whatever a model does is told and counted
            why = f"{type(error).__name__}: {str(error)[:300]}"
            self._failures += 1
            if self._spare is None or self._failures < TRIES:
                return {"error": why}
            return self._again(asked, f"{why}, on each of the first {TRIES} windows")
        if not self._proven:
            self._proven, self._spare = True, None
            _keep(self._order)
        low, high = self._order.between or (1.0, 0.0)
        hard = found.hard or low <= found.score <= high
        said = {"score": found.score, "label": found.label, "hard": hard, "version": self._version}
        if hard:
            with contextlib.suppress(OSError):
                self._samples.put({**said, "at": asked["at"], "window": window})
        return said

    def _score(self, window: Mapping[str, Any]) -> Scored:
        found = self._model.score(window)
        if not abs(found.score) < float("inf"):
            raise ValueError(f"the score is {found.score}")
        return found

    def _again(self, asked: Mapping[str, Any], why: str) -> dict[str, Any]:
        """The answer of the one before."""
        try:
            self._go_back(self._spare, why)
        except BadModel as error:
            self._spare = None
            return {"error": str(error)}
        return {**self.answer(asked), "rolled_back": self.runs()}


def _same(before: Any, order: Order) -> bool:
    """Whether what scored before is what is ordered."""
    if (before["version"], before["call"]) != (order.version, order.call):
        return False
    try:
        return not order.model or filecmp.cmp(before["model"], order.model, shallow=False)
    except OSError:
        return False


def _keep(order: Order) -> None:
    """A copy of a model that is good, so that it is there when the next one is no good."""
    folder = Path(order.folder)
    with contextlib.suppress(OSError):  # a disk that is full keeps no model from running
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / "good.onnx"
        if order.model:
            shutil.copyfile(order.model, folder / ".good.onnx")
            (folder / ".good.onnx").replace(copy)
        about = {
            "model": str(copy) if order.model else "",
            "call": order.call,
            "version": order.version,
            "window": order.window,
            "inputs": order.inputs,
        }
        (folder / f".{GOOD}").write_text(json.dumps(about))
        (folder / f".{GOOD}").replace(folder / GOOD)


def main() -> None:
    """Until its input ends."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    with contextlib.suppress(OSError):
        os.nice(5)
    given = read_from(sys.stdin.buffer)
    if given is None:
        return
    try:
        scorer = Scorer(Order(**given))
    except BadModel as error:
        out.write(packed({"failed": str(error)}))
        return
    out.write(packed(scorer.runs()))
    while (asked := read_from(sys.stdin.buffer)) is not None:
        out.write(packed(scorer.answer(asked)))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        main()

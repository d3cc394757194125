"""The worker: one model, asked over standard input, answering over what was standard output.

`python -m datastore.analysis.scoring`. The first message is the order (`Order`); the answer says which model runs. What
the model prints goes to standard error. It ends when its input does."""

import contextlib
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
"""What ran last: the model that is gone back to."""


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


@dataclass(slots=True)
class Runs:
    """A model that runs, and what there is to say about it."""

    model: Model
    version: str
    why: str = ""
    """Why it is not the one that was ordered."""


def load(order: Order) -> Runs:
    """The model that was ordered, else the one that ran last. Raises BadModel."""
    try:
        model = _open(order.model, order.call, order)
    except BadModel as error:
        before = _before(order)
        if before is None:
            raise
        try:
            model = _open(before["model"], before["call"], order)
        except BadModel as worse:
            raise BadModel(f"{error}; nor can the one before it: {worse}") from None
        return Runs(model, before["version"], str(error))
    _keep(order)
    return Runs(model, order.version)


def _open(file: str, call: str, order: Order) -> Model:
    if call:
        return Function(call, Path(order.beside))
    return Onnx(Path(file), order.window, len(order.inputs))


def _before(order: Order) -> Any | None:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((Path(order.folder) / GOOD).read_text())
        if found["window"] == order.window and found["inputs"] == order.inputs:
            return found
    return None


def _keep(order: Order) -> None:
    """A copy of the model that runs, so that it is there when the next one is no good."""
    folder = Path(order.folder)
    with contextlib.suppress(OSError):  # a disk that is full keeps no model from running
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / "good.onnx"
        if order.model and Path(order.model).resolve() != copy.resolve():
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


def answer(asked: Mapping[str, Any], runs: Runs, order: Order, samples: HardSamples) -> dict[str, Any]:
    """To one window."""
    window = dict(zip(order.inputs, asked["window"], strict=True))
    try:
        found: Scored = runs.model.score(window)
        if not abs(found.score) < float("inf"):
            raise ValueError(f"the score is {found.score}")
    except Exception as error:  # noqa: BLE001  whatever a model does is told and counted
        return {"error": f"{type(error).__name__}: {str(error)[:300]}"}
    low, high = order.between or (1.0, 0.0)
    hard = found.hard or low <= found.score <= high
    said = {"score": found.score, "label": found.label, "hard": hard, "version": runs.version}
    if hard:
        with contextlib.suppress(OSError):
            samples.put({**said, "at": asked["at"], "window": window})
    return said


def main() -> None:
    """Until its input ends."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    with contextlib.suppress(OSError):
        os.nice(5)
    given = read_from(sys.stdin.buffer)
    if given is None:
        return
    order = Order(**given)
    try:
        runs = load(order)
    except BadModel as error:
        out.write(packed({"failed": str(error)}))
        return
    out.write(packed({"version": runs.version, "why": runs.why}))
    samples = HardSamples(Path(order.folder), order.keep)
    while (asked := read_from(sys.stdin.buffer)) is not None:
        out.write(packed(answer(asked, runs, order, samples)))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        main()

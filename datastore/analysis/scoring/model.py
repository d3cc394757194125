"""Models: an ONNX file, or a Python callable. Runs in the worker only."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Window = Mapping[str, Sequence[float]]
"""By input, its last readings, oldest first."""


class BadModel(Exception):
    """Why a model cannot be used, in words."""


class Scored(NamedTuple):
    """What a model says of a window."""

    score: float
    label: str | None = None
    hard: bool = False


class Model(Protocol):
    """Anything that scores."""

    def score(self, window: Window) -> Scored: ...


class Function:
    """`module:function`, found beside gateway.yaml or installed. It is given the window by name, and gives a number, or
    `(score, label)`, or `{score, label, hard}`."""

    def __init__(self, name: str, folder: Path) -> None:
        """Raises BadModel."""
        module, _, function = name.partition(":")
        sys.path.insert(0, str(folder))
        try:
            self._call = getattr(importlib.import_module(module), function)
        except Exception as error:  # noqa: BLE001  whatever a model does is told in words
            raise BadModel(f"{name} cannot be loaded: {type(error).__name__}: {error}") from None
        if not callable(self._call):
            raise BadModel(f"{name} cannot be called")

    def score(self, window: Window) -> Scored:
        found = self._call({name: list(values) for name, values in window.items()})
        if isinstance(found, Mapping):
            return Scored(float(found["score"]), _text(found.get("label")), bool(found.get("hard", False)))
        if isinstance(found, (tuple, list)):
            return Scored(float(found[0]), _text(found[1]), bool(found[2]) if len(found) > 2 else False)
        return Scored(float(found))


class Onnx:
    """An ONNX model: its one input is [1, window, inputs], [window, inputs] or [1, window * inputs], of floats. Of its
    outputs one of text or whole numbers is the label, one of floats the score (of several, such as one for each class,
    the largest, whose place is the label when there is no other), one of Bool whether the sample is hard."""

    def __init__(self, file: Path, window: int, inputs: int) -> None:
        """Raises BadModel."""
        try:
            import numpy as np
            import onnxruntime as ort
        except ImportError:
            raise BadModel('onnxruntime is not installed: pip install "southgate[score]"') from None
        self._np = np
        if not file.is_file():
            raise BadModel(f"there is no file {file}")
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  whatever a model does is told in words
            raise BadModel(f"{file.name} is no model that can be run: {str(error)[:300]}") from None
        given = self._session.get_inputs()
        if len(given) != 1:
            raise BadModel(f"{file.name} has {len(given)} inputs; one tensor of floats was expected")
        self._name = given[0].name
        self._type = {"tensor(float)": np.float32, "tensor(double)": np.float64}.get(given[0].type)
        if self._type is None:
            raise BadModel(f"the input of {file.name} is {given[0].type}; floats were expected")
        self._shape = _shape(given[0].shape, window, inputs)
        if self._shape is None:
            wanted = " x ".join("?" if not isinstance(one, int) else str(one) for one in given[0].shape)
            raise BadModel(f"{file.name} takes {wanted}; the rule gives {window} readings of {inputs} inputs")
        self._check(file, window, inputs)

    def _check(self, file: Path, window: int, inputs: int) -> None:
        try:
            self.score({str(number): [0.0] * window for number in range(inputs)})
        except Exception as error:  # noqa: BLE001  whatever a model does is told in words
            raise BadModel(f"{file.name} fails on a window of zeros: {str(error)[:300]}") from None

    def score(self, window: Window) -> Scored:
        np = self._np
        columns = np.array(list(window.values()), dtype=self._type).T  # [window, inputs]
        return _scored(self._session.run(None, {self._name: columns.reshape(self._shape)}), np)


def _shape(wanted: Sequence[Any], window: int, inputs: int) -> tuple[int, ...] | None:
    """Of the tensor that the model takes; a dimension that is no number may be any."""
    choices = ((1, window, inputs), (window, inputs), (1, window * inputs), (window * inputs,))
    for shape in choices:
        fits = all(not isinstance(one, int) or one == mine for one, mine in zip(wanted, shape, strict=False))
        if len(shape) == len(wanted) and fits:
            return shape
    return None


def _scored(outputs: Sequence[Any], np: Any) -> Scored:
    score: float | None = None
    label: str | None = None
    best: str | None = None
    hard = False
    for output in outputs:
        found = output[0] if isinstance(output, list) and output else output
        if isinstance(found, dict):  # of a classifier: a map of class and probability
            score, best = max((float(chance), str(name)) for name, chance in found.items())
            continue
        flat = np.asarray(output).reshape(-1)
        if flat.dtype.kind == "b":
            hard = bool(flat[0])
        elif flat.dtype.kind == "f":
            best = str(flat.argmax()) if flat.size > 1 else best
            score = float(flat.max())
        else:
            label = str(flat[0])
    if score is None:
        raise BadModel("the model gives no number of floating point")
    return Scored(score, label if label is not None else best, hard)


def _text(label: Any) -> str | None:
    return None if label is None else str(label)

"""A document → a model: keys sorted out first, then the types; what is wrong is collected with its place."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from gateway.model.document import MAX_PROBLEMS, Document
from gateway.model.errors import ConfigError, Problem
from gateway.model.fields import EdgeXModel
from gateway.model.near import nearest
from gateway.model.said import each, required

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]


class Child(NamedTuple):
    """A field that holds models."""

    models: tuple[type[BaseModel], ...]
    """Several are told apart by their `kind`, or where they have none by their keys."""
    holds: Literal["one", "list", "map"]

    def model(self, value: Any) -> type[BaseModel] | None:
        """Which of them a value is meant to be; None: its `kind` is of none."""
        if len(self.models) == 1:
            return self.models[0]
        if "kind" not in self.models[0].model_fields:
            given = set(value) if isinstance(value, dict) else set()
            return next((one for one in self.models if given & children(one).keys()), None)
        kind = value.get("kind") if isinstance(value, dict) else None
        return next((one for one in self.models if kind in get_args(one.model_fields["kind"].annotation)), None)


class Shaping:
    """Makes models of one document and collects its problems. `strict`: unknown keys are errors, not warnings."""

    def __init__(self, document: Document, strict: bool = False) -> None:
        self.document = document
        self.problems = list(document.problems)
        self.unknown: Literal["error", "warning"] = "error" if strict else "warning"
        self.wrong = any(problem.severity == "error" for problem in self.problems)
        self._counts: Counter[str] = Counter()
        self._unnamed = 0

    def error(self, path: Path, what: str) -> None:
        """One thing wrong at `path`."""
        self._add(path, what, "error")

    def warning(self, path: Path, what: str) -> None:
        """One thing doubtful at `path`."""
        self._add(path, what, "warning")

    def _add(self, path: Path, what: str, severity: str) -> None:
        self.wrong = self.wrong or severity == "error"
        self._counts[severity] += 1
        if self._counts[severity] <= MAX_PROBLEMS:
            self.problems.append(self.document.problem(path, what, severity))
        else:
            self._unnamed += 1

    def told(self) -> list[Problem]:
        """All problems so far, by line; of a request body only errors."""
        told = [one for one in self.problems if one.severity == "error" or self.document.file]
        told.sort(key=lambda problem: problem.line)
        if self._unnamed:
            severity = "error" if self.wrong else "warning"
            told.append(Problem("", f"and {self._unnamed} more problems", self.document.file, 0, severity))
        return told

    def refuse(self) -> NoReturn:
        """Raises ConfigError with all errors so far; of a file also its warnings, which may explain them."""
        raise ConfigError(self.told())

    def build(self, model: type[M], value: Any, path: Path, wanted: Sequence[str] = ()) -> M | None:
        """`shape`, then `validate`; None when something was wrong. `wanted`: keys the model alone would not want."""
        tree = self.shape(model, value, path)
        missing = [key for key in wanted if isinstance(tree, dict) and not _given(tree, key)]
        for key in missing:
            self.error((*path, key), required(key))
        return self.validate(model, tree, path)

    def validate(self, model: type[M], tree: Any, path: Path) -> M | None:
        """The model of a shaped tree; None when something was wrong."""
        try:
            return model.model_validate(tree)
        except ValidationError as error:
            for where, what in each(error):
                self.error((*path, *_without_kinds(tree, where)), what)
            return None

    def shape(self, model: type[BaseModel], value: Any, path: Path) -> Any:
        """The value with the model's own keys only and without nulls, which leave a field as it is. JSON keys match in
        any case, as Go matches them; YAML keys exactly."""
        if not isinstance(value, dict):
            return value
        known = children(model)
        result: dict[str, Any] = {}
        for given, item in value.items():
            key = given
            if key not in known:
                key = self._other_key(model, given, path)
            if item is None or not key:
                continue
            child = known[key]
            result[key] = item if child is None else self._inside(child, item, (*path, given))
        return result

    def _inside(self, child: Child, item: Any, path: Path) -> Any:
        if child.holds == "one":
            return self._child(child, item, path)
        if child.holds == "list" and isinstance(item, list):
            return [self._child(child, one, (*path, index)) for index, one in enumerate(item)]
        if child.holds == "map" and isinstance(item, dict):
            return {key: self._child(child, one, (*path, key)) for key, one in item.items()}
        return item

    def _child(self, child: Child, item: Any, path: Path) -> Any:
        model = child.model(item)
        return item if model is None else self.shape(model, item, path)

    def _other_key(self, model: type[BaseModel], key: str, path: Path) -> str:
        """The key that is meant, or nothing."""
        if self.document.is_json:
            meant = _by_lower_case(model).get(key.lower())
            if meant:
                return meant
        self.keys((key,), children(model), path, model)
        return ""

    def keys(
        self, given: Iterable[str], known: Iterable[str], path: Path, model: type[BaseModel] | None = None
    ) -> None:
        """A problem for every given key that is not known, with the nearest that is."""
        choices = list(known)
        unread = model.unread if model is not None and issubclass(model, EdgeXModel) else frozenset()
        for key in given:
            if key in choices or key in unread or key.startswith("x-"):
                continue
            near = nearest(key, choices)
            hint = f"did you mean {near}?" if near else f"known here: {', '.join(choices)}"
            what = f"unknown key {key[:60]!r}, which is ignored; {hint}"
            if self.unknown == "error":
                what = f"unknown key {key[:60]!r}; {hint}"
            self._add((*path, key), what, self.unknown)


def _given(tree: Mapping[str, Any], key: str) -> bool:
    return tree.get(key) not in (None, "")


@lru_cache(maxsize=256)
def children(model: type[BaseModel]) -> Mapping[str, Child | None]:
    """Every key of a model, with the models it holds."""
    return {field.alias or name: _child(field) for name, field in model.model_fields.items()}


@lru_cache(maxsize=256)
def _by_lower_case(model: type[BaseModel]) -> Mapping[str, str]:
    return {key.lower(): key for key in children(model)}


def _child(field: FieldInfo) -> Child | None:
    alternatives = _alternatives(field.annotation)
    if models := tuple(filter(_is_model, alternatives)):
        return Child(models, "one")
    for annotation in alternatives:
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin is list and (models := _models(inner[0])):
            return Child(models, "list")
        if origin is dict and (models := _models(inner[1])):
            return Child(models, "map")
    return None


def _models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The model that is meant, or those that are told apart by their `kind`."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    found = _alternatives(annotation)
    return found if all(map(_is_model, found)) else ()


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _without_kinds(tree: Any, where: Path) -> Path:
    """The place in the document: pydantic also names the `kind` of what is told apart by it."""
    found: list[str | int] = []
    for key in where:
        if isinstance(tree, dict) and key not in tree and key == tree.get("kind"):
            continue
        found.append(key)
        inside = isinstance(tree, list) and isinstance(key, int) and key < len(tree)
        tree = tree[key] if inside else tree.get(key) if isinstance(tree, dict) else None
    return tuple(found)

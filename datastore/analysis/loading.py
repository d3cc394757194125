"""Rules out of gateway.yaml, out of requests, and as they are kept."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from datastore.analysis.finding import conflicts
from datastore.analysis.settings import AnyRule, Rule
from gateway.model.document import key_path
from gateway.model.errors import ConfigError, Problem
from gateway.model.near import nearest
from gateway.model.said import Path, each, several

_ONE: TypeAdapter[AnyRule] = TypeAdapter(Rule)
_KEYS: Mapping[str | int, list[str]] = {
    get_args(kind.model_fields["kind"].annotation)[0]: [one.alias or name for name, one in kind.model_fields.items()]
    for kind in get_args(AnyRule)
}
_TAGS = {(kind,) for kind in _KEYS}
_MANY: TypeAdapter[list[AnyRule]] = TypeAdapter(list[Rule])


def _told(error: ValidationError) -> Iterator[tuple[Path, str]]:
    """What is wrong, and of a key that is not known the one that was meant."""
    for path, what in each(error):
        near = nearest(str(path[-1]), _KEYS.get(path[-2], ())) if what.startswith("unknown key") else ""
        yield path, f"{what}; did you mean {near}?" if near else what


def rule_of(body: Any) -> AnyRule:
    """A rule of a request, or as it was kept. Raises ConfigError."""
    try:
        return _ONE.validate_python(body)
    except ValidationError as error:
        raise ConfigError([Problem(key_path(path[path[:1] in _TAGS :]), what) for path, what in _told(error)]) from None


def rules_of(given: list[Any]) -> list[AnyRule]:
    """Those of gateway.yaml, for a validator: raises what pydantic takes for errors of them."""
    try:
        rules = _MANY.validate_python(given)
    except ValidationError as error:
        raise several(list(_told(error))) from None
    wrong = conflicts(rules)
    if wrong:
        raise several([((index,), what) for index, what in wrong])
    return rules


def dumped(rule: AnyRule) -> dict[str, Any]:
    """JSON-able, with the keys people write and only those that differ from the defaults; `rule_of` takes it back."""
    return {"name": rule.name, "kind": rule.kind} | rule.model_dump(mode="json", by_alias=True, exclude_defaults=True)

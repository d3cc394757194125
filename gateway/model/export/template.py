"""A shape with places for words: text such as `plant/{device}`, or a JSON shape whose texts have such places.

Nothing is worked out: a place takes one word (`fields`), never an attribute, an index or a call. A text that is one
place alone takes the value as it is, number, list or object; inside a longer text it is written out.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import msgspec

from gateway.model.export.fields import known

PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""Braces around anything but one word are text."""
_json = msgspec.json.Encoder().encode
Fill = Callable[[Mapping[str, Any]], Any]


def words(template: Any) -> set[str]:
    """All words that a template uses."""
    return {word for text in _texts(template) for word in PLACE.findall(text)}


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, Mapping):
        for key, value in template.items():
            yield key
            yield from _texts(value)
    elif isinstance(template, list):
        for value in template:
            yield from _texts(value)


def fits(template: Any, choices: Collection[str]) -> None:
    """Raises ValueError for a word that there is not, with the nearest one."""
    for word in sorted(words(template)):
        known(word, choices)


def compiled(template: Any) -> Fill:
    """Fills the template with a record's fields; a word that this record has not (a message has no value) is null."""
    if isinstance(template, str):
        return _text(template)
    if isinstance(template, Mapping):
        parts = [(_text(key), compiled(value)) for key, value in template.items()]
        return lambda fields: {str(key(fields)): value(fields) for key, value in parts}
    if isinstance(template, list):
        items = [compiled(value) for value in template]
        return lambda fields: [item(fields) for item in items]
    return lambda _: template


def _text(text: str) -> Fill:
    whole = PLACE.fullmatch(text)
    if whole:
        word = whole[1]
        return lambda fields: fields.get(word)
    if not PLACE.search(text):
        return lambda _: text
    return lambda fields: PLACE.sub(lambda found: written(fields.get(found[1])), text)


def written(value: Any) -> str:
    """A value inside a text: text as it is, nothing for null, all else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else _json(value).decode()

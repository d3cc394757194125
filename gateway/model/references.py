"""`$(…)` where a profile wants a number.

A number field takes numbers only, here and in EdgeX's own programs, which refuse a whole answer for one text in such a
place. So a reference there is put aside, to `properties.optional.parameters.scale`, as soon as a profile is read: that
is free-form, and what REST shows is a profile that any EdgeX client can read. A file that we write has it in its place.
"""

from collections.abc import Mapping
from typing import Any

from gateway.model.expression import MARK

NUMBERS = ("minimum", "maximum", "mask", "shift", "scale", "offset", "base")
ASIDE = "parameters"
"""Key of `optional`."""


def lower(tree: Any) -> None:
    """Puts references of number fields aside, in the tree of a profile of which anything may be wrong."""
    resources = tree.get("deviceResources") if isinstance(tree, dict) else None
    for resource in resources if isinstance(resources, list) else ():
        properties = resource.get("properties") if isinstance(resource, dict) else None
        if not isinstance(properties, dict):
            continue
        found = {key: properties[key] for key in NUMBERS if is_reference(properties.get(key))}
        optional = properties.get("optional", {})
        if found and isinstance(optional, dict) and isinstance(optional.get(ASIDE, {}), dict):
            for key in found:
                del properties[key]
            properties["optional"] = {**optional, ASIDE: {**optional.get(ASIDE, {}), **found}}


def lift(resource: dict[str, Any]) -> None:
    """Puts them back, in the tree of a resource of a profile that has parameters. The tree is changed, and nothing
    that it was made of."""
    properties = resource["properties"]
    aside = properties.get("optional", {}).get(ASIDE)
    if not isinstance(aside, Mapping):
        return
    found = {key: text for key, text in aside.items() if key in NUMBERS and is_reference(text)}
    left = {key: value for key, value in aside.items() if key not in found}
    optional = {key: value for key, value in properties["optional"].items() if key != ASIDE or left}
    if left:
        optional[ASIDE] = left
    properties.pop("optional")
    properties.update(found)
    if optional:
        properties["optional"] = optional


def is_reference(value: Any) -> bool:
    """Whether a value is text with `$(` in it."""
    return isinstance(value, str) and MARK in value

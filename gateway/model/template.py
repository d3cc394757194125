"""One profile for many like devices: the profile as it is for one device, with the device's own values in it.

A device says under its `properties` what is its own: `parameters` are values for those of the profile, `overrides`
other attributes and properties for single resources. What comes out is a plain profile with the same resources and
commands.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from pydantic import ValidationError

from gateway.model.csvcell import json_text
from gateway.model.device import Device
from gateway.model.document import key_path
from gateway.model.dump import tree_of
from gateway.model.errors import ConfigError, Problem
from gateway.model.expression import MARK, Value, WrongExpression, inserted, written
from gateway.model.fields import EdgeXModel
from gateway.model.near import nearest
from gateway.model.parameters import FIXED, Path, expected, expressions, misused, rate, references, value_of
from gateway.model.profile import DeviceProfile, DeviceResource, ProfileEvent, ResourceProperties
from gateway.model.references import lift
from gateway.model.said import said, shown
from gateway.model.scalar import Plain, literal_text
from gateway.model.shaping import children

PARAMETERS = "parameters"
OVERRIDES = "overrides"
PLACE = f"properties.{PARAMETERS}"
OVERRIDABLE = ("attributes", "properties", "tags", "description")
M = TypeVar("M", bound=EdgeXModel)


@dataclass(frozen=True, slots=True)
class Own:
    """What is a device's own."""

    values: Mapping[str, Value]
    """Of every parameter of the profile."""
    given: frozenset[str]
    """Parameters that the device gives; the others have their default."""
    overrides: Mapping[str, Mapping[str, Any]]
    """Resource → what of it is other."""

    @property
    def key(self) -> str:
        """Equal for devices whose profiles are equal."""
        return json_text([dict(self.values), self.overrides])


class Template:
    """A profile, looked through for references once."""

    def __init__(self, profile: DeviceProfile) -> None:
        self.profile = profile

    @cached_property
    def _resources(self) -> dict[int, dict[str, Any]]:
        """The trees of the resources that have references, by place."""
        return {index: tree for index, tree in enumerate(map(_tree, self._all)) if self._uses(tree)}

    @cached_property
    def _commands(self) -> dict[int, dict[str, Any]]:
        trees = enumerate(map(tree_of, self.profile.device_commands))
        return {index: tree for index, tree in trees if self._uses(tree)}

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(resource.name for resource in self._all)

    @property
    def _all(self) -> list[DeviceResource]:
        return self.profile.device_resources

    def _uses(self, tree: dict[str, Any]) -> bool:
        return bool(self.profile.parameters) and next(references(tree), None) is not None

    # ---------------------------------------------------------------------------------------- what the device wants

    def own(self, device: Device) -> Own:
        """Raises ConfigError with everything wrong about it."""
        wrong: list[Problem] = []
        given = device.properties.get(PARAMETERS)
        values = self._values({} if given is None else given, wrong) if self.profile.parameters else {}
        overrides = self._overrides(device.properties.get(OVERRIDES), wrong)
        if wrong:
            raise ConfigError(wrong)
        own = given if isinstance(given, Mapping) else {}
        return Own(values, frozenset(name for name in values if own.get(name) is not None), overrides)

    def doubts(self, device: Device) -> list[Problem]:
        """Warnings about what the device says for nothing."""
        if self.profile.parameters or not isinstance(device.properties.get(PARAMETERS), Mapping):
            return []
        what = f"profile {self.profile.name} has no parameters; these mean nothing"
        return [Problem(PLACE, what, severity="warning")]

    def _values(self, given: Any, wrong: list[Problem]) -> dict[str, Value]:
        known, values = self.profile.parameters, dict[str, Value]()
        if not isinstance(given, Mapping):
            wrong.append(Problem(PLACE, f"expected a mapping such as {{{next(iter(known))}: …}}, got {shown(given)}"))
            return {}
        for name in [name for name in given if name not in known]:
            near = nearest(name, known)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
            wrong.append(Problem(f"{PLACE}.{name}", f"profile {self.profile.name} has no parameter {name}; {hint}"))
        for name, parameter in known.items():
            value = given.get(name)
            value = parameter.default_value if value is None else value
            if value is None:
                about = f" ({parameter.description})" if parameter.description else ""
                what = f"is required by profile {self.profile.name}{about}: {expected(parameter)}"
                wrong.append(Problem(f"{PLACE}.{name}", what))
                continue
            try:
                values[name] = value_of(parameter, value)
            except ValueError as error:
                wrong.append(Problem(f"{PLACE}.{name}", str(error)))
        return values

    def _overrides(self, given: Any, wrong: list[Problem]) -> Mapping[str, Mapping[str, Any]]:
        if given is None:
            return {}
        place = f"properties.{OVERRIDES}"
        if not isinstance(given, Mapping):
            what = f"expected such as {{Current: {{properties: {{scale: 0.01}}}}}}, got {shown(given)}"
            wrong.append(Problem(place, what))
            return {}
        for name, other in given.items():
            if name not in self._names:
                near = nearest(name, self._names)
                hint = f"; did you mean {near}?" if near else ""
                wrong.append(Problem(f"{place}.{name}", f"profile {self.profile.name} has no such resource{hint}"))
            else:
                wrong += [Problem(f"{place}.{name}{where}", what) for where, what in _not_overridable(other)]
        for path, text in references(given) if self.profile.parameters else ():
            wrong += [Problem(key_path((place, *path)), what) for what in self._not_known(text)]
        return given

    def _not_known(self, text: str) -> Iterator[str]:
        try:
            for part in expressions(text):
                yield from misused(self.profile, part)
        except WrongExpression as error:
            yield str(error)

    # ------------------------------------------------------------------------------------------------ what comes out

    def effective(self, own: Own) -> DeviceProfile:
        """The profile for a device: the template itself where there is nothing to put in. Raises ConfigError, at
        places of the profile, for what cannot be with these values."""
        if not self.profile.parameters and not own.overrides:
            return self.profile
        wrong: list[Problem] = []
        resources, commands = list(self._all), list(self.profile.device_commands)
        for index, tree in self._trees(own).items():
            made = _made(resources[index], tree, own, ("deviceResources", index), wrong)
            resources[index] = made if own.overrides else _sharing(made, resources[index])
        for index, tree in self._commands.items():
            commands[index] = _made(commands[index], tree, own, ("deviceCommands", index), wrong)
        changed = {"device_resources": resources, "device_commands": commands, PARAMETERS: {}}
        changed["auto_events"] = self._events(own, wrong) if self.profile.parameters else self.profile.auto_events
        if wrong:
            raise ConfigError(wrong)
        return self.profile.model_copy(update=changed)

    def _events(self, own: Own, wrong: list[Problem]) -> list[ProfileEvent]:
        """With the device's rates. What is wrong stands with the device's value: the defaults were checked before."""
        found = []
        for index, event in enumerate(self.profile.auto_events):
            try:
                found.append(event.model_copy(update={"interval": rate(event.interval, own.values)}))
            except ValueError as error:
                names = [name for part in expressions(event.interval) for name in part.names]
                name = next((name for name in names if name in own.given), names[0])
                what = f"{error} (autoEvents[{index}].interval of profile {self.profile.name})"
                wrong.append(Problem(f"{PLACE}.{name}", what))
        return found

    def origins(self, own: Own) -> dict[Path, str]:
        """Where the values that are not simply the profile's come from, by place in the profile, in plain words."""
        found: dict[Path, str] = {}
        for index, tree in self._trees(own).items():
            path: Path = ("deviceResources", index)
            texts = references(tree) if own.values else ()  # without parameters, `$(` is text like any other
            found |= {(*path, *where): self._said(text, own) for where, text in texts}
            for where in _leaves(own.overrides.get(self._all[index].name, {})):
                before = found.get((*path, *where))
                found[*path, *where] = "override of the device" + (f": {before}" if before else "")
        for index, tree in self._commands.items():
            found |= {("deviceCommands", index, *where): self._said(text, own) for where, text in references(tree)}
        for index, event in enumerate(self.profile.auto_events) if own.values else ():
            if MARK in event.interval:
                found["autoEvents", index, "interval"] = self._said(event.interval, own)
        return found

    def _trees(self, own: Own) -> dict[int, dict[str, Any]]:
        """The resources that are not simply the profile's, with overrides, before values are put in."""
        trees = dict(self._resources)
        for index, resource in enumerate(self._all) if own.overrides else ():
            other = own.overrides.get(resource.name)
            if other is not None:
                trees[index] = _merged(trees.get(index) or _tree(resource), other)
        return trees

    def _said(self, text: str, own: Own) -> str:
        names = dict.fromkeys(name for part in expressions(text) for name in part.names)
        return f"{text}: " + ", ".join(
            f"{name} {written(own.values[name])} ({'device' if name in own.given else 'default'})" for name in names
        )


def has_own(profile: DeviceProfile, device: Device) -> bool:
    """Whether the profile is not simply itself for the device."""
    return bool(profile.parameters) or device.properties.get(OVERRIDES) is not None


def by_default(profile: DeviceProfile) -> DeviceProfile | None:
    """The profile with the defaults of its parameters; None where one has none. Raises ConfigError."""
    if any(parameter.default_value is None for parameter in profile.parameters.values()):
        return None
    return effective(profile, Device(name="-"))


def effective(profile: DeviceProfile, device: Device) -> DeviceProfile:
    """The profile as it is for a device. Raises ConfigError."""
    template = Template(profile)
    return template.effective(template.own(device))


def _tree(resource: DeviceResource) -> dict[str, Any]:
    tree = tree_of(resource)
    lift(tree)
    return tree


def _not_overridable(given: Any) -> list[tuple[str, str]]:
    if not isinstance(given, Mapping):
        return [("", f"expected a mapping with {', '.join(OVERRIDABLE)}, got {shown(given)}")]
    found = []
    for key, value in given.items():
        if key not in OVERRIDABLE:
            found.append((f".{key}", f"expected one of {', '.join(OVERRIDABLE)}{FIXED}"))
        elif key != "description" and not isinstance(value, Mapping):
            found.append((f".{key}", f"expected a mapping, got {shown(value)}"))
    known = children(ResourceProperties).keys()
    properties = given.get("properties")
    for key in properties if isinstance(properties, Mapping) else ():
        if key in ("valueType", "readWrite"):
            found.append((f".properties.{key}", f"cannot be overridden{FIXED}"))
        elif key not in known:
            near = nearest(key, known)
            hint = f"did you mean {near}?" if near else f"known here: {', '.join(known)}"
            found.append((f".properties.{key}", f"unknown key {key[:60]!r}; {hint}"))
    return found


def _merged(tree: Any, other: Any) -> Any:
    """The tree with what is other; null takes a key away."""
    if not isinstance(other, Mapping):
        return other if isinstance(other, str | list) else Plain(literal_text(other))
    found = dict(tree) if isinstance(tree, Mapping) else {}
    for key, value in other.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _merged(found.get(key), value)
    return found


def _leaves(tree: Any, path: Path = ()) -> list[Path]:
    if not isinstance(tree, Mapping):
        return [path]
    return [leaf for key, value in tree.items() for leaf in _leaves(value, (*path, key))]


def _filled(tree: Any, values: Mapping[str, Value]) -> Any:
    """The tree with values for its references. Raises WrongExpression."""
    kind = type(tree)
    if kind is dict:
        return {key: _filled(value, values) for key, value in tree.items()}
    if kind is list:
        return [_filled(value, values) for value in tree]
    return inserted(tree, values) if kind is str and MARK in tree else tree


def _not_filled(tree: Any, values: Mapping[str, Value]) -> Iterator[tuple[Path, str]]:
    for where, text in references(tree):
        try:
            inserted(text, values)
        except WrongExpression as error:
            yield where, str(error)


def _sharing(made: DeviceResource, of: DeviceResource) -> DeviceResource:
    """With the properties of the template's resource where they are the same: many devices have many resources."""
    return made.model_copy(update={"properties": of.properties}) if made.properties == of.properties else made


def _made(model: M, tree: dict[str, Any], own: Own, path: Path, wrong: list[Problem]) -> M:
    """The model of a tree with the device's values; the given one and a problem where it cannot be."""
    try:
        filled = _filled(tree, own.values) if own.values else tree
        return type(model).model_validate(filled)
    except WrongExpression:
        wrong += [Problem(key_path((*path, *where)), what) for where, what in _not_filled(tree, own.values)]
    except ValidationError as error:
        for one in error.errors(include_url=False):
            where, what = said(one)
            wrong.append(Problem(key_path((*path, *where)), what))
    return model

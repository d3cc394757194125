"""Methods: what they take and give, asked of the server once a connection, and calling them (Part 4, 5.12)."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.uaprotocol_auto import Argument  # what is decoded; ua.Argument is a child of it

from gateway.model.errors import CommandRejected, DeviceError, NoAnswer, NotConnected
from gateway.model.profile import ValueType
from gateway.model.reading import Quality, refused
from mappers.opcua import status
from mappers.opcua.address import At, Step
from mappers.opcua.codec import limits
from mappers.opcua.codec.learn import good, learn, learn_wanted, referenced
from mappers.opcua.codec.natural import Misfit
from mappers.opcua.codec.structure import Structure
from mappers.opcua.codec.values import Decode, json_of
from mappers.opcua.codec.variants import ANY, Target, takes, variant
from mappers.opcua.point import Point, at_text
from mappers.opcua.session import Session
from mappers.opcua.session.paths import followed

V = ua.VariantType
ARGUMENTS = ("InputArguments", "OutputArguments")
"""Properties of a method; one that takes or gives nothing may lack them (Part 3, 5.7)."""


class Signature(NamedTuple):
    """Of one method."""

    inputs: tuple[Target, ...]
    outputs: tuple[str, ...]
    """Names."""


@dataclass(frozen=True, slots=True)
class Call:
    """One that is ready to be sent."""

    point: Point
    request: ua.CallMethodRequest
    signature: Signature


class Methods:
    """Of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[ua.NodeId, Signature] = {}
        self._named: dict[tuple[ua.NodeId, Step], ua.NodeId] = {}
        """By object and name."""
        self._of: object = None
        """The connection they are known of: its namespaces, which are read anew at each."""

    async def by_texts(self, point: Point) -> Call:
        """With the arguments of `inputMap`. Raises NotConnected, NoAnswer, DeviceError, CommandRejected."""
        ready = await self._ready(point)
        wanted = ready.signature.inputs
        if len(point.inputs) != len(wanted):
            raise CommandRejected(422, f"{point.name}: inputMap has {len(point.inputs)} values; {_takes(wanted)}")
        texts = zip(wanted, point.inputs, strict=True)
        return self._with(ready, [_read(target, text) for target, text in texts])

    async def by_value(self, point: Point, value: Any) -> Call:
        """With what is written: an object by the names of arguments, or the value of the only one; of a method that
        takes nothing true or an empty object. Raises as `by_texts`."""
        ready = await self._ready(point)
        return self._with(ready, _arguments(point.name, ready.signature.inputs, value))

    async def read(self, point: Point) -> tuple[Any, Quality | None]:
        """Calls it as EdgeX does: what it gives first, or what is wrong with it. Raises NotConnected, NoAnswer."""
        try:
            return await self.run(await self.by_texts(point)), None
        except DeviceError as error:
            return None, refused(error.code)
        except CommandRejected as error:
            return None, Quality("bad", "config", str(error))
        except Misfit as misfit:
            return None, misfit.quality

    async def run(self, call: Call) -> Any:
        """Calls it; what it gives, as the resource's value type has it: an object by the names of its outputs, or the
        first one. None: it gives nothing. Raises NotConnected, NoAnswer, DeviceError; Misfit."""

        async def work(to: UaSession) -> Sequence[ua.CallMethodResult]:
            return await to.call([call.request])

        answers = await self._session.ask(work)
        if len(answers) != 1:
            raise DeviceError("", f"{call.point.name}: {len(answers)} answers to one call", _text(call.point))
        answer = answers[0]
        if answer.StatusCode.is_bad():
            self._named.clear()  # it may have been made anew
            raise self._refusal(call, answer)
        found = self._given(call, answer.OutputArguments or [])
        with suppress(NoAnswer, NotConnected):  # the call itself was answered
            while await learn_wanted(self._session.types, self._session):
                found = self._given(call, answer.OutputArguments or [])
        return found

    def _given(self, call: Call, outputs: Sequence[ua.Variant]) -> Any:
        types, point = self._session.types, call.point
        if not outputs:
            if not point.writes:
                raise Misfit(Quality("bad", "config", "the method gives nothing back; make readWrite W"))
            return None
        if point.value_type is ValueType.OBJECT and not point.field:
            names = [*call.signature.outputs, *(f"Output{n}" for n in range(len(call.signature.outputs), len(outputs)))]
            return {name: json_of(one, types) for name, one in zip(names, outputs, strict=False)}
        return Decode(point.value_type, point.field, types)(outputs[0])

    def _refusal(self, call: Call, answer: ua.CallMethodResult) -> DeviceError:
        name = status.name_of(answer.StatusCode.value)
        wrong = [
            f"{target.name} ({status.name_of(code.value)})"
            for target, code in zip(call.signature.inputs, answer.InputArgumentResults or (), strict=False)
            if not code.is_good()
        ]
        what = f"{status.said(name, called=True)}{': ' + ', '.join(wrong) if wrong else ''}"
        return DeviceError(name, f"{call.point.name}: {what}", _text(call.point))

    def _with(self, ready: Call, values: Sequence[Any]) -> Call:
        """Encoded as the server says."""
        pairs = zip(ready.signature.inputs, values, strict=True)
        ready.request.InputArguments = [
            variant(self._session.types, replace(target, name=f"{ready.point.name}, {target.name}"), value)
            for target, value in pairs
        ]
        return ready

    async def _ready(self, point: Point) -> Call:
        """Without its arguments."""
        assert point.method is not None
        assert point.at is not None
        if self._of is not self._session.namespaces:
            self._known.clear()
            self._named.clear()
            self._of = self._session.namespaces
        on = _placed(point, point.at, (await self._session.resolve([point.at]))[point.at])
        if isinstance(point.method, Step):
            method = await self._by_name(point, on, point.method)
        else:
            method = _placed(point, point.method, (await self._session.resolve([point.method]))[point.method])
        return Call(point, ua.CallMethodRequest(on, method, []), await self._signature(method))

    async def _by_name(self, point: Point, on: ua.NodeId, named: Step) -> ua.NodeId:
        """The object's own method, else its type's, or that of a type above it: methods are inherited, and those of a
        type may be called on its objects (Part 4, 5.12.2). Raises NotConnected, NoAnswer, DeviceError."""
        name = self._session.namespaces.name(named)
        if isinstance(name, Quality):
            return _placed(point, named, name)
        owner, way = on, (ua.ObjectIds.HasTypeDefinition, False)
        for _ in range(limits.LEVELS):
            if (on, named) in self._named:
                break
            (found,) = await followed(self._session, [(owner, ua.ObjectIds.HasComponent, name)])
            if found is not None:
                self._named[on, named] = found
                break
            reference, inverse = way
            (above,) = await referenced(self._session, [owner], reference, inverse=inverse)
            if not above:
                break
            owner, way = above[0], (ua.ObjectIds.HasSubtype, True)
        return self._named.get((on, named)) or _placed(point, named, refused("BadMethodInvalid"))

    async def _signature(self, method: ua.NodeId) -> Signature:
        if method not in self._known:
            self._known[method] = await self._asked(method)
        return self._known[method]

    async def _asked(self, method: ua.NodeId) -> Signature:
        """Raises NotConnected, NoAnswer."""

        found: dict[str, list[Argument]] = {name: [] for name in ARGUMENTS}
        places = await followed(
            self._session, [(method, ua.ObjectIds.HasProperty, ua.QualifiedName(name)) for name in ARGUMENTS]
        )
        there = {name: place for name, place in zip(ARGUMENTS, places, strict=True) if place is not None}
        values = await self._session.read(list(there.values()))
        found |= {name: _listed(good(value)) for name, value in zip(there, values, strict=True)}
        inputs, outputs = (found[name] for name in ARGUMENTS)
        await learn(self._session.types, self._session, [one.DataType for one in inputs])
        kinds = self._session.types.kinds
        return Signature(
            tuple(
                Target(str(one.Name or n + 1), kinds[one.DataType], one.ValueRank, tuple(one.ArrayDimensions or ()))
                for n, one in enumerate(inputs)
            ),
            tuple(str(one.Name or f"Output{n}") for n, one in enumerate(outputs)),
        )


def _listed(value: Any) -> list[Argument]:
    return [one for one in value if isinstance(one, Argument)] if isinstance(value, list) else []


def _placed(point: Point, at: At | Step, found: ua.NodeId | Quality) -> ua.NodeId:
    if isinstance(found, Quality):
        raise DeviceError(
            found.code, f"{point.name}, {at_text(at)}: {status.said(found.code, called=True)}", _text(point)
        )
    return found


def _read(target: Target, text: str) -> Any:
    """A list or a structure, from its JSON; also where one may stand."""
    parts = isinstance(target.kind, Structure) or target.kind in (V.ExtensionObject, V.DataValue)
    may_have = text.lstrip()[:1] in ("[", "{") and (target.rank < -1 or target.kind in ANY)
    if target.rank < 0 and not (parts or may_have):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _arguments(name: str, wanted: Sequence[Target], value: Any) -> list[Any]:
    """In the order of the method. Raises CommandRejected (422)."""
    if not wanted:
        if value is True or value == {}:
            return []
        raise CommandRejected(422, f"{name}: the method takes nothing; write true, or an empty object")
    names = [target.name for target in wanted]
    if isinstance(value, Mapping) and (len(wanted) > 1 or names[0] in value):
        if set(value) == set(names):
            return [value[one] for one in names]
        raise CommandRejected(422, f"{name}: {_takes(wanted)}, not {', '.join(map(str, value))[:200] or 'nothing'}")
    if len(wanted) > 1:
        raise CommandRejected(422, f"{name}: {_takes(wanted)}: write an object with each by its name")
    return [value]


def _takes(wanted: Sequence[Target]) -> str:
    named = ", ".join(f"{target.name} ({takes(target)})" for target in wanted)
    return f"the method takes {named or 'nothing'}"


def _text(point: Point) -> str:
    assert point.method is not None
    return f"Call {at_text(point.method)}"

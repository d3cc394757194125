"""Where nodes are on the server of one connection: ids that follow their namespaces, and browse paths."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from asyncua import ua
from asyncua.client.ua_session import UaSession

from gateway.model.contracts import Clock
from gateway.model.errors import DeviceError
from gateway.model.reading import Quality
from mappers.opcua import status
from mappers.opcua.address import At, NodeRef, Step
from mappers.opcua.session.names import node_id

if TYPE_CHECKING:
    from mappers.opcua.session.session import Session

AGAIN_S = 30.0
"""A path that leads nowhere is followed again after so long."""


class Paths:
    """Of one connection. Ids cost nothing; paths are followed once, in batches (Part 4, 5.9.4)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[At, ua.NodeId | Quality] = {}
        self._until: dict[At, float] = {}
        """Until when a path that leads nowhere is not followed again."""

    def forget(self, at: At) -> None:
        if not isinstance(at, NodeRef):
            self._found.pop(at, None)

    async def resolve(self, session: "Session", places: Sequence[At]) -> Mapping[At, ua.NodeId | Quality]:
        """Raises NotConnected, NoAnswer."""
        found = self._found
        now = self._clock.monotonic()
        paths: dict[tuple[Step, ...], ua.BrowsePath] = {}
        for at in places:
            if at in found and now < self._until.get(at, now + 1):
                continue
            if isinstance(at, NodeRef):
                found[at] = session.namespaces.node_id(at)
            elif isinstance(path := _path(session, at), Quality):
                found[at] = path
            else:
                paths[at] = path
        if paths:
            await self._follow(session, paths, now)
        return found

    async def _follow(self, session: "Session", paths: dict[tuple[Step, ...], ua.BrowsePath], now: float) -> None:
        async def work(asked: UaSession, part: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
            return await asked.translate_browsepaths_to_nodeids(part)

        try:
            answers = await session.in_batches("translate", list(paths.values()), work)
        except DeviceError as error:  # a server may lack the service
            code: Any = getattr(ua.StatusCodes, error.code, ua.StatusCodes.Bad)
            answers = [ua.BrowsePathResult(StatusCode=ua.StatusCode(code))] * len(paths)
        for at, answer in zip(paths, answers, strict=True):
            result = _target(answer)
            self._found[at] = result
            if isinstance(result, Quality):
                self._until[at] = now + AGAIN_S
            else:
                self._until.pop(at, None)


def _path(session: "Session", steps: tuple[Step, ...]) -> ua.BrowsePath | Quality:
    path = ua.BrowsePath(StartingNode=node_id(ua.ObjectIds.ObjectsFolder))
    for one in steps:
        name = session.namespaces.name(one)
        if isinstance(name, Quality):
            return name
        path.RelativePath.Elements.append(step(ua.ObjectIds.HierarchicalReferences, name))
    return path


def step(reference: int, name: ua.QualifiedName) -> ua.RelativePathElement:
    """Along a kind of references, or kinds below it, to a node of this name."""
    return ua.RelativePathElement(
        ReferenceTypeId=node_id(reference),
        IsInverse=cast(ua.Boolean, False),
        IncludeSubtypes=cast(ua.Boolean, True),
        TargetName=name,
    )


async def followed(
    session: "Session", steps: Sequence[tuple[ua.NodeId, int, ua.QualifiedName]]
) -> list[ua.NodeId | None]:
    """One step each, from a node along a kind of references to a name; None where there is none. Raises NotConnected,
    NoAnswer."""

    async def work(asked: UaSession, part: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
        return await asked.translate_browsepaths_to_nodeids(part)

    paths = [ua.BrowsePath(node, ua.RelativePath([step(reference, name)])) for node, reference, name in steps]
    try:
        answers = await session.in_batches("translate", paths, work)
    except DeviceError:  # a server may lack the service
        return [None] * len(steps)
    return [
        node_id(answer.Targets[0].TargetId.Identifier, answer.Targets[0].TargetId.NamespaceIndex)
        if answer.StatusCode.is_good() and answer.Targets
        else None
        for answer in answers
    ]


def _target(answer: ua.BrowsePathResult) -> ua.NodeId | Quality:
    """The node; a target with steps left lies on another server."""
    wrong = status.quality(answer.StatusCode.value)
    if wrong is not None:
        return wrong
    whole = [target for target in answer.Targets if target.RemainingPathIndex == 0xFFFFFFFF]
    if len(whole) != 1:
        return status.quality(ua.StatusCodes.BadTooManyMatches if whole else ua.StatusCodes.BadNoMatch) or Quality(
            "bad"
        )
    target = whole[0].TargetId
    return node_id(target.Identifier, target.NamespaceIndex)

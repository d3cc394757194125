"""Monitored items: what is asked of the server for one node, and what it made of it (Part 4, 5.13.2 and 7.21)."""

import math
from dataclasses import dataclass, field

from asyncua import ua

from mappers.opcua.address import Deadband, Trigger
from mappers.opcua.point import Point

FASTEST_S = 0.01
"""What a sampling interval of nought (as fast as the server can) is counted as."""
LONGEST_QUEUE = 1000
EVENT_QUEUE = 1000
"""Events the server keeps between two notifications."""
_TRIGGERS = {
    "status": ua.DataChangeTrigger.Status,
    "value": ua.DataChangeTrigger.StatusValue,
    "timestamp": ua.DataChangeTrigger.StatusValueTimestamp,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. Equal wishes share an item."""

    node: ua.NodeId
    sampling: float
    """Seconds; nought: as fast as the server can."""
    interval: float = 1.0
    """At which it is told at the latest, in seconds."""
    queue: int | None = None
    """None: as many as fall into an interval, and one."""
    deadband: Deadband | None = None
    trigger: Trigger = "value"
    events: ua.EventFilter | None = field(default=None, hash=False, compare=False)
    """Not values but events of the node."""
    owner: int = 0
    """What tells wishes for events apart; 0 for values."""

    @classmethod
    def of(cls, point: Point, node: ua.NodeId, interval: float) -> "Wish":
        """For the values of a resource; `interval`: of its poll, in seconds."""
        sampling = interval if point.sampling is None else point.sampling
        return cls(node, sampling, interval, point.queue, point.deadband, point.trigger)

    def request(self, handle: int, publishing: float) -> ua.MonitoredItemCreateRequest:
        """`publishing`: the interval of the subscription, in seconds."""
        parameters = ua.MonitoringParameters(
            ClientHandle=handle,
            SamplingInterval=self.sampling * 1000,
            QueueSize=self._queue(publishing),
            DiscardOldest=True,
        )
        if (wanted := self._filter()) is not None:
            parameters.Filter = wanted
        attribute = ua.AttributeIds.Value if self.events is None else ua.AttributeIds.EventNotifier
        node = ua.ReadValueId(NodeId=self.node, AttributeId=attribute)
        return ua.MonitoredItemCreateRequest(node, ua.MonitoringMode.Reporting, parameters)

    def _queue(self, publishing: float) -> int:
        if self.events is not None:
            return EVENT_QUEUE
        if self.queue is not None:
            return self.queue
        values = max(self.interval, publishing) / max(self.sampling, FASTEST_S)
        return min(LONGEST_QUEUE, math.ceil(values - 1e-9) + 1)

    def _filter(self) -> ua.DataChangeFilter | ua.EventFilter | None:
        if self.events is not None:
            return self.events
        if self.deadband is None and self.trigger == "value":
            return None
        kind = ua.DeadbandType.None_
        if self.deadband is not None:
            kind = ua.DeadbandType.Percent if self.deadband.percent else ua.DeadbandType.Absolute
        return ua.DataChangeFilter(_TRIGGERS[self.trigger], kind, self.deadband.value if self.deadband else 0.0)


@dataclass(slots=True, eq=False)
class Item:
    """One monitored item."""

    wish: Wish
    handle: int
    """Ours; the server says it with every value."""
    id: int = 0
    """The server's; 0: it has none such."""
    refusal: str = ""
    """Why not, as the name of a status code; empty: it is watched, or not asked for yet."""
    sampling: float = 0.0
    """Revised by the server; seconds."""

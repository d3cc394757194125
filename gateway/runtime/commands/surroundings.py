"""What the command road touches, in one place."""

import logging
from dataclasses import dataclass

from gateway.model.contracts import Clock, Lanes, Publish, Registry, State, Store
from gateway.model.errors import StoreFailed
from gateway.model.profile import Compat
from gateway.model.reading import Message
from gateway.runtime.alarms import Alarms
from gateway.runtime.twin.store import TwinStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Given by `gateway.app`."""

    registry: Registry
    lanes: Lanes
    twins: TwinStore
    state: State
    store: Store
    publish: Publish
    alarms: Alarms
    clock: Clock
    compat: Compat = Compat.NONE
    session: str = ""
    """Of this start; part of desired acknowledgements."""

    async def tell(self, message: Message) -> None:
        """Sends a message up; in the journal, on disk, when it returns. While the disk refuses it goes up all the
        same: the journal raises that alarm."""
        self.publish([message])
        try:
            await self.store.commit()
        except StoreFailed as error:
            log.error("A %s of %s is not on disk: %s", message.kind, message.device, error)

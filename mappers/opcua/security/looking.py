"""What a server shows, before anybody trusts it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from gateway.model.device import Device
from gateway.model.errors import NotConnected
from mappers.opcua.endpoint import KEY, Endpoint, reach
from mappers.opcua.security import papers
from mappers.opcua.security.checks import Wanted, faults, remarks
from mappers.opcua.security.choice import Offer, best, offers
from mappers.opcua.security.papers import Papers
from mappers.opcua.session.reaching import refused
from mappers.opcua.session.wire import BoundedClient


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server shows on its best endpoint, whoever trusts it."""

    url: str
    papers: Papers
    offer: Offer
    faults: tuple[str, ...]
    """See `checks.faults`."""
    remarks: tuple[str, ...]


async def look_at(url: str, timeout: float, now: datetime) -> Shown | None:
    """None: it shows no certificate. `timeout`: seconds. Raises ConfigError for what is no such URL; NotConnected."""
    asked = _asked(url, timeout)
    client = BoundedClient(asked.url, timeout)
    try:
        offered = [offer for offer in offers(await client.connect_and_get_server_endpoints()) if offer.certificate]
    except Exception as error:
        raise NotConnected(refused(asked, client, error)) from error
    finally:
        await asyncio.sleep(0)  # the transport closes in the loop's next turn
    offer = best(asked, [one for one in offered if one.policy != "None"]) or next(iter(offered), None)
    if offer is None:
        return None
    try:
        shown = papers.read(offer.certificate)
    except ValueError as error:
        raise NotConnected(f"{asked.url} shows what is no certificate: {error}") from None
    wrong = faults(shown, Wanted(offer.policy, offer.application_uri, now))
    return Shown(asked.url, shown, offer, tuple(wrong), tuple(remarks(shown, asked.url)))


def _asked(url: str, timeout: float) -> Endpoint:
    given = {"Endpoint": url, "Timeout": f"{timeout}s"}
    found = reach(Device(name="server", profile_name="server", protocols={KEY: given}))[0].settings
    assert isinstance(found, Endpoint)
    return found

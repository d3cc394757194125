"""Certificates that end soon are told in time, once (ask 25)."""

import asyncio
from dataclasses import replace

import pytest

from gateway.model.certificate import Certificate
from gateway.model.errors import ConfigError
from gateway.model.reading import Batch, Message
from gateway.runtime.alarms import Alarms
from gateway.runtime.certificates import DAY_NS, CertificateWatch, days_left
from tests.support.clock import MovingClock

OWN = Certificate("device-opcua", "own", "AB" * 20, "CN=us", "urn:us", (), 0, 0, file="data/pki/own/certificate.der")
THEIRS = replace(OWN, standing="trusted", thumbprint="CD" * 20, subject="CN=press", shown_by="opc.tcp://press:4840")


class Protocol:
    """Fulfils Trusts."""

    def __init__(self, *found: Certificate) -> None:
        self.found = list(found)
        self.broken = False

    def certificates(self) -> list[Certificate]:
        if self.broken:
            raise ConfigError("our own certificate cannot be read")
        return self.found

    def trust(self, thumbprint: str) -> Certificate:
        raise NotImplementedError

    distrust = trust


@pytest.fixture
def told() -> list[tuple[str, float | None, str]]:
    return []


@pytest.fixture
def alarms(clock: MovingClock, told: list[tuple[str, float | None, str]]) -> Alarms:
    def publish(batch: Batch) -> None:
        told.extend(
            (one.body["state"], one.body["value"], one.body["why"]) for one in batch if isinstance(one, Message)
        )

    return Alarms(publish, clock)


def in_days(clock: MovingClock, days: float, certificate: Certificate = OWN) -> Certificate:
    return replace(certificate, not_after=clock.now() + round(days * DAY_NS))


async def test_it_is_told_sixty_days_before_and_again_when_it_has_ended(
    clock: MovingClock, alarms: Alarms, told: list[tuple[str, float | None, str]]
) -> None:
    protocol = Protocol(in_days(clock, 61))
    watch = CertificateWatch(lambda: [protocol, object()], clock, alarms)
    running = asyncio.create_task(watch.run())
    await clock.advance(23 * 3600)
    assert told == []
    await clock.advance(2 * 3600)
    assert [(state, left) for state, left, _ in told] == [("raised", 59)]
    assert "our own certificate data/pki/own/certificate.der (ABAB" in told[0][2]
    assert "delete data/pki/own and one is made" in told[0][2]
    assert "ends on 2026-01-" in told[0][2]
    for _ in range(61):
        await clock.advance(86_400)
    assert [(state, left) for state, left, _ in told] == [("raised", 59), ("raised", -1)], "once, not every day"
    assert "ended on" in told[1][2]
    protocol.found = [in_days(clock, 3650)]
    await clock.advance(3600)
    assert told[2][0] == "cleared"
    running.cancel()
    await asyncio.wait([running])


def test_those_that_servers_show_count_and_others_do_not(
    clock: MovingClock, alarms: Alarms, told: list[tuple[str, float | None, str]]
) -> None:
    protocol = Protocol(
        in_days(clock, 5, replace(THEIRS, standing="refused")),
        in_days(clock, 5, replace(THEIRS, shown_by="")),
        in_days(clock, 600),
    )
    watch = CertificateWatch(lambda: [protocol], clock, alarms)
    watch.look()
    assert told == [], "nobody shows them, or nobody believes them"
    protocol.found.append(in_days(clock, 7, THEIRS))
    watch.look()
    assert [(state, left) for state, left, _ in told] == [("raised", 7)]
    assert "the certificate of opc.tcp://press:4840 (CN=press, CDCD" in told[0][2]
    protocol.found.append(in_days(clock, 3))
    watch.look()
    assert told[1][1] == 3, "the first to end"
    assert "; " in told[1][2]


def test_a_clock_that_may_be_wrong_says_nothing(
    clock: MovingClock, alarms: Alarms, told: list[tuple[str, float | None, str]]
) -> None:
    clock.trust = False
    watch = CertificateWatch(lambda: [Protocol(in_days(clock, 1))], clock, alarms)
    watch.look()
    assert told == []
    clock.trust = True
    watch.look()
    assert len(told) == 1


def test_what_cannot_be_read_hinders_no_other(
    clock: MovingClock, alarms: Alarms, told: list[tuple[str, float | None, str]]
) -> None:
    broken = Protocol()
    broken.broken = True
    CertificateWatch(lambda: [broken, Protocol(in_days(clock, 1))], clock, alarms).look()
    assert len(told) == 1


def test_days_are_whole(clock: MovingClock) -> None:
    assert [days_left(in_days(clock, days), clock.now()) for days in (1.9, 0.1, -0.1, -1.1)] == [1, 0, -1, -2]

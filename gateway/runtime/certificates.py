"""Certificates end on a day that is known long before: an alarm says so while there is time."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.model.abilities import Trusts
from gateway.model.certificate import Certificate
from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError
from gateway.runtime.alarms import Alarms

ALARM: Final = "certificate-ends"
SOON_DAYS = 60
LOOK_S = 3600.0
DAY_NS = 86_400_000_000_000


def days_left(certificate: Certificate, now: int) -> int:
    """Whole days; negative: so many since it ended. `now`: ns UTC."""
    return (certificate.not_after - now) // DAY_NS


class CertificateWatch:
    """Raises the alarm `certificate-ends` while our own certificate, or a trusted one that a device's server shows,
    ends within 60 days or has ended; once for the same certificates. Clears it when none does."""

    def __init__(self, protocols: Callable[[], Iterable[Any]], clock: Clock, alarms: Alarms) -> None:
        """`protocols`: those in use."""
        self._protocols, self._clock, self._alarms = protocols, clock, alarms
        self._told = ""

    async def run(self) -> None:
        """Looks every hour until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(LOOK_S)

    def look(self) -> None:
        """Nothing is said by a clock that may be wrong."""
        if not self._clock.trusted():
            return
        now = self._clock.now()
        ending = sorted(self._ending(now), key=lambda found: found[0])
        said = "; ".join(words for _, words in ending)
        if said == self._told:
            return
        if said:
            self._alarms.tell(ALARM, "raised", said, float(ending[0][0]))
        else:
            self._alarms.tell(ALARM, "cleared", "no certificate ends soon")
        self._told = said

    def _ending(self, now: int) -> Iterable[tuple[int, str]]:
        """Days left, and what it is."""
        for protocol in self._protocols():
            try:
                certificates = protocol.certificates() if isinstance(protocol, Trusts) else ()
            except ConfigError:  # whoever connects says so
                continue
            for certificate in certificates:
                left = days_left(certificate, now)
                if left < SOON_DAYS and (certificate.standing == "own" or _in_use(certificate)):
                    yield left, _words(certificate, now)


def _in_use(certificate: Certificate) -> bool:
    return certificate.standing == "trusted" and bool(certificate.shown_by)


def _words(certificate: Certificate, now: int) -> str:
    """The same every day, so that it is told once before it ends and once when it has ended."""
    if certificate.standing == "own":
        whose = f"our own certificate {certificate.file} ({certificate.thumbprint})"
        folder = Path(certificate.file).parent
        advice = f"put a new one there, or delete {folder} and one is made; then have the servers trust that"
    else:
        whose = f"the certificate of {certificate.shown_by} ({certificate.subject}, {certificate.thumbprint})"
        advice = "have the server's renewed"
    verb = "ended" if certificate.not_after < now else "ends"
    return f"{whose} {verb} on {_date(certificate.not_after)}: {advice}"


def _date(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%d}"

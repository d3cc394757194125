"""What goes to the disk, of gateway and keeper together: counted on over restarts of either."""

from datastore.history.catalog import Catalog
from datastore.history.outlook import written_bytes

SAVED_S = 3600.0
"""The catalog learns of it so often; to write it oftener would be wear itself."""
LONG_MS = 30 * 86_400_000
"""Beyond this both halve, so that what was long ago fades."""


class Wear:
    """Bytes, and the time in which they were written. Raises sqlite3.Error."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.bytes, self.ms = catalog.state("written"), catalog.state("watched_ms")
        self._before: tuple[float, int, int] | None = None
        self._saved_at = 0.0

    def told(self, at: float, gateway: int) -> None:
        """`at`: the gateway's monotonic time; `gateway`: what its process has written until then."""
        own = written_bytes()
        if self._before is not None:
            then, gateways, ours = self._before
            self.ms += round((at - then) * 1000)
            self.bytes += gateway - gateways + own - ours
        else:
            self._saved_at = at
        self._before = at, gateway, own
        if self.ms > LONG_MS:
            self.bytes, self.ms = self.bytes // 2, self.ms // 2
        if at - self._saved_at >= SAVED_S:
            self._saved_at = at
            self.save()

    def save(self) -> None:
        with self._catalog.change():
            self._catalog.note("written", self.bytes)
            self._catalog.note("watched_ms", self.ms)

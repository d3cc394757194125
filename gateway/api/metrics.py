"""`/metrics` for Prometheus, made when somebody asks; nothing is counted here."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import Response

from gateway.api.parts import House, Parts
from gateway.model.device import Flow

if TYPE_CHECKING:
    from prometheus_client.core import Metric

router = APIRouter()
PREFIX = "southgate_"


@router.get("/metrics")
async def metrics(parts: House) -> Response:
    """Counters and gauges in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_LATEST

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(parts))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/metrics/values")
async def values(parts: House) -> Response:
    """The newest value of every resource that is a number or a truth value, for Prometheus; which device, resource and
    units are labels. A value that is bad or stale has no sample, and `southgate_value_good` 0."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_LATEST

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Values(parts))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Values:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def describe(self) -> list["Metric"]:
        return []

    def collect(self) -> Iterator["Metric"]:
        numbers: list[Row] = []
        good: list[Row] = []
        times: list[Row] = []
        for device in self._parts.twins.devices():
            units = _units(self._parts, device)
            for row in self._parts.last(device):
                known = row.value if row.value is not None else row.last_good
                if not isinstance(known, int | float):
                    continue
                is_good = row.quality.level != "bad" and row.freshness != "stale" and row.value is not None
                good.append(((device, row.resource), float(is_good)))
                if row.origin:
                    times.append(((device, row.resource), row.origin / 1e9))
                if is_good:
                    numbers.append(((device, row.resource, units.get(row.resource, "")), float(row.value)))
        keys = ("device", "resource")
        yield _gauge("value", "Newest value", (*keys, "units"), numbers)
        yield _gauge("value_good", "1 while the newest value can be trusted", keys, good)
        yield _gauge("value_timestamp_seconds", "When the newest good value was read", keys, times)


def _units(parts: Parts, device: str) -> dict[str, str]:
    planned = parts.registry.planned.get(device)
    if planned is None:
        return {}
    return {one.name: one.properties.units for one in planned.profile.device_resources}


class _Collector:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def describe(self) -> list["Metric"]:
        return []

    def collect(self) -> Iterator["Metric"]:
        yield from _gateway(self._parts)
        yield from _devices(self._parts)
        yield from _lanes(self._parts)
        yield from _flows(self._parts)
        yield from _journal(self._parts)
        yield from _history(self._parts)
        yield from _consumers(self._parts)
        yield from _rules(self._parts)


Row = tuple[tuple[str, ...], float]


def _gauge(name: str, text: str, labels: tuple[str, ...], rows: Iterable[Row]) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], rows: Iterable[Row]) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _gateway(parts: Parts) -> Iterator["Metric"]:
    yield _gauge("info", "Name and version", ("name", "version"), [((parts.name, parts.version), 1)])
    yield _gauge("healthy", "1 while values flow", (), [((), float(parts.health().healthy))])
    yield _gauge("clock_trusted", "1 while wall time is trusted", (), [((), float(parts.clock.trusted()))])
    for name, value in sorted(parts.metrics().items()):
        yield _gauge(name, name.replace("_", " "), (), [((), value)])
    counts = [((cause,), float(count)) for cause, count in sorted(parts.cloud().items())]
    yield _counter("cloud_messages", "What the cloud was answered, ignored and refused, by cause", ("cause",), counts)


def _devices(parts: Parts) -> Iterator["Metric"]:
    states = {name: parts.twins.state(name).state for name in parts.twins.devices()}
    rows = (((name, state.value), float(state is found)) for name, found in states.items() for state in Flow)
    yield _gauge("device_state", "1 for the state a device is in", ("device", "state"), rows)


def _lanes(parts: Parts) -> Iterator["Metric"]:
    lanes = [((r.service, r.connection), r) for r in parts.lanes.lanes()]
    keys = ("service", "connection")
    yield _gauge("lane_connected", "1 while connected", keys, [(k, float(r.state == "connected")) for k, r in lanes])
    yield _gauge("lane_busy_ratio", "Share of the last minute in use", keys, [(k, r.busy) for k, r in lanes])
    yield _gauge("lane_quarantined_devices", "Silent devices", keys, [(k, len(r.quarantined)) for k, r in lanes])
    yield _gauge("lane_commands_waiting", "Commands in line", keys, [(k, r.commands_waiting) for k, r in lanes])
    yield _counter("lane_requests", "Requests sent", keys, [(k, r.requests) for k, r in lanes])
    yield _counter("lane_connects", "Connections made", keys, [(k, r.connects) for k, r in lanes])
    skews = [(k, -r.skew_s) for k, r in lanes if r.skew_s is not None]
    yield _gauge("lane_clock_ahead_seconds", "The other side's clock before ours", keys, skews)
    yield _counter("lane_filled_values", "Missed values fetched", keys, [(k, r.filled) for k, r in lanes])
    errors = [((*k, kind), float(n)) for k, r in lanes for kind, n in r.errors.items()]
    yield _counter("lane_errors", "Errors by kind", (*keys, "kind"), errors)


def _rules(parts: Parts) -> Iterator["Metric"]:
    raised = parts.alarms.all() if parts.alarms is not None else []
    seen = sum(one.acknowledged > 0 for one in raised)
    counts = ((("yes",), float(seen)), (("no",), float(len(raised) - seen)))
    yield _gauge("alarms_raised", "Alarms that are raised, by whether somebody acknowledged them", ("seen",), counts)
    found = [((one["name"],), one) for one in parts.rules.report()] if parts.rules is not None else []
    if not found:
        return
    keys = ("rule",)
    idle = [(k, float(r["state"] in ("idle", "refused"))) for k, r in found]
    yield _gauge("rule_idle", "1 while a rule has nothing to watch", keys, idle)
    yield _gauge("rule_raised", "Resources whose alarm is raised", keys, [(k, r["raised"]) for k, r in found])
    yield _counter("rule_errors", "Readings that a rule could not use", keys, [(k, r["errors"]) for k, r in found])
    models = [(k, one) for k, r in found for one in r["watching"] if "model" in one]
    yield _counter("model_inferences", "Windows scored", keys, [(k, one["inferences"]) for k, one in models])
    yield _counter("model_hard_samples", "Of these, hard", keys, [(k, one["hard_samples"]) for k, one in models])
    yield _counter("model_uploaded", "Of these, sent on", keys, [(k, one["uploaded"]) for k, one in models])
    yield _counter("model_skipped", "Windows while it was busy", keys, [(k, one["skipped"]) for k, one in models])
    ratios = [(k, one["upload_ratio"]) for k, one in models]
    yield _gauge("model_upload_ratio", "Sent on, of the windows scored", keys, ratios)
    up = [(k, float(one["model"]["state"] in ("running", "rolled back"))) for k, one in models]
    yield _gauge("model_running", "1 while a model runs", keys, up)


def _flows(parts: Parts) -> Iterator["Metric"]:
    # two polls of a device may carry the same sources' names only if their intervals differ
    flows = [((r.device, f"{r.requested_s:g}", ",".join(r.sources)), r) for r in parts.lanes.flows()]
    keys = ("device", "interval", "sources")
    yield _gauge("poll_requested_seconds", "Period asked for", keys, [(k, r.requested_s) for k, r in flows])
    told = [(k, float(r.mode == "subscribed")) for k, r in flows]
    yield _gauge("poll_subscribed", "1 where devices tell by themselves", keys, told)
    achieved = [(k, r.achieved_s) for k, r in flows if r.achieved_s is not None]
    yield _gauge("poll_achieved_seconds", "Mean period of the last good reads", keys, achieved)
    yield _gauge("poll_last_good_timestamp_seconds", "Last good read", keys, [(k, r.last_good / 1e9) for k, r in flows])
    answers = [(k, r.answer_ms / 1e3) for k, r in flows if r.answer_ms is not None]
    yield _gauge("poll_answer_seconds", "Median time to an answer", keys, answers)
    yield _counter("poll_reads", "Polls done", keys, [(k, r.reads) for k, r in flows])
    yield _counter("poll_failures", "Polls that failed", keys, [(k, r.failures) for k, r in flows])
    yield _counter("poll_overruns", "Polls that came due too early", keys, [(k, r.overruns) for k, r in flows])


def _journal(parts: Parts) -> Iterator["Metric"]:
    report = parts.store.report()
    yield _gauge("journal_ok", "1 while the disk takes what is appended", (), [((), float(report.state == "ok"))])
    yield _gauge("journal_records", "Records kept", (), [((), report.records)])
    yield _gauge("journal_bytes", "Bytes on disk", (), [((), report.bytes)])
    yield _gauge("journal_max_bytes", "Bytes it may take", (), [((), report.max_bytes)])
    yield _gauge("journal_uncommitted", "Records not yet on disk", (), [((), report.head - report.committed)])
    yield _gauge("journal_head", "Offset of the newest record; jumps after a cut", (), [((), float(report.head))])
    dropped = [((cause,), float(count)) for cause, count in report.dropped.items()]
    yield _counter("journal_dropped", "Records dropped by cause", ("cause",), dropped)


def _history(parts: Parts) -> Iterator["Metric"]:
    if parts.history is None:
        return
    report = parts.history.report()
    yield _gauge("history_ok", "1 while it is written", (), [((), float(report.state == "ok"))])
    yield _gauge("history_behind", "Records of the journal not taken yet", (), [((), report.behind)])
    yield _gauge("history_bytes", "Bytes on disk", (), [((), report.bytes)])
    yield _gauge("history_max_bytes", "Bytes it may take", (), [((), report.max_bytes)])
    rows = [((name,), float(tier.rows)) for name, tier in report.tiers.items()]
    yield _gauge("history_rows", "Rows kept by tier", ("tier",), rows)


def _consumers(parts: Parts) -> Iterator["Metric"]:
    reports = [((r.name,), r) for r in parts.forwards.report()]
    keys = ("consumer",)
    yield _gauge("consumer_connected", "1 while connected", keys, [(k, float(r.connected)) for k, r in reports])
    yield _gauge("consumer_behind", "Records not acknowledged", keys, [(k, r.behind) for k, r in reports])
    oldest = [(k, r.oldest / 1e9) for k, r in reports if r.oldest]
    yield _gauge("consumer_oldest_timestamp_seconds", "Origin of the oldest unacknowledged", keys, oldest)
    yield _counter("consumer_sent", "Records sent", keys, [(k, r.sent) for k, r in reports])
    yield _counter("consumer_set_aside", "Records refused for good", keys, [(k, r.set_aside) for k, r in reports])

"""Files are merged into larger ones: of an hour, a day, a month; raw ones are summed up by minutes and hours on the
way, without what people deleted and what rules do not keep. In steps, so that the journal's records never wait long."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from datastore.history.catalog import Catalog, File, Tombstone, gone
from datastore.history.keeping import Keeping
from datastore.history.parquet import COLUMNS, ORDER, Belonging, Engine
from datastore.history.spans import FIRST, FLUSHED, HOUR, MINUTE, Span, Tier

PART_ROWS = 2_000_000
"""Rows sorted at once, about: 150 MB."""
SUMMED: tuple[Tier, ...] = ("minute", "hour")


@dataclass(frozen=True, slots=True)
class Part:
    """What is sorted and written at once: some series of some time, all bounds inclusive."""

    first: int
    last: int
    start: int
    end: int
    whole: bool = True
    """Nothing of these series comes after it."""

    @property
    def condition(self) -> str:
        return f"series BETWEEN {self.first} AND {self.last} AND origin BETWEEN {self.start} AND {self.end}"


@dataclass(slots=True)
class _Job:
    """Files to be swapped for others."""

    span: Span
    level: int
    now: int
    inputs: list[File]
    tombstones: list[Tombstone]
    stay: list[File] = field(default_factory=list)
    """Inputs that are only summed up, and count as of that level from then on."""
    outputs: list[File] = field(default_factory=list)
    minutes: list[File] = field(default_factory=list)
    """Of these outputs, those that hours are still to be made of."""

    def belonging(self, tier: Tier, level: int = -1, span: Span | None = None) -> Belonging:
        cleaned = max((tombstone.id for tombstone in self.tombstones), default=0)
        return Belonging(tier, self.level if level < 0 else level, span or self.span, cleaned, self.now)


class Merging:
    """Each method is a generator: a step at a time; what is left half way was never in the catalog. Raises
    duckdb.Error, OSError, sqlite3.Error."""

    def __init__(self, catalog: Catalog, engine: Engine, keeping: Keeping) -> None:
        self._catalog = catalog
        self._engine = engine
        self._keeping = keeping
        self.dropped: list[File] = []
        """Files that have been swapped out and are still on the disk; whoever deletes them takes them off here."""
        self.part_rows = PART_ROWS

    def raw(self, span: Span, level: int, now: int, rewrite: bool = True) -> Iterator[None]:
        """All readings of an hour or a day into files of that level, and what minutes and hours say of it anew. Not to
        be rewritten, files stay as they are and are only summed up."""
        job = self._job("raw", span, level, now)
        again = max(span[0], self._catalog.state("raw_from", FIRST)), span[1]
        if not job.inputs or again[0] >= again[1]:
            return
        job.stay = [] if rewrite else job.inputs[:]
        source = self._within_limits(job)
        try:
            for part in self._parts(job.inputs):
                self._part(job, part, source, again[0])
                yield
            yield from self._apart(job, again)
            self._swap(job)
        except BaseException:
            self._undo(job)
            raise

    def gather(self, tier: Tier, span: Span, level: int, now: int, files: Sequence[File] = ()) -> Iterator[None]:
        """All files of a tier within a span, or only these, into files of that level."""
        job = self._job(tier, span, level, now)
        job.inputs = [file for file in job.inputs if file in files or not files]
        hidden = gone(job.tombstones, tier) if tier != "messages" else "false"
        select = f"SELECT {COLUMNS[tier]} FROM {self._engine.reading(job.inputs)} WHERE NOT ({hidden})"  # noqa: S608
        try:
            for part in self._parts(job.inputs) if tier != "messages" else [None]:
                self._engine.read = job.inputs
                within = f" AND {part.condition}" if part is not None else ""
                self._write(job, f"{select}{within} ORDER BY {ORDER[tier]}", job.belonging(tier))
                yield
            self._swap(job)
        except BaseException:
            self._undo(job)
            raise

    # ---------------------------------------------------------------------------------------------------- steps

    def _job(self, tier: Tier, span: Span, level: int, now: int) -> _Job:
        inputs = [f for f in self._catalog.files(tier, *span) if span[0] <= f.start and f.end <= span[1]]
        return _Job(span, level, now, inputs, self._catalog.tombstones())

    def _parts(self, inputs: Sequence[File]) -> list[Part]:
        """Cut so that none has many more rows than can be sorted at once."""
        if not inputs:
            return []
        start, end = min(file.oldest for file in inputs), max(file.newest for file in inputs)
        counts: list[tuple[int, int]] = [(0, sum(file.rows for file in inputs))]
        if counts[0][1] > self.part_rows:
            source = self._engine.reading(inputs)
            counts = self._engine.rows(f"SELECT series, count(*) FROM {source} GROUP BY 1 ORDER BY 1")  # noqa: S608
        else:
            counts = [(0, counts[0][1]), (2**31 - 1, 0)]
        return list(_cut(counts, start, end, self.part_rows))

    def _within_limits(self, job: _Job) -> str:
        """SQL: what to select from: of what came from the journal only what rules keep; they do not count for what was
        merged before."""
        limits = self._keeping.limits(self._catalog, job.span)
        if not limits:
            return self._engine.reading(job.inputs)
        fresh = [file for file in job.inputs if file.level == FLUSHED]
        whole = [file for file in job.inputs if file.level > FLUSHED]
        told = [f"SELECT * FROM {self._engine.reading(fresh)} WHERE {limits}"] if fresh else []  # noqa: S608
        told += [f"SELECT * FROM {self._engine.reading(whole)}"] if whole else []  # noqa: S608
        return f"({' UNION ALL '.join(told)})"

    def _part(self, job: _Job, part: Part, source: str, start: int) -> None:
        self._engine.read = job.inputs
        where = f"{part.condition} AND NOT ({gone(job.tombstones, 'raw')}) AND origin >= {start}"
        sql = f"SELECT {COLUMNS['raw']} FROM {source} WHERE {where} ORDER BY {ORDER['raw']}"  # noqa: S608
        if job.stay:
            kept = f"({sql})"
        else:
            merged = self._write(job, sql, job.belonging("raw"))
            kept = self._engine.reading([merged]) if merged is not None else ""
        if kept:
            minutes = self._write(job, by_minute(kept), job.belonging("minute"))
            job.minutes += [minutes] if minutes is not None else []
        if part.whole and job.minutes:
            self._write(job, by_hour(self._engine.reading(job.minutes)), job.belonging("hour"))
            job.minutes = []

    def _apart(self, job: _Job, span: Span) -> Iterator[None]:
        """What the summed-up tiers said of this span until now goes; what else is in the same files stays."""
        for tier in SUMMED:
            for file in self._catalog.files(tier, *span):
                job.inputs.append(file)
                if span[0] <= file.start and file.end <= span[1]:
                    continue
                hidden = gone([one for one in job.tombstones if one.applies(file)], tier)
                sql = (
                    f"SELECT {COLUMNS[tier]} FROM {self._engine.reading([file])} "  # noqa: S608
                    f"WHERE NOT (origin >= {span[0]} AND origin < {span[1]}) AND NOT ({hidden}) ORDER BY {ORDER[tier]}"
                )
                self._write(job, sql, job.belonging(tier, file.level, (file.start, file.end)))
                yield

    def _write(self, job: _Job, sql: str, what: Belonging) -> File | None:
        file = self._engine.write(sql, what)
        if file is not None:
            job.outputs.append(file)
        return file

    def _swap(self, job: _Job) -> None:
        going = [file for file in job.inputs if file not in job.stay]
        with self._catalog.change():
            self._catalog.drop(going)
            self._catalog.lift(job.stay, job.level)
            self._catalog.add(job.outputs)
        self.dropped += going
        job.outputs = []

    def _undo(self, job: _Job) -> None:
        for file in job.outputs:
            with suppress(OSError):
                self._catalog.path(file).unlink()


def by_minute(source: str) -> str:
    """SQL: raw rows by minutes."""
    true = "FILTER (value IS NOT NULL AND (quality IS NULL OR quality NOT LIKE 'bad%'))"
    values = {"min": "min(value)", "max": "max(value)", "mean": "avg(value)"}
    values |= {"first": 'arg_min(value, (origin, "offset"))', "last": 'arg_max(value, (origin, "offset"))'}
    told = ", ".join(f"{how} {true} AS {name}" for name, how in values.items())
    good = "count(*) FILTER (quality IS NULL OR quality LIKE 'good%')::INTEGER AS good"
    return (
        f"SELECT series, {_bucket(MINUTE)} AS origin, {told}, count(*)::INTEGER AS count, {good}, "  # noqa: S608
        f"(count(*) {true})::INTEGER AS valued FROM {source} GROUP BY 1, 2 ORDER BY 1, 2"
    )


def by_hour(source: str) -> str:
    """SQL: rows of minutes by hours."""
    true = "FILTER (valued > 0)"
    return (
        f"SELECT series, {_bucket(HOUR)} AS origin, min(min) AS min, max(max) AS max, "  # noqa: S608
        f"sum(mean * valued) / sum(valued) {true} AS mean, arg_min(first, origin) {true} AS first, "
        f"arg_max(last, origin) {true} AS last, sum(count)::INTEGER AS count, sum(good)::INTEGER AS good, "
        f"sum(valued)::INTEGER AS valued FROM {source} GROUP BY 1, 2 ORDER BY 1, 2"
    )


def _bucket(width: int) -> str:
    return f"origin - (origin % {width} + {width}) % {width}"


def _cut(counts: Sequence[tuple[int, int]], start: int, end: int, most: int) -> Iterator[Part]:
    """Series in order with how many rows each has → parts."""
    first, rows = counts[0][0], 0
    last = first - 1
    for series, count in counts:
        if rows and rows + count > most:
            yield Part(first, last, start, end)
            first, rows = last + 1, 0
        if count > most:  # one alone is too many: by whole minutes
            pieces = -(-count // most)
            step = -(-(end + 1 - start) // pieces // MINUTE) * MINUTE
            begin = start // MINUTE * MINUTE
            for low in range(begin, end + 1, step):
                high = min(low + step - 1, end)
                yield Part(first, series, max(low, start), high, high == end)
            first, rows = series + 1, 0
        else:
            rows += count
        last = series
    if rows:
        yield Part(first, last, start, end)

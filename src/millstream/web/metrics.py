"""What is measured, in the words of Prometheus.

Theory of operation: jobs, records and bytes are facts of the ledger, read when somebody asks, so they are right after a
restart and with any number of workers. What an attempt took is told by the engine's events, and requests are counted
as they are answered: these begin at 0 with the process.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as Counted
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.metrics import Histogram
from prometheus_client.registry import Collector

from millstream.core.ingestion import IngestionRow, ReadIngestions, Status
from millstream.core.queries import ReadTotals
from millstream.core.rows import TotalRow
from millstream.runtime.events import AttemptEnded, Event
from millstream.web.remembered import Remembered
from millstream.web.service import PoolStatus, Service

PAGE = 1000
SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


class Metrics:
    """The measurements of one app."""

    def __init__(self, service: Service, *, monotonic: Callable[[], float]) -> None:
        self._service = service
        self.totals = Remembered(lambda: service.ledger.read(ReadTotals()), monotonic=monotonic)
        self._jobs = Remembered(self._count_jobs, monotonic=monotonic)
        self._registry = CollectorRegistry()
        self._facts = _Facts()
        self._registry.register(self._facts)
        self._requests = Counted(
            "millstream_http_requests", "Requests that were answered.", ["method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "millstream_attempt_seconds",
            "How long attempts took.",
            ["pipeline"],
            registry=self._registry,
            buckets=SECONDS,
        )
        self._failures = Counted(
            "millstream_attempt_failures", "Attempts that failed.", ["pipeline"], registry=self._registry
        )

    def count_request(self, method: str, *, status: int) -> None:
        """One request was answered; unknown methods count as one."""
        known = method if method in {"GET", "HEAD", "POST"} else "other"
        self._requests.labels(known, str(status)).inc()

    def listen(self, event: Event) -> None:
        """A listener of the engine's events."""
        if isinstance(event, AttemptEnded):
            self._seconds.labels(event.pipeline).observe(event.seconds)
            if event.error is not None:
                self._failures.labels(event.pipeline).inc()

    async def page(self) -> bytes:
        """Everything, as Prometheus reads it."""
        self._facts.totals = await self.totals.get()
        self._facts.pool = self._service.pool()
        if self._service.containers:
            self._facts.jobs = await self._jobs.get()
        return generate_latest(self._registry)

    async def _count_jobs(self) -> "_Jobs":
        """Sums over all jobs that are remembered."""
        jobs, before = _Jobs(), None
        while True:
            rows = await self._service.ledger.read(ReadIngestions(before=before, limit=PAGE))
            jobs.add(rows)
            if len(rows) < PAGE:
                return jobs
            before = rows[-1].seq


class _Jobs:
    """Sums over jobs."""

    def __init__(self) -> None:
        self.by_status: Counter[Status] = Counter()
        self.published = self.rejected = self.bytes_done = 0

    def add(self, rows: Iterable[IngestionRow]) -> None:
        for row in rows:
            self.by_status[row.status] += 1
            self.published += row.records_published
            self.rejected += row.records_rejected
            self.bytes_done += row.bytes_passed


class _Facts(Collector):
    """What the ledger said last."""

    def __init__(self) -> None:
        self.jobs: _Jobs | None = None
        self.totals = tuple[TotalRow, ...]()
        self.pool: PoolStatus | None = None

    def collect(self) -> Iterable[Metric]:
        batches = GaugeMetricFamily("millstream_batches", "Batches by state.", labels=["pipeline", "state"])
        for row in self.totals:
            batches.add_metric([row.pipeline, row.state], row.batches)
        yield batches
        if self.pool is not None:
            yield GaugeMetricFamily("millstream_workers", "Workers of this process.", value=self.pool.workers)
            yield GaugeMetricFamily("millstream_workers_busy", "Workers that run an attempt.", value=self.pool.busy)
        if self.jobs is not None:
            yield from _of_jobs(self.jobs)


def _of_jobs(jobs: _Jobs) -> Iterable[Metric]:
    family = GaugeMetricFamily("millstream_jobs", "Jobs that are remembered, by status.", labels=["status"])
    for status in Status:
        family.add_metric([status], jobs.by_status[status])
    yield family
    for name, text, value in (
        ("millstream_records_published", "Records of these jobs that were published.", jobs.published),
        ("millstream_records_rejected", "Records of these jobs that were rejected.", jobs.rejected),
        ("millstream_bytes_done", "Bytes of files that these jobs are done with.", jobs.bytes_done),
    ):
        yield GaugeMetricFamily(name, text, value=value)

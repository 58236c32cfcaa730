"""The compactor's figures, in a registry of their own."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from hoistway.metrics import serve_registry

REGISTRY: Final = CollectorRegistry()


def _gauge(name: str, text: str) -> Gauge:
    return Gauge(f"hoistway_compactor_{name}", text, registry=REGISTRY)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"hoistway_compactor_{name}", text, labels, registry=REGISTRY)


LOOP: Final = _gauge("loop_timestamp_seconds", "when the loop last went round")
LAG: Final = _gauge("lag_seconds", "how long the oldest row of the log has waited to be moved")
WAITING: Final = _gauge("waiting_rows", "rows of the log that wait, as far as they are counted")
WORKS: Final = _gauge("works", "1 = this compactor works; 0 = another one does")
MOVED: Final = _counter("moved_samples", "samples moved from the log into blocks")
MERGED: Final = _counter("merged_samples", "samples of closed hours moved into chunks")
SWEPT: Final = _counter("swept_tables", "tables emptied whole")
YIELDED: Final = _counter("yields", "times that it waited because ingest was behind")
GONE: Final = _counter("let_go", "rows too old to be kept, by kind; of chunks the samples", "kind")


def serve(host: str, port: int) -> None:
    """Serve /metrics in a thread; port 0 = not at all."""
    serve_registry(REGISTRY, host, port)

"""Ingest's counters and gauges, in a registry of their own, served on loopback unless set otherwise."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hoistway.metrics import serve_registry
from ingest.tally import CLASSES, Outcome

REGISTRY: Final = CollectorRegistry()

_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"hoistway_ingest_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str) -> Gauge:
    return Gauge(f"hoistway_ingest_{name}", text, registry=REGISTRY)


MESSAGES: Final = _counter("messages", "MQTT messages committed")
REPLAYED: Final = _counter(
    "replayed_messages", "messages of the quarantine that were taken in again: read from no network"
)
RECEIVED: Final = _counter("received", "records, and whole messages that could not be read or are of a link", "class")
RECORDS: Final = _counter(
    "records", "what became of what was received: the sum over outcomes is received", "class", "outcome"
)
ASIDE: Final = _counter("stored_aside", "stored records that were not folded in order: late, unplaced", "how")
REFUSED: Final = _counter("refused_messages", "messages quarantined, by reason", "reason")
QUARANTINE_TRIMMED: Final = _counter("quarantine_trimmed", "oldest quarantined messages deleted at a limit")
FIELD_FAULTS: Final = _counter("field_faults", "fields that were unusable, by kind", "fault")
SECURITY: Final = _counter("security_events", "what looked like an intruder, by kind", "kind")
SECURITY_TRIMMED: Final = _counter("security_events_trimmed", "security events deleted when their time was over")
CERTIFICATES_EXPIRING: Final = _gauge("certificates_expiring", "devices' certificates in force that end within 30 days")
CERTIFICATES_EXPIRED: Final = _gauge(
    "certificates_expired", "devices' certificates that have ended and were not replaced"
)
LOGINS_REFUSED: Final = _gauge("logins_refused", "logins that the broker refused, as far as its log says")
NOT_COMPARED: Final = _counter(
    "repeats_not_compared", "repeated records beyond the limit: counted, their content not looked at"
)
TRANSITIONS: Final = _counter("transitions", "alarm transitions committed", "kind")
LEFT_OUT: Final = _counter("left_out", "changes that the store refused and no message asked for: left out", "part")
CORRECTIONS: Final = _counter("corrections", "alarms that late data changed, by kind", "kind")
LATE_WINDOW: Final = _gauge("late_window_seconds", "how old a record may be and still be folded again from memory")
RETRIES: Final = _counter("commit_retries", "commits tried again after an unknown outcome")
STALE_ACKS: Final = _gauge("stale_acks", "acknowledgements withheld because their connection was gone")
QUICK_READER: Final = _gauge(
    "quick_reader", "1 = MQTT is read at once; 0 = packet by packet, because of the installed paho"
)
SESSIONS_LOST: Final = _gauge("sessions_lost", "times the broker had forgotten our session")
SUBSCRIPTIONS_REFUSED: Final = _gauge("subscriptions_refused", "times the broker refused one of our subscriptions")
THREADS_REVIVED: Final = _gauge("threads_revived", "network threads found dead and started again")
ARRIVED: Final = _gauge("arrived_messages", "messages read from the network since the start")
LET_GO: Final = _gauge("let_go_messages", "of them, not taken when their connection was lost; they come again")
WAITING: Final = _gauge("waiting_messages", "of them, waiting to be taken into a batch")
LOOKS_FAILED: Final = _counter("looks_failed", "looks of the watch at sessions, clock and the broker's log that failed")
INCARNATIONS: Final = _gauge("incarnations", "boot numbers used again with other content")
CLOCK_STEPS: Final = _gauge("device_clock_steps", "times a device's clock was set back or forward")
CLOCK_BEHIND: Final = _gauge("wall_clock_behind_seconds", "how far the machine's clock was set back")
BATCH_SECONDS: Final = Histogram(
    "hoistway_ingest_received_to_committed_seconds",
    "age of the oldest message of a batch when it was committed",
    buckets=_SECONDS,
    registry=REGISTRY,
)
LOOP: Final = _gauge("loop_timestamp_seconds", "when the loop last went round")
OVERLOAD: Final = _gauge(
    "overload", "1 while samples that say nothing new are shed, because more comes than can be stored"
)
UNACKNOWLEDGED: Final = _gauge(
    "unacknowledged_messages", "samples' messages read and not yet acknowledged to the broker"
)
BATCH_ROOM: Final = _gauge("batch_bytes_limit", "what a batch may hold, by how long the last ones took")
WAITING_BYTES: Final = _gauge("waiting_bytes", "of samples that wait to be taken into a batch")
DEAF: Final = _gauge("deaf", "1 while the broker is away or its backlog is coming in")
OLDEST: Final = _gauge("oldest_waiting_seconds", "age of the oldest message not yet taken")


for _class in CLASSES:  # every line is there from the start, so that the sum can be asked for at once
    RECEIVED.labels(_class)
    for _outcome in Outcome:
        RECORDS.labels(_class, _outcome.value)


def serve(host: str, port: int) -> None:
    """Serve /metrics in a thread; port 0 = not at all."""
    serve_registry(REGISTRY, host, port)

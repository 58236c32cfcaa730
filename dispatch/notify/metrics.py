"""Figures of the notifications, on the /metrics of dispatch."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

from dispatch.notify.channels import Channel
from dispatch.service import REGISTRY

PENDING: Final = Gauge("hoistway_notify_pending", "messages that wait to leave", ["channel"], registry=REGISTRY)
OLDEST: Final = Gauge(
    "hoistway_notify_oldest_seconds", "how long the oldest of them has waited", ["channel"], registry=REGISTRY
)
SENT: Final = Counter("hoistway_notify_sent", "messages that a receiver took", ["channel"], registry=REGISTRY)
RECEIVED: Final = Counter("hoistway_notify_received", "receipts of the receiver itself", ["channel"], registry=REGISTRY)
FAILED: Final = Counter("hoistway_notify_failed", "attempts that failed", ["channel"], registry=REGISTRY)
DEAD: Final = Counter("hoistway_notify_dead", "dead letters", ["channel"], registry=REGISTRY)
UNTOLD: Final = Counter("hoistway_notify_nobody_told", "notifications that reached nobody", registry=REGISTRY)
UNREACHABLE: Final = Gauge(
    "hoistway_notify_unreachable_contacts", "contacts the last try did not reach", registry=REGISTRY
)
PLACES: Final = (*Channel, "unplanned")

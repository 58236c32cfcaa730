"""A device's traffic made by hand, right unless told otherwise: what the checker of devices is tested with."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Self

from ingest.conformance.heard import Facts, Heard, LiftFacts, Watch

T0: Final = 1_795_406_400_000
HOUR_MS: Final = 3_600_000
FULL: Final[dict[str, Any]] = {
    "service_mode": 1, "car_status": 0, "car_direction": 0, "door_zone": True, "car_position": "7", "door_status": 5,
    "door_closed": True, "passenger": False, "speed": 0.0, "load": 0, "power": 1, "safety_chain": 0,
}  # fmt: skip
LIFT: Final = LiftFacts(rescue_code="310115", rated_speed_m_s=1.75, rated_load_kg=1_000, self_test_ms=T0 - 10 * HOUR_MS)
FACTS: Final = Facts(device="d-1", shard=3, gateway=False, enrolled_ms=T0 - 1_000 * HOUR_MS, lifts=(LIFT,))


class Firmware:
    """Says one thing after another; `now` is the server's clock, `off_ms` what the device's clock is behind it."""

    def __init__(self, *, boot: int = 12, conn: int = 31, seq: int = 4_711) -> None:
        self.heard: list[Heard] = []
        self.now, self.off_ms = T0, 0
        self.boot, self.conn = boot, conn
        self.seq = {"state": seq, "event": 9}
        self.link(retained=True)

    def wait(self, seconds: float) -> Self:
        self.now += round(seconds * 1_000)
        return self

    def say(self, leaf: str, value: Any, *, shard: int = 3, retained: bool = False, qos: int = 1) -> Self:
        payload = value if isinstance(value, bytes) else json.dumps(value).encode()
        topic = f"lift/v1/{shard}/d-1/{leaf}"
        self.heard.append(Heard(topic=topic, payload=payload, at_ms=self.now, retained=retained, qos=qos))
        return self

    def link(self, *, online: bool = True, retained: bool = False, conn: int | None = None, **more: Any) -> Self:
        value = {"online": online, "boot": self.boot, "conn": self.conn if conn is None else conn, **more}
        return self.say("link", value, retained=retained)

    def record(self, leaf: str, values: dict[str, Any], *, seq: int | None = None, ago_s: float = 0) -> dict[str, Any]:
        """The next record, or one of a number given, stamped some time ago."""
        if seq is None:
            seq = self.seq[leaf]
            self.seq[leaf] += 1
        return {"ts": self.now - self.off_ms - round(ago_s * 1_000), "boot": self.boot, "seq": seq, **values}

    def sample(self, *, seq: int | None = None, ago_s: float = 0, **values: Any) -> Self:
        return self.say("state", self.record("state", {**FULL, **values}, seq=seq, ago_s=ago_s))

    def samples(self, times: int, *, every_s: float = 20, **values: Any) -> Self:
        for _ in range(times):
            self.sample(**values).wait(every_s)
        return self

    def event(self, code: str, active: bool, **more: Any) -> Self:
        return self.say("event", self.record("event", {"code": code, "active": active, **more}))

    def ack(self, *, state: int | None = None, event: int | None = None, **more: Any) -> Self:
        value = {
            "boot": self.boot,
            "event": self.seq["event"] - 1 if event is None else event,
            "state": self.seq["state"] - 1 if state is None else state,
            "ts": self.now,
        }
        return self.say("ack", {**value, **more})

    def again(self, back: int = 1) -> Self:
        """Publish once more what was published before."""
        self.heard.append(Heard(topic=self.heard[-back].topic, payload=self.heard[-back].payload, at_ms=self.now))
        return self

    def refused(self, reason: str = "not-json") -> Self:
        """An ack that refuses the last message."""
        digest = hashlib.sha256(self.heard[-1].payload).digest()[:8].hex()
        return self.ack(refused=[{"sha256_8": digest, "reason": reason}])

    def watch(self) -> Watch:
        return Watch(from_ms=T0, to_ms=self.now)

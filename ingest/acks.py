"""The device's end-to-end `ack`: what is accepted without a hole, what is missing, what could not be read.

An ack is planned when its batch is assembled, so that it names nothing of a later one, and sent when that batch is committed.

Events, link messages and the first samples of a boot are answered at once, further samples every ten minutes, every thirty seconds while a device drains its
ring or has holes. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterator

from hoistway import wire
from hoistway.limits import ACK_DRAINING_EVERY_S, ACK_SAMPLES_EVERY_S
from ingest.assembled import Assembled, Refusal
from ingest.directory import Directory
from ingest.memory import Memory

REFUSED_PER_ACK = 16


class Acks:
    """Plans acks from committed batches."""

    def __init__(self, directory: Directory, memory: Memory) -> None:
        self._directory, self._memory = directory, memory
        self._sent: dict[int, tuple[int, float]] = {}  # device: boot, when

    def plan(self, batch: Assembled, *, now_ms: int) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of each ack that `batch` calls for, to be sent after its commit and no sooner."""
        refused: dict[int, list[Refusal]] = {}
        for refusal in batch.refusals:
            if refusal.device_id is not None:
                refused.setdefault(refusal.device_id, []).append(refusal)
        wanted: dict[int, int] = {}
        for (device_id, leaf), boot in batch.boots.items():
            if leaf != "state" or device_id in refused or self._due(device_id, boot, batch, now_ms / 1_000):
                wanted[device_id] = max(boot, wanted.get(device_id, 0))
        for device_id in refused:
            if device_id not in wanted:
                wanted[device_id] = self._memory.latest_boot(device_id) or 0
        for device_id, boot in wanted.items():
            self._sent[device_id] = (boot, now_ms / 1_000)
            yield from self._ack(device_id, boot, refused.get(device_id, []), now_ms)

    def _due(self, device_id: int, boot: int, batch: Assembled, now_s: float) -> bool:
        sent_boot, last_s = self._sent.get(device_id, (-1, 0.0))
        if sent_boot != boot:
            return True
        memory = self._memory.known(device_id, boot)
        holes = memory is not None and bool(memory.state.above)
        every = ACK_DRAINING_EVERY_S if holes or device_id in batch.arrays else ACK_SAMPLES_EVERY_S
        return now_s - last_s >= every

    def _ack(self, device_id: int, boot: int, refused: list[Refusal], now_ms: int) -> Iterator[tuple[str, bytes]]:
        device = self._directory.devices_by_id.get(device_id)
        if device is None:
            return
        memory = self._memory.known(device_id, boot)
        state, event = (memory.state, memory.event) if memory else (None, None)
        missing = wire.Missing(
            state=state.missing() if state else [],
            event=event.missing() if event else [],
        )
        ack = wire.Ack(
            boot=boot,
            event=event.contiguous if event else 0,
            state=state.contiguous if state else 0,
            ts=now_ms,
            missing=missing if missing.state or missing.event else None,
            refused=[wire.Refused(row.sha256_8, row.reason) for row in refused[:REFUSED_PER_ACK]],
        )
        yield wire.topic(device.shard, device.device, "ack"), wire.encode(ack)

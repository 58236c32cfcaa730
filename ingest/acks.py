"""The device's end-to-end `ack`: what is accepted without a hole, what is missing, what could not be read.

An ack is planned when its batch is assembled, so that it names nothing of a later one, and sent when that batch is committed.

Events, link messages and the first samples of a boot are answered at once, further samples every ten minutes, every thirty seconds while a device drains its
ring or has holes. During overload an ack asks for longer intervals and for no sample that is missing. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterator

from hoistway import wire
from hoistway.limits import ACK_DRAINING_EVERY_S, ACK_SAMPLES_EVERY_S, BOOTS_REMEMBERED, SLOW_ACKS, SLOW_S
from ingest.assembled import Assembled, Refusal
from ingest.directory import Directory
from ingest.memory import Memory

REFUSED_PER_ACK = 16


class Acks:
    """Plans acks from committed batches."""

    def __init__(self, directory: Directory, memory: Memory) -> None:
        self._directory, self._memory = directory, memory
        self._sent: dict[int, dict[int, float]] = {}  # device: boot: when
        self._slowed: set[int] = set()  # devices whose last ack asked for longer intervals
        self._overload, self._turns = False, 0

    def plan(self, batch: Assembled, *, now_ms: int, overload: bool = False) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of each ack that `batch` calls for, to be sent after its commit and no sooner."""
        self._overload, self._turns = overload, SLOW_ACKS
        refused: dict[int, list[Refusal]] = {}
        for refusal in batch.refusals:
            if refusal.device_id is not None:
                refused.setdefault(refusal.device_id, []).append(refusal)
        wanted: dict[int, set[int]] = {}
        for device_id, leaf, boot in batch.boots:
            if leaf != "state" or device_id in refused or self._due(device_id, boot, batch, now_ms / 1_000):
                wanted.setdefault(device_id, set()).add(boot)
        for device_id in refused:
            wanted.setdefault(device_id, {self._memory.latest_boot(device_id) or 0})
        for device_id, boots in wanted.items():
            for boot in self._answerable(device_id, boots):
                self._note_sent(device_id, boot, now_ms / 1_000)
                yield from self._ack(device_id, boot, refused.get(device_id, []), now_ms)

    def _answerable(self, device_id: int, boots: set[int]) -> list[int]:
        """In order, the boots that are remembered, and the newest: a few, however many a message names."""
        newest = max(boots)
        return sorted(boot for boot in boots if boot == newest or self._memory.known(device_id, boot) is not None)

    def _note_sent(self, device_id: int, boot: int, now_s: float) -> None:
        sent = self._sent.setdefault(device_id, {})
        sent.pop(boot, None)
        if len(sent) > BOOTS_REMEMBERED:
            del sent[next(iter(sent))]
        sent[boot] = now_s

    def _due(self, device_id: int, boot: int, batch: Assembled, now_s: float) -> bool:
        last_s = self._sent.get(device_id, {}).get(boot)
        if last_s is None or self._turns_now(device_id, batch):
            return True
        memory = self._memory.known(device_id, boot)
        holes = memory is not None and bool(memory.state.above)
        every = ACK_DRAINING_EVERY_S if holes or device_id in batch.arrays else ACK_SAMPLES_EVERY_S
        return now_s - last_s >= every

    def _turns_now(self, device_id: int, batch: Assembled) -> bool:
        """Whether the device is to hear that an overload began, because some of its samples were shed, or that it is over."""
        slowed = device_id in self._slowed
        if (slowed or device_id not in batch.coalesced) if self._overload else not slowed:
            return False
        self._turns -= 1
        return self._turns >= 0

    def _ack(self, device_id: int, boot: int, refused: list[Refusal], now_ms: int) -> Iterator[tuple[str, bytes]]:
        device = self._directory.devices_by_id.get(device_id)
        if device is None:
            return
        memory = self._memory.known(device_id, boot)
        state, event = (memory.state, memory.event) if memory else (None, None)
        missing = wire.Missing(
            state=state.missing() if state and not self._overload else [],
            event=event.missing() if event else [],
        )
        ack = wire.Ack(
            boot=boot,
            event=event.contiguous if event else 0,
            state=state.contiguous if state else 0,
            ts=now_ms,
            missing=missing if missing.state or missing.event else None,
            refused=[wire.Refused(row.sha256_8, row.reason) for row in refused[:REFUSED_PER_ACK]],
            slow_s=SLOW_S if self._overload else None,
        )
        (self._slowed.add if self._overload else self._slowed.discard)(device_id)
        yield wire.topic(device.shard, device.device, "ack"), wire.encode(ack)

"""Which acks a batch calls for: an answer for each boot that it tells of."""

from __future__ import annotations

import json

import numpy as np

from alarms.records import Records
from hoistway.limits import ACK_DRAINING_EVERY_S, ACK_SAMPLES_EVERY_S, BOOTS_REMEMBERED
from hoistway.wire import Ack, decode_ack
from ingest.acks import Acks
from ingest.assemble import Assembler
from ingest.directory import Device, Directory
from ingest.memory import Memory
from ingest.source import Message
from tests.support.feed import event, sample

T0 = 1_795_406_400_000


class Desk:
    """Messages of one device in, acks out; time goes on as told."""

    def __init__(self) -> None:
        register, memory = Directory(), Memory()
        register.devices = {"t-1": Device(1, "t-1", 3, 11)}
        register.devices_by_id = {1: register.devices["t-1"]}
        self.assembler, self.acks, self.now = Assembler(register, memory, in_order), Acks(register, memory), T0

    def told(self, *messages: tuple[str, object], after_s: int = 0) -> list[Ack]:
        """The acks of one batch."""
        self.now += after_s * 1_000
        said = [Message(f"lift/v1/3/t-1/{leaf}", json.dumps(what).encode(), self.now) for leaf, what in messages]
        batch = self.assembler.assemble(said)
        return [decode_ack(payload) for _, payload in self.acks.plan(batch, now_ms=self.now)]


def in_order(records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Nothing is late."""
    return np.zeros(len(records.samples), bool), np.zeros(len(records.events), bool)


def numbers(acks: list[Ack]) -> list[tuple[int, int, int]]:
    return [(ack.boot, ack.event, ack.state) for ack in acks]


def test_each_boot_of_a_batch_is_answered() -> None:
    """A device that drains the ring of its last boot behind its new one learns of both at once, the older first."""
    acks = Desk().told(
        ("event", event(1, T0, "41", boot=5)),
        ("event", [event(1, T0 - 9_000, "41", boot=4), event(2, T0 - 8_000, "41", boot=4, active=False)]),
        ("state", sample(1, T0 - 9_000, boot=4)),
    )
    assert numbers(acks) == [(4, 2, 1), (5, 1, 0)]


def test_two_boots_in_one_array_are_both_answered() -> None:
    """So it is when one message mixes them."""
    acks = Desk().told(("state", [sample(1, T0 - 9_000, boot=4), sample(1, T0, boot=5)]))
    assert numbers(acks) == [(4, 0, 1), (5, 0, 1)]


def test_samples_of_two_boots_are_not_answered_each_time() -> None:
    """Boots that take turns have a clock each: a single sample of either is answered once, then every ten minutes."""
    desk = Desk()
    for number, expected in ((1, 2), (2, 0), (3, 0)):
        acks = desk.told(
            ("state", sample(number, desk.now - 9_000, boot=4)), ("state", sample(number, desk.now, boot=5)), after_s=1
        )
        assert len(acks) == expected
    acks = desk.told(("state", sample(4, desk.now, boot=5)), after_s=ACK_SAMPLES_EVERY_S)
    assert numbers(acks) == [(5, 0, 4)]


def test_a_hole_in_one_boot_hurries_only_that_one() -> None:
    """A boot with holes is answered every thirty seconds, the other one at its leisure."""
    desk = Desk()
    desk.told(("state", sample(1, desk.now - 9_000, boot=4)), ("state", sample(1, desk.now, boot=5)))
    acks = desk.told(
        ("state", sample(3, desk.now - 8_000, boot=4)),
        ("state", sample(2, desk.now, boot=5)),
        after_s=ACK_DRAINING_EVERY_S,
    )
    assert [(ack.boot, ack.missing and ack.missing.state) for ack in acks] == [(4, [(2, 2)])]


def test_a_message_of_many_boots_is_no_flood_of_acks() -> None:
    """Only boots that are remembered are answered: nobody makes us send a thousand acks for one array."""
    acks = Desk().told(("event", [event(1, T0, "41", boot=boot) for boot in range(1, 1_001)]))
    assert [ack.boot for ack in acks] == list(range(1_001 - BOOTS_REMEMBERED, 1_001))


def test_what_is_refused_is_named_beside_each_boot() -> None:
    """A refused message says nothing of a boot: every ack of the batch names it, and one alone when there is no other."""
    desk = Desk()
    acks = desk.told(("event", {"no": "record"}), ("event", [event(1, T0, "41", boot=4), event(1, T0, "41", boot=5)]))
    assert [[row.reason for row in ack.refused] for ack in acks] == [["bad-ts"], ["bad-ts"]]
    assert [(ack.boot, len(ack.refused)) for ack in desk.told(("event", {"no": "record"}))] == [(5, 1)]

"""Batches made of messages, without a store: what a device sends again, and what old copies of its words may do."""

from __future__ import annotations

from typing import Any

import numpy as np

from ingest.assemble import Assembler
from ingest.assembled import Assembled
from ingest.directory import Device, Directory
from ingest.memory import Memory
from ingest.source import Message
from ingest.tally import Outcome
from tests.support.feed import event, message, sample

T0 = 1_800_000_000_000


class Terminal:
    """One device and the assembler that hears it."""

    def __init__(self) -> None:
        directory = Directory()
        directory.devices = {"t-1": Device(1, "t-1", 0, 10, {"310115": 10})}
        self.memory = Memory()
        self.assembler = Assembler(
            directory,
            self.memory,
            lambda found: (np.zeros(len(found.samples), bool), np.zeros(len(found.events), bool)),
        )

    def say(self, leaf: str, payload: Any, at: int, *, retained: bool = False) -> Assembled:
        """One message a batch; `at` is when it is received, ms after the start."""
        said = message(leaf, payload, device="t-1", received=T0 + at)
        return self.assembler.assemble([Message(said.topic, said.payload, said.received_ms, retained=retained)])


def link(boot: int, conn: int, *, online: bool = True, **gone: Any) -> dict[str, Any]:
    return {"online": online, "boot": boot, "conn": conn} | ({"gone": gone} if gone else {})


def stored(batch: Assembled) -> tuple[int, int]:
    """Records stored, and had before."""
    return batch.tally.total(Outcome.STORED), batch.tally.total(Outcome.DUPLICATE)


def test_an_event_stamped_by_a_clock_just_set_and_sent_again() -> None:
    """Time came from the network between two records; the first event after it is sent again, because its ack was lost: a duplicate."""
    device, off = Terminal(), -20_000
    device.say("link", link(1, 1), 0)
    for seq in range(1, 6):
        device.say("state", sample(seq, T0 + seq * 1_000 + off), seq * 1_000 + 50)
    device.say("event", event(1, T0 + 5_500 + off, "40"), 5_550)
    pressed = event(2, T0 + 6_000, "90")
    assert stored(device.say("event", pressed, 6_050)) == (1, 0)
    for seq in range(6, 12):
        device.say("state", sample(seq, T0 + seq * 1_000 + 1_000), seq * 1_000 + 1_050)
    again = device.say("event", pressed, 36_050)
    assert (stored(again), again.security) == ((0, 1), [])
    assert stored(device.say("state", [sample(seq, T0 + seq * 1_000 + off) for seq in range(1, 6)], 37_000)) == (0, 5)


def test_old_rings_do_not_make_the_present_forgotten() -> None:
    """While the rings of four earlier boots drain, what the present boot sends again is a duplicate, and what is new is new."""
    device = Terminal()
    device.say("link", link(12, 1), 0)
    device.say("event", event(1, T0, "01", boot=12), 50)
    device.say("state", [sample(seq, T0 + seq, boot=12) for seq in (1, 2, 3)], 60)
    for boot in (8, 9, 10, 11):
        device.say("event", event(1, T0 - 1_000_000 + boot, "02", boot=boot), 1_000 + boot)
    again = [event(1, T0, "01", boot=12), event(2, T0 + 2_000, "90", boot=12)]
    found = device.say("event", again, 2_100)
    assert (stored(found), [row.code for row in found.events]) == ((1, 1), ["90"])
    assert stored(device.say("state", [sample(seq, T0 + seq, boot=12) for seq in (1, 2, 3)], 2_200)) == (0, 3)
    assert stored(device.say("event", event(1, T0 - 1_000_000 + 8, "02", boot=8), 2_300)) == (0, 1)


def test_the_broker_s_copy_of_gone_gives_up_nothing() -> None:
    """`gone` of a life before, delivered again as a retained message, does not close the holes of the present one."""
    device, gone = Terminal(), link(12, 31, state=[[2, 3]])
    assert len(device.say("link", gone, 0).gaps) == 0
    device.say("state", [sample(seq, T0 + seq * 1_000, boot=12) for seq in (1, 4)], 5_000)
    assert [(gap.first, gap.last) for gap in device.say("link", gone, 6_000).gaps] == [(2, 3)]
    device.say("state", [sample(seq, T0 + 100_000 + seq * 1_000, boot=12) for seq in (1, 4)], 104_050)
    assert device.say("link", gone, 105_000, retained=True).gaps == []
    missing = [sample(seq, T0 + 100_000 + seq * 1_000, boot=12) for seq in (2, 3)]
    assert stored(device.say("state", missing, 106_000)) == (2, 0)


def test_gone_of_an_earlier_connection_gives_up_nothing() -> None:
    """What an older connection said comes too late; the present one may say it as often as it likes."""
    device = Terminal()
    device.say("link", link(12, 31), 0)
    device.say("state", [sample(seq, T0 + seq * 1_000, boot=12) for seq in (1, 4)], 5_000)
    assert device.say("link", link(12, 30, state=[[2, 3]]), 6_000).gaps == []
    assert len(device.say("link", link(12, 31, state=[[2, 3]]), 7_000).gaps) == 1


def test_a_link_of_the_quarantine_is_no_news() -> None:
    """Taken in again, a link message is counted and says nothing about the present."""
    device = Terminal()
    device.say("link", link(6, 1), 0)
    old = message("link", link(5, 9, online=False, state=[[1, 2]]), device="t-1", received=T0)
    batch = device.assembler.assemble([old], stored={})
    assert (stored(batch), batch.links, batch.gaps) == ((0, 1), [], [])
    assert not device.memory.note_link(1, 6, 1, online=True)

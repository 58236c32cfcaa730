"""What one device's garbage may cost, and whom it costs nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from alarms.records import Records
from hoistway.limits import CAREFUL_BYTES, CAREFUL_MESSAGES, GARBAGE_WINDOW_MS, QUARANTINE_DEVICE_MESSAGES
from ingest import decode
from ingest.assemble import Assembler
from ingest.assembled import Assembled
from ingest.directory import Device, Directory
from ingest.memory import Memory
from ingest.source import Message
from ingest.tally import Outcome
from tests.support.feed import event, message, sample

T0 = 1_800_000_000_000
START = T0 - T0 % GARBAGE_WINDOW_MS


def in_order(records: Records) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(len(records.samples), bool), np.zeros(len(records.events), bool)


@pytest.fixture
def assembler() -> Assembler:
    directory = Directory()
    directory.devices = {
        name: Device(id=number, device=name, shard=0, lift_id=number) for number, name in enumerate(("one", "two"), 1)
    }
    return Assembler(directory, Memory(), in_order)


def halves(seqs: Sequence[int], *, device: str = "one", at: int = START) -> list[Message]:
    """Samples with a field of a wrong type: good, but not to be read at the first go."""
    return [message("state", sample(seq, at, passenger="yes"), device=device, received=at) for seq in seqs]


def counts(batch: Assembled) -> tuple[int, int, int]:
    """Records stored, messages quarantined, messages cut."""
    return batch.tally.total(Outcome.STORED), batch.tally.total(Outcome.QUARANTINED), batch.tally.total(Outcome.CUT)


def test_only_so_many_messages_of_a_device_are_read_with_care(
    assembler: Assembler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the budget nothing is read field by field; what can be read at the first go goes in, of the same device too."""
    careful, read = decode._carefully, []
    monkeypatch.setattr(decode, "_carefully", lambda payload, way: (read.append(payload), careful(payload, way))[1])
    plain = message("state", sample(9_999, START), device="one", received=START)
    batch = assembler.assemble([*halves(range(1, CAREFUL_MESSAGES + 501)), plain])
    assert len(read) == CAREFUL_MESSAGES
    assert counts(batch) == (CAREFUL_MESSAGES + 1, 0, 500)
    assert batch.unreadable() == []


def test_large_messages_spend_the_budget_sooner(assembler: Assembler) -> None:
    """Bytes are counted as well as messages."""
    long = "x" * 200_000
    big = [message("state", sample(seq, START, note=long), device="one", received=START) for seq in range(1, 31)]
    stored, quarantined, cut = counts(assembler.assemble(big))
    assert (stored, quarantined, cut) == (CAREFUL_BYTES // 200_000 + 1, 0, 30 - CAREFUL_BYTES // 200_000 - 1)


def test_a_budget_is_one_device_s_of_one_class_in_one_window(assembler: Assembler) -> None:
    """Spent by samples of one device, it is whole for its events, for another device, and in the next window."""
    bad = b"{"
    assembler.assemble([message("state", bad, device="one", received=START)] * QUARANTINE_DEVICE_MESSAGES)
    over = [message("state", bad, device="one", received=START + GARBAGE_WINDOW_MS - 1)]
    assert counts(assembler.assemble(over)) == (0, 0, 1)
    others = [
        message("event", bad, device="one", received=START),
        message("state", bad, device="two", received=START),
        message("state", bad, device="stranger", received=START),
    ]
    assert counts(assembler.assemble(others)) == (0, 3, 0)
    late = [message("state", bad, device="one", received=START + GARBAGE_WINDOW_MS)]
    assert counts(assembler.assemble(late)) == (0, 1, 0)


def test_strangers_share_one_budget(assembler: Assembler) -> None:
    """New names do not make more room."""
    found = [
        message("state", sample(1, START), device=f"stranger-{number}", received=START)
        for number in range(QUARANTINE_DEVICE_MESSAGES + 7)
    ]
    assert counts(assembler.assemble(found)) == (0, QUARANTINE_DEVICE_MESSAGES, 7)


def test_a_gateway_whose_every_sample_has_a_bad_field_is_read(assembler: Assembler) -> None:
    """A thousand lifts, a heartbeat each in half a minute, all with the same fault of the firmware: nothing is cut."""
    for window in range(3):
        first = window * 334 + 1
        at = START + window * GARBAGE_WINDOW_MS
        assert counts(assembler.assemble(halves(range(first, first + 334), at=at))) == (334, 0, 0)


def test_an_event_that_is_cut_is_noticed_once_a_batch(assembler: Assembler) -> None:
    """One notice for the lift, however many of its events were cut; a good event among them goes in."""
    garbage = json.dumps({**event(1, START, "90"), "active": "yes"}).encode()
    flood = [message("event", garbage, device="one", received=START) for _ in range(CAREFUL_MESSAGES + 300)]
    assembler.assemble(flood[:QUARANTINE_DEVICE_MESSAGES])
    alarm = message("event", event(7, START, "90"), device="one", received=START)
    batch = assembler.assemble([*flood[QUARANTINE_DEVICE_MESSAGES:], alarm])
    assert counts(batch) == (1, 0, len(flood) - QUARANTINE_DEVICE_MESSAGES)
    assert [(row.device, row.leaf) for row in batch.unreadable()] == [("one", "event")]


def test_an_unknown_name_makes_the_register_be_read_once_a_second(assembler: Assembler) -> None:
    """A flood under names that nobody enrolled costs one look a name and second; a known name costs none."""
    flood = [message("state", b"{", device="stranger", received=START + number) for number in range(1_000)]
    assert assembler.worth_a_look(flood[:1])
    assert not assembler.worth_a_look(flood[1:])
    assert assembler.worth_a_look([message("state", b"{", device="stranger", received=START + 1_000)])
    assert assembler.worth_a_look([message("state", b"{", device="another", received=START + 1_000)])
    assert not assembler.worth_a_look([message("state", b"{", device="one", received=START + 9_000)])
    assert not assembler.worth_a_look([Message("not/ours", b"{", START + 9_000)])

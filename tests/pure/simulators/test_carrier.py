"""The network between terminals and server: what is lost, kept, doubled, late, numbered and stamped."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from simulators.device import RING_SAMPLES
from simulators.network.carrier import Carrier, Delivery
from simulators.network.weather import Weather
from simulators.records import Event, Rows, blank

T0 = 1_000_000


def said(*slots: int, at: int) -> Rows:
    rows = blank(len(slots))
    rows["slot"], rows["ts"] = slots, at
    return rows


def carried(carrier: Carrier, seconds: int, *slots: int, start: int = 0) -> list[Delivery]:
    """So many seconds, in each of which these slots speak."""
    return [
        carrier.carry(said(*slots, at=T0 + s * 1_000), [], T0 + s * 1_000)
        for s in range(start + 1, start + seconds + 1)
    ]


def test_a_good_network_delivers_everything_in_order() -> None:
    """Numbered from 1, stamped with the story's time, 50 ms later."""
    carrier = Carrier(["a", "b"], Weather(), 1, T0)
    deliveries = carried(carrier, 5, 0, 1)
    assert [(link.slot, link.online) for link in deliveries[0].links] == [(0, True), (1, True)]
    for number, delivery in enumerate(deliveries, 1):
        assert delivery.rows["seq"].tolist() == [number, number]
        assert (delivery.rows["received"] - delivery.rows["ts"] == 50).all()


def test_a_cut_link_keeps_and_brings_everything() -> None:
    """Nothing while it is cut, the will at once; on return all of it, samples and events, with their own times."""
    carrier = Carrier(["a"], Weather(), 1, T0)
    carried(carrier, 3, 0)
    carrier.cut(0, T0 + 3_000)
    away = carried(carrier, 10, 0, start=3)
    carrier.carry(said(0, at=T0 + 14_000), [Event(T0 + 14_000, 0, "90", True)], T0 + 14_000)
    carrier.join(0, T0 + 14_000)
    back = carrier.carry(said(0, at=T0 + 15_000), [], T0 + 15_000)
    assert sum(len(delivery.rows) for delivery in away) == 0
    assert [link.online for link in away[0].links] == [False]
    assert [(link.online, link.conn) for link in back.links] == [(True, 2)]
    assert back.rows["seq"].tolist() == list(range(4, 16))
    assert back.rows["ts"].tolist() == [T0 + s * 1_000 for s in range(4, 16)]
    assert [(event.code, event.ts) for event in back.events] == [("90", T0 + 14_000)]


def test_the_ring_is_as_large_as_the_reference_device_s() -> None:
    """The oldest samples are given up, counted."""
    carrier = Carrier(["a"], Weather(), 1, T0)
    carrier.cut(0, T0)
    carried(carrier, RING_SAMPLES + 10, 0)
    carrier.join(0, T0 + 9_000_000)
    back = carrier.carry(said(at=0), [], T0 + 9_000_000)
    assert len(back.rows) == RING_SAMPLES
    assert carrier.counts.given_up == 10
    assert back.rows["seq"][0] == 11


def test_a_restart_takes_the_next_boot_and_counts_from_one() -> None:
    """Off for a while, then boot 2 and seq 1; a terminal that forgets comes back as boot 1."""
    for forgets, boot in ((False, 2), (True, 1)):
        carrier = Carrier(["a"], Weather(), 1, T0)
        carried(carrier, 3, 0)
        carrier.restart(0, T0 + 3_000, T0 + 8_000, forgets=forgets)
        assert sum(len(delivery.rows) for delivery in carried(carrier, 4, 0, start=3)) == 0
        carrier.join(0, T0 + 8_000)
        back = carried(carrier, 2, 0, start=7)
        assert [(int(d.rows["boot"][0]), int(d.rows["seq"][0])) for d in back] == [(boot, 1), (boot, 2)]
        assert carrier.counts.not_made == 4


def test_loss_leaves_holes_and_doubles_come_twice() -> None:
    """Of 2,000 samples about a tenth is missing by number, and about a fifth came twice, the same to the bit."""
    carrier = Carrier(["a"], Weather(loss=0.1, doubled=0.2), 1, T0)
    rows = [row for delivery in carried(carrier, 2_000, 0) for row in delivery.rows]
    numbers = [int(row["seq"]) for row in rows]
    assert 0.07 < carrier.counts.lost / 2_000 < 0.13
    assert 0.15 < carrier.counts.doubled / 2_000 < 0.25
    assert len(set(numbers)) < len(numbers)
    assert len(set(numbers)) <= 2_000 - carrier.counts.lost


def test_jitter_makes_samples_overtake_each_other() -> None:
    """They arrive in order of `received`, which is not the order of their numbers, and all of them arrive."""
    carrier = Carrier(["a"], Weather(jitter_ms=3_000), 1, T0)
    deliveries = [*carried(carrier, 600, 0), carrier.carry(said(at=0), [], T0 + 10_000_000)]
    received = [at for delivery in deliveries for at in delivery.rows["received"].tolist()]
    numbers = [seq for delivery in deliveries for seq in delivery.rows["seq"].tolist()]
    assert received == sorted(received)
    assert sorted(numbers) == list(range(1, 601))
    assert any(a > b for a, b in pairwise(numbers))


def test_clocks_lags_and_floods_are_of_one_terminal() -> None:
    """An offset, a standing clock, a late line and fifty copies change their own terminal's samples only."""
    carrier = Carrier(["a", "b", "c", "d", "e"], Weather(), 1, T0)
    carrier.offset_ms[0] = -900_000
    carrier.frozen_ms[1] = T0
    carrier.lag_ms[2] = 95_000
    carrier.flood[3] = 50
    deliveries = carried(carrier, 200, 0, 1, 2, 3, 4)
    rows = np.concatenate([delivery.rows for delivery in deliveries])
    late = {slot: rows[rows["slot"] == slot] for slot in range(5)}
    assert (late[0]["received"] - late[0]["ts"] == 900_050).all()
    assert (late[1]["ts"] == T0).all()
    assert (late[2]["received"] - late[2]["ts"] == 95_050).all()
    assert len(late[3]) == 50 * 200
    assert late[3]["seq"].tolist() == list(range(1, 10_001))
    assert (late[4]["received"] - late[4]["ts"] == 50).all()
    assert len(late[4]) == 200

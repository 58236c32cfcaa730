"""The server's clock: it never goes back, whatever the wall clock does."""

from __future__ import annotations

from hoistway.clock import ServerClock


class Hands:
    """A wall clock and a monotonic clock, in ms, moved by hand."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1_000_000, 0
        self.clock = ServerClock(wall_ns=lambda: self.wall * 1_000_000, monotonic_ns=lambda: self.monotonic * 1_000_000)

    def pass_ms(self, ms: int) -> int:
        self.wall, self.monotonic = self.wall + ms, self.monotonic + ms
        return self.clock.now_ms()


def test_a_step_back_stops_nothing() -> None:
    """After the wall clock was set back an hour, time goes on at its usual pace, and the difference is told."""
    hands = Hands()
    before = hands.pass_ms(5_000)
    hands.wall -= 3_600_000
    assert hands.clock.now_ms() == before
    assert hands.pass_ms(2_000) == before + 2_000
    assert hands.clock.behind_ms == 3_600_000


def test_a_step_forward_is_followed() -> None:
    """A machine that slept wakes up in the present."""
    hands = Hands()
    hands.wall += 86_400_000
    assert hands.clock.now_ms() == hands.wall
    assert hands.pass_ms(10) == hands.wall


def test_what_was_stored_before_is_the_past() -> None:
    """A process that starts after the clock was set back goes on from the newest stored time."""
    hands = Hands()
    hands.clock.not_before(5_000_000)
    assert hands.clock.now_ms() == 5_000_000
    assert hands.pass_ms(7) == 5_000_007

"""How desk and crews of a rehearsal act: when a dispatcher takes a case, when a crew answers, comes, and has everybody out. Pure.

Every choice follows from the seed and the name of what it is about. The figures are those of the field; what has no published one is
named as ours.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Habits:
    """Of a city's people. Times in seconds."""

    acknowledge_median_s: float = 12.0  # NENA: 90 % within 15 s
    away: float = 0.01  # share of cases at which nobody sits at the desk for a while (hoistway)
    away_s: float = 150.0
    accept_median_s: float = 45.0  # 96333 centres: 3-minute response 99 to 100 %
    deaf: float = (
        0.03  # share of orders that nobody answers (hoistway: worse than published, so that escalation is rehearsed)
    )
    set_out_s: float = 60.0
    arrive_mean_s: float = 595.8  # Hangzhou 2022: 9.93 min to arrive
    on_site_mean_s: float = 307.8  # Hangzhou 2022: 5.13 min from arrival to release
    call_119_s: float = 40.0  # of level 3, until the desk has called (hoistway)
    voice_s: float = 35.0  # a talk with the car (hoistway)
    close_s: float = 300.0  # until the desk closes a released case (hoistway)


class People:
    """One city's people."""

    def __init__(self, seed: int, habits: Habits | None = None) -> None:
        self._seed, self.habits = seed, habits or Habits()

    def acknowledge_s(self, case: str) -> float:
        """Until a dispatcher has a new case."""
        rng = self._rng("acknowledge", case)
        if rng.random() < self.habits.away:
            return self.habits.away_s
        return _about(rng, self.habits.acknowledge_median_s, 0.6)

    def accept_s(self, order: str) -> float | None:
        """Until a crew accepts; None: never."""
        rng = self._rng("accept", order)
        return None if rng.random() < self.habits.deaf else _about(rng, self.habits.accept_median_s, 0.7)

    def arrive_s(self, order: str) -> float:
        """From the acceptance to the place."""
        return self._rng("arrive", order).gammavariate(6, self.habits.arrive_mean_s / 6)

    def on_site_s(self, order: str) -> float:
        """From the arrival until everybody is out, where the car lets them."""
        return self._rng("on-site", order).gammavariate(3, self.habits.on_site_mean_s / 3)

    def _rng(self, what: str, name: str) -> random.Random:
        return random.Random(f"{self._seed}:{what}:{name}")


def _about(rng: random.Random, median: float, spread: float) -> float:
    return median * rng.lognormvariate(0.0, spread)

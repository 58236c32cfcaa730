"""Chance as columns: every machine has its own stream of numbers, so that its life does not depend on how many others are played.

A counter hashed with the machine's key (the finaliser of splitmix64): no state but the counter, the same numbers on every processor
and with every release of numpy. Not for secrets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Slots = npt.NDArray[np.int64]
Column = npt.NDArray[Any]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_A, _B, _C, _D = (np.uint64(bits) for bits in (30, 27, 31, 11))
_SCALE: Final = 2.0**-53


def mixed(values: Column) -> Column:
    """64 bits in, 64 bits out, every one of which depends on all."""
    z = (values ^ (values >> _A)) * _FIRST
    z = (z ^ (z >> _B)) * _SECOND
    answer: Column = z ^ (z >> _C)
    return answer


def keys_of(names: Sequence[str], purpose: str, seed: int) -> Column:
    """One key a name."""
    start = hashlib.blake2b(f"{seed}:{purpose}".encode(), digest_size=8)
    made = np.empty(len(names), np.uint64)
    for at, name in enumerate(names):
        one = start.copy()
        one.update(name.encode())
        made[at] = int.from_bytes(one.digest(), "little")
    return made


class Chance:
    """Streams of uniform numbers, one a slot."""

    def __init__(self, keys: Column) -> None:
        self._keys = keys
        self._count = np.zeros(len(keys), np.uint64)

    def uniform(self, slots: Slots) -> Column:
        """The next number in [0, 1) of each of these slots, none of which stands there twice."""
        count = self._count[slots] + np.uint64(1)
        self._count[slots] = count
        return uniform(self._keys[slots], count)

    def below(self, slots: Slots, most: Column | int) -> Column:
        """The next whole number in 0..most-1."""
        return (self.uniform(slots) * most).astype(np.int64)

    def exponential(self, slots: Slots) -> Column:
        """The next waiting time with mean 1."""
        return -np.log1p(-self.uniform(slots))


def _array(count: Column | np.uint64) -> Column:
    """Arrays wrap around silently, single numbers warn."""
    return count if isinstance(count, np.ndarray) else np.array([count], np.uint64)


def uniform(keys: Column, count: Column | np.uint64) -> Column:
    """The number in [0, 1) that stands at `count` in each key's stream."""
    return (mixed(keys + _array(count) * _GOLDEN) >> _D).astype(np.float64) * _SCALE


def normal(keys: Column, count: Column | np.uint64) -> Column:
    """About normal, mean 0 and deviation 1, never beyond 3.5: four sums of sixteen bits each."""
    bits = mixed(keys + _array(count) * _GOLDEN)
    low = np.uint64(0xFFFF)
    total = (bits & low) + ((bits >> np.uint64(16)) & low) + ((bits >> np.uint64(32)) & low) + (bits >> np.uint64(48))
    answer: Column = (total.astype(np.float64) / 65_535.0 - 2.0) * 1.7320508
    return answer

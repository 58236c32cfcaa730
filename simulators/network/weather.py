"""How good the network is for everybody, and which terminals speak through one gateway: the `[network]` table of a story."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Weather:
    """Shares are of the samples; times in ms."""

    delay_ms: int = 50  # at least
    jitter_ms: int = 0  # mean of the exponential part on top; above a terminal's interval samples overtake each other
    loss: float = 0.0  # gone for ever: the number is missing
    doubled: float = 0.0  # sent twice
    gateway: int = 0  # lifts behind one gateway; 0: each terminal has its own line

"""What makers' terminals are like: when they speak, what is fitted, how good the sensors are.

Made-up makers with the habits of real ones: report by change with a heartbeat or at a fixed rate, a person sensor that holds what it saw,
noise, drift and fields that are missing now and then. Wrong polarity and sticking are faults with a truth, so they stand in the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hoistway.limits import HEARTBEAT_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Vendor:
    """One maker's terminal."""

    name: str
    word: str  # stands in the register's column `maker`
    by_change: bool  # else at a fixed rate
    active_s: int  # interval while car or door moves; of a fixed-rate terminal the only one
    heartbeat_s: int
    person_hold_s: int  # a seen person is shown for so long after he left
    speed_noise_m_s: float  # standard deviation while the car runs
    load_noise_kg: float
    load_drift_kg_day: float  # taken back by the half-monthly calibration
    dropout: float  # share of samples in which speed and load are missing
    brake: bool
    vibration: bool
    temperature: bool


VENDORS: Final = (
    Vendor(
        name="careful", word="甲", by_change=True, active_s=1, heartbeat_s=HEARTBEAT_S, person_hold_s=0, speed_noise_m_s=0.01,
        load_noise_kg=5, load_drift_kg_day=0, dropout=0, brake=True, vibration=True, temperature=True,
    ),
    Vendor(
        name="infrared", word="乙", by_change=True, active_s=1, heartbeat_s=HEARTBEAT_S, person_hold_s=10, speed_noise_m_s=0.03,
        load_noise_kg=15, load_drift_kg_day=2, dropout=0.001, brake=False, vibration=False, temperature=True,
    ),
    Vendor(
        name="fixed-rate", word="丙", by_change=False, active_s=5, heartbeat_s=5, person_hold_s=3, speed_noise_m_s=0.02,
        load_noise_kg=10, load_drift_kg_day=0.5, dropout=0.002, brake=True, vibration=False, temperature=False,
    ),
    Vendor(
        name="plain", word="丁", by_change=True, active_s=2, heartbeat_s=HEARTBEAT_S, person_hold_s=5, speed_noise_m_s=0.05,
        load_noise_kg=30, load_drift_kg_day=4, dropout=0.005, brake=False, vibration=False, temperature=False,
    ),
    Vendor(
        name="camera", word="戊", by_change=True, active_s=1, heartbeat_s=HEARTBEAT_S, person_hold_s=0, speed_noise_m_s=0.01,
        load_noise_kg=8, load_drift_kg_day=0.2, dropout=0.0005, brake=True, vibration=True, temperature=True,
    ),
)  # fmt: skip
"""The PIR hold of 10 s and the loop of half a second come from vendor firmware (domain facts); the rest is assumed."""


def vendor_of(maker: str, device: str) -> int:
    """Position in `VENDORS` of the maker that the register names; else one by the device's name."""
    for at, vendor in enumerate(VENDORS):
        if vendor.word in maker:
            return at
    return sum(device.encode()) % len(VENDORS)

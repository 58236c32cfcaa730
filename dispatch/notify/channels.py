"""The channels, how much of each may be under way, and how long it is tried. Pure: no I/O, no clock; chance is an argument.

Where no source is named, the figure is hoistway's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Channel(StrEnum):
    WEBHOOK = "webhook"
    SMS = "sms"
    VOICE = "voice"
    MAIL = "mail"
    DINGTALK = "dingtalk"
    WECOM = "wecom"
    FEISHU = "feishu"
    APPRISE = "apprise"
    DEVICE = "device"  # the terminal's loudspeaker
    CONSOLE = "console"  # a file: where exercises end


ROBOTS: Final = frozenset({Channel.DINGTALK, Channel.WECOM, Channel.FEISHU, Channel.APPRISE})
"""Groups: one message for everybody in them, so no link that only one may use."""
ADDRESS_OF: Final[Mapping[Channel, str]] = {
    Channel.SMS: "phone",
    Channel.VOICE: "phone",
    Channel.MAIL: "mail",
    **{robot: robot.value for robot in ROBOTS},
}
"""The kind of address that a channel needs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelLimits:
    """One channel's limits. Seconds."""

    slots: int  # under way at once
    each: int  # of them to one receiver
    timeout_s: float  # one attempt
    horizon_s: int  # no further attempt so long after the first; then it is a dead letter


LIMITS: Final[Mapping[Channel, ChannelLimits]] = {
    Channel.WEBHOOK: ChannelLimits(slots=64, each=4, timeout_s=15, horizon_s=86_400),
    Channel.SMS: ChannelLimits(slots=32, each=32, timeout_s=10, horizon_s=900),
    Channel.VOICE: ChannelLimits(slots=16, each=16, timeout_s=10, horizon_s=900),
    Channel.MAIL: ChannelLimits(slots=8, each=8, timeout_s=20, horizon_s=14_400),
    Channel.DINGTALK: ChannelLimits(slots=8, each=2, timeout_s=10, horizon_s=900),
    Channel.WECOM: ChannelLimits(slots=8, each=2, timeout_s=10, horizon_s=900),
    Channel.FEISHU: ChannelLimits(slots=8, each=2, timeout_s=10, horizon_s=900),
    Channel.APPRISE: ChannelLimits(slots=8, each=2, timeout_s=20, horizon_s=900),
    Channel.DEVICE: ChannelLimits(slots=64, each=64, timeout_s=5, horizon_s=300),
    Channel.CONSOLE: ChannelLimits(slots=16, each=16, timeout_s=5, horizon_s=900),
}
"""Webhooks: Standard Webhooks asks for 15 to 30 s and for retries over a day or more. A message about a rescue that comes later than
fifteen minutes helps nobody: the next channel has gone out long before."""
LEASE_S: Final = 60.0
"""A claim of a process that was killed while sending is free again after so long; more than any attempt takes."""
FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 1_800.0


def pause_s(attempts: int, chance: float) -> float:
    """The pause after `attempts` (1 or more) failed ones: doubled each time, of it between half and all, by `chance` in 0..1.

    The jitter keeps receivers that came back from being met by everybody at the same moment.
    """
    longest: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 30))
    return longest * (0.5 + chance / 2)

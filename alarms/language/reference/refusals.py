"""Rules that are refused, each with the place and the words of the error. The page shows them; a test holds them against the reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alarms.language.reference.entries import complete


@dataclass(frozen=True, kw_only=True)
class Refusal:
    what: str
    lines: str  # of the rule, after what every rule must say
    line: int  # in the file
    column: int
    message: str

    @property
    def text(self) -> str:
        """The rule file."""
        return complete(self.lines)


REFUSALS: Final[tuple[Refusal, ...]] = (
    Refusal(
        what="an unknown signal",
        lines='when = "passenger and sped > 3"',
        line=8,
        column=23,
        message="unknown name 'sped'; expected a signal, e.g. speed",
    ),
    Refusal(
        what="an unknown word of an enumeration",
        lines='when = "power == outt"',
        line=8,
        column=18,
        message="not a word of power; expected out, or another of mains, out, battery",
    ),
    Refusal(
        what="an unknown event code",
        lines="when = 'reported(\"91\")'",
        line=8,
        column=18,
        message="unknown event code '91'; expected one of 01, 02, 03, 04, 05, 06, 07, 08, 40, 41, 42, 43, 44, 45, 46, 47, 61, 62, 63, 64, 65, 90, entrapment, top-overtravel, bottom-overtravel, overspeed, door-open-running, emergency-stop, self-test, platform-probe",
    ),
    Refusal(
        what="an unknown function",
        lines='when = "surly(passenger)"',
        line=8,
        column=9,
        message="unknown function 'surly'; expected a function, e.g. surely",
    ),
    Refusal(
        what="an unknown key",
        lines='whem = "passenger"',
        line=8,
        column=1,
        message="unknown key 'whem'; expected a key, e.g. when",
    ),
    Refusal(
        what="a wrong type",
        lines='when = "passenger and speed"',
        line=8,
        column=23,
        message="this is a number; expected a condition",
    ),
    Refusal(
        what="a chained comparison",
        lines='when = "1 < speed < 3"',
        line=8,
        column=19,
        message="comparisons cannot be chained; expected 'and' or 'or'",
    ),
    Refusal(
        what="a signal of another kind of equipment",
        lines='when = "occupied"',
        line=8,
        column=9,
        message="occupied exists only for escalators; expected a name that lifts have",
    ),
    Refusal(
        what="never true: outside the range",
        lines='when = "passenger and abs(speed) > 25"',
        line=8,
        column=23,
        message="when: can never be true: 25 is compared with a number from 0 to 20; expected a condition that some record fulfils",
    ),
    Refusal(
        what="never true: no word is left",
        lines='when = "power not in (mains, out, battery)"',
        line=8,
        column=9,
        message="when: can never be true; expected a condition that some record fulfils",
    ),
    Refusal(
        what="never true: two words at once",
        lines='when = "power == mains and not light and power == out"',
        line=8,
        column=42,
        message="when: can never be true: not together with what stands before it; expected a condition that some record fulfils",
    ),
    Refusal(
        what="never true: a contradiction",
        lines='when = "passenger and door_zone and not passenger"',
        line=8,
        column=37,
        message="when: can never be true: not together with what stands before it; expected a condition that some record fulfils",
    ),
    Refusal(
        what="never true: two bounds",
        lines='when = "speed > 3 and speed < 2"',
        line=8,
        column=23,
        message="when: can never be true: not together with what stands before it; expected a condition that some record fulfils",
    ),
    Refusal(
        what="never true: witnesses that cannot both be",
        lines='when = "moving and car_status == stopped"',
        line=8,
        column=20,
        message="when: can never be true: not together with what stands before it; expected a condition that some record fulfils",
    ),
    Refusal(
        what="never true: two counts",
        lines='when = \'count(moving, "10m") > 5 and count(moving, "10m") < 3\'',
        line=8,
        column=38,
        message="when: can never be true: not together with what stands before it; expected a condition that some record fulfils",
    ),
    Refusal(
        what="never true: hours that do not meet",
        lines='when = \'during("08:00-09:00") and during("10:00-11:00")\'',
        line=8,
        column=35,
        message="when: can never be true: not together with what stands before it; expected a condition that some record fulfils",
    ),
    Refusal(
        what="always true",
        lines='when = "known(light) or unknown(light)"',
        line=8,
        column=9,
        message="when: is always true; expected a condition that can be false",
    ),
    Refusal(
        what="never raised: unless is always true",
        lines='when = "passenger"\nunless = "possibly(speed < 30)"',
        line=9,
        column=11,
        message="unless: is always true, so the rule is never raised; expected a condition that can be false",
    ),
    Refusal(
        what="never raised: unless is true whenever when is",
        lines='when = "power == out"\nunless = "power != mains"',
        line=9,
        column=11,
        message="unless: is true whenever the rule would be raised; expected a condition that can be false then",
    ),
    Refusal(
        what="no way to clear: clear is never true",
        lines='when = "passenger"\nclear = "door_closed and door_status == open"',
        line=9,
        column=26,
        message="clear: can never be true, so the alarm could never clear: not together with what stands before it; expected a condition that some record fulfils",
    ),
    Refusal(
        what="no way to clear: when is never false",
        lines='when = "speed < 30"',
        line=8,
        column=9,
        message="when: can never be false, so the alarm could never clear; expected a clear, or a condition that can be false",
    ),
    Refusal(
        what="no way to clear: until is never true",
        lines='when = "passenger"\nuntil = "load < 0"\nfor = "1m"',
        line=9,
        column=10,
        message="until: can never be true, so nothing would end what the rule waits for: load from 0 to 20000 is compared with 0; expected a condition that some record fulfils",
    ),
    Refusal(
        what="a sequence that cannot begin",
        lines='when = "moving"\nuntil = "possibly(moving)"\nfor = "1m"',
        line=9,
        column=10,
        message="until: is never false while when is true; expected a condition that can be false then",
    ),
    Refusal(
        what="cleared while it lasts",
        lines='when = "passenger and not moving"\nclear = "not moving"',
        line=9,
        column=10,
        message="the alarm would clear while what raised it lasts, again and again; expected a clear that can be false then",
    ),
    Refusal(
        what="a bad length of time",
        lines='when = "passenger"\nfor = "20"',
        line=9,
        column=7,
        message="for: '20' is not a duration; expected a number with ms, s, m or h, as \"20s\"",
    ),
    Refusal(
        what="a window that is none",
        lines="when = 'count(moving, \"5s\") > 3'",
        line=8,
        column=23,
        message='not a window; expected whole seconds from "10s" to "720h"',
    ),
    Refusal(
        what="hours that are none",
        lines="when = 'passenger and during(\"22:00-26:00\")'",
        line=8,
        column=30,
        message='not hours; expected "22:00-06:00" or "mon-fri 07:30-17:00", several parted by ;',
    ),
    Refusal(
        what="a level that is no step up",
        lines='when = "temperature > 40"\n[[rule.level]]\nseverity = "minor"\nwhen = "temperature > 60"',
        line=10,
        column=12,
        message="severity: not more severe than major; expected a step up",
    ),
    Refusal(
        what="a level that is never true",
        lines='when = "temperature > 40"\n[[rule.level]]\nseverity = "critical"\nwhen = "temperature > 160"',
        line=11,
        column=9,
        message="when: can never be true: 160 is compared with temperature from -60 to 150; expected a condition that some record fulfils",
    ),
    Refusal(
        what="a shield that is no rule",
        lines='when = "passenger"\nshielded_by = ["power-out"]',
        line=9,
        column=15,
        message="shielded_by: 'power-out' is no other rule of this set; expected an id, and there is none",
    ),
    Refusal(
        what="an excuse for the alarm button",
        lines='when = \'reported("90")\'\nunless = "door_zone"',
        line=9,
        column=10,
        message='unless: a rule about the alarm button, reported("90"), is never held back; expected no unless',
    ),
    Refusal(
        what="a silent rule that counts",
        lines='silent_for = "180s"\nwhen = \'count(moving, "10m") > 3\'',
        line=9,
        column=9,
        message="count() remembers records, and silence has none; expected a rule without silent_for",
    ),
    Refusal(
        what="a sequence that waits for nothing",
        lines='when = "passenger"\nuntil = "moving"',
        line=9,
        column=9,
        message='until: a sequence waits for something; expected for = "1s" or more',
    ),
    Refusal(
        what="a hold of a rule that is not there",
        lines='silent_for = "180s"\nwhen = \'passenger and holding("stuck")\'',
        line=9,
        column=23,
        message="no rule with a hold has the id 'stuck'; expected a rule, and there is none",
    ),
)

"""Entries of the reference: the keys of a rule and of a step of its ladder."""

from __future__ import annotations

from typing import Final

from alarms.language.reference.entries import Entry, entry

_LIGHT: Final = 'when = "not light"'
_DARK: Final = ("0 light=false\n5 light=true", "0 raise\n5 clear")
_HOT: Final = (
    'severity = "minor"\nwhen = "temperature > 40"\n[[rule.level]]\nseverity = "major"\nwhen = "temperature > 60"'
)

KEYS: Final[tuple[Entry, ...]] = (
    entry(
        "id",
        ("规则编号", "Id"),
        "The rule's name in alarms, in `shielded_by` and in a lift's own numbers: 2 to 64 lower-case letters, digits and `-`, unique.",
        (f'id = "car-light"\n{_LIGHT}', *_DARK),
    ),
    entry(
        "title",
        ("名称", "Title"),
        "What people read, in Chinese and English.",
        (f'title = {{ zh = "轿厢照明故障", en = "Car light out" }}\n{_LIGHT}', *_DARK),
    ),
    entry(
        "advice",
        ("处置建议", "Advice"),
        "What a dispatcher should do, in Chinese and English.",
        (f'advice = {{ zh = "通知维保单位", en = "Tell the maintenance firm" }}\n{_LIGHT}', *_DARK),
    ),
    entry(
        "kind",
        ("设备类型", "Kind of equipment"),
        "`lift`, `escalator` or `any`. A rule names only what its kind of equipment has.",
        ('kind = "escalator"\nwhen = "step_missing"', "0 step_missing=true\n5 step_missing=false", "0 raise\n5 clear"),
    ),
    entry(
        "when",
        ("触发条件", "Condition"),
        "What must be true for an alarm. Unknown is not true, and not false either: it does not clear what was raised.",
        ('when = "speed > 2"', "0 light=true\n1 speed=2.5\n2 light=true\n3 speed=1", "1 raise\n3 clear"),
    ),
    entry(
        "until",
        ("终止条件 (序列)", "What ends a sequence"),
        "Makes the rule a sequence: `when` was true, and then `until` was not for as long as `for` says.",
        (
            'when = \'reported("41")\'\nuntil = "moving"\nfor = "60s"',
            "0 car_status=stopped\n5 event 41\n30 car_status=stopped\n65 tick\n80 car_status=running speed=1",
            "65 raise by device\n80 clear by device",
        ),
    ),
    entry(
        "for",
        ("持续时间", "Hold"),
        "How long the condition must hold: a whole number with `ms`, `s`, `m` or `h`; `0s` if left out, at most `720h`.",
        (f'{_LIGHT}\nfor = "20s"', "0..10/10 light=false\n20 tick\n25 light=true", "20 raise\n25 clear"),
    ),
    entry(
        "unless",
        ("抑制条件", "Excuse"),
        "Looked at when the alarm is about to be raised. Where it is true a rescue or alarm call is raised as a notice, anything else waits.",
        (
            f'{_LIGHT}\nunless = "service_mode == inspection"',
            "0 light=false service_mode=inspection\n10 light=false service_mode=normal",
            "10 raise",
        ),
    ),
    entry(
        "shielded_by",
        ("屏蔽规则", "Shields"),
        "Ids of other rules of the set. While one of their alarms is active on the lift, this rule is held back as by `unless`.",
        (
            f'{_LIGHT}\nshielded_by = ["power-out"]',
            "0 power=out light=true\n1 power=out light=false\n2 power=mains light=false\n3 power=mains light=false",
            "3 raise",
        ),
        others=('id = "power-out"\nwhen = "power == out"',),
    ),
    entry(
        "clear",
        ("解除条件", "What clears"),
        "The condition that ends the alarm; if left out, `not (when)`, of a sequence `until`.",
        ('when = "speed > 2"\nclear = "speed < 1.5"', "0 speed=2.5\n1 speed=1.8\n2 speed=1.2", "0 raise\n2 clear"),
    ),
    entry(
        "clear_for",
        ("解除持续时间", "Hold of the clear"),
        "How long what clears must hold.",
        (f'{_LIGHT}\nclear_for = "10s"', "0 light=false\n5..10/5 light=true\n15 tick", "0 raise\n15 clear"),
    ),
    entry(
        "witness",
        ("设备佐证", "Witness"),
        "Event codes by which a device reports the same fault. One alarm says who saw it: the rule, the device or both. A `when` that names `reported` and no signal is the device's word too.",
        (
            'when = "not moving and not door_zone"\nfor = "20s"\nwitness = ["04"]',
            "0 event 04\n1..21/10 car_status=stopped door_zone=false\n25 event 04 over\n30 car_status=stopped door_zone=true",
            "0 raise by device\n21 change by both\n30 clear by both",
        ),
    ),
    entry(
        "silent_for",
        ("静默时间", "Silence"),
        "Makes the rule silent: it speaks when nothing has been received for so long; at least `1s`. The next sign of life clears.",
        ('silent_for = "180s"', "0 light=true\n180 tick\n200 light=true", "180 raise\n200 clear"),
    ),
    entry(
        "silent_for_link_lost",
        ("断线后的静默时间", "Silence on a lost link"),
        "The limit that counts once the link is known to be lost; only with `silent_for`.",
        (
            'silent_for = "180s"\nsilent_for_link_lost = "30s"',
            "0 light=true\n10 link lost\n40 tick\n50 link up",
            "40 raise\n50 clear",
        ),
    ),
    entry(
        "severity",
        ("级别", "Severity"),
        "`critical`, `major`, `minor` or `notice`.",
        (f'severity = "minor"\n{_LIGHT}', *_DARK),
    ),
    entry(
        "opens",
        ("处置类型", "What it opens"),
        "`rescue`, `alarm-call`, `ticket` or `notice`. The first two are never held back: where `unless` is true they come as a notice, and in full when it ends.",
        (
            'opens = "rescue"\nwhen = "passenger and not moving"\nunless = "service_mode == inspection"',
            "0 passenger=true car_status=stopped service_mode=inspection\n10 passenger=true car_status=stopped service_mode=normal",
            "0 raise demoted\n10 promote",
        ),
    ),
    entry(
        "confirm_s",
        ("语音确认秒数", "Voice check"),
        "0 to 60: the case waits so many seconds for a voice check before it goes out by itself. The alarm does not wait.",
        (
            'opens = "rescue"\nconfirm_s = 30\nwhen = "passenger and not moving"',
            "0 passenger=true car_status=stopped",
            "0 raise",
        ),
    ),
    entry(
        "enabled",
        ("启用", "Switch"),
        "`false`: the rule is checked and listed, and not run.",
        (f"enabled = false\n{_LIGHT}", "0 light=false", ""),
        others=(f'id = "dark"\n{_LIGHT}',),
    ),
    entry(
        "source",
        ("依据", "Source"),
        "Where the threshold comes from.",
        (f'source = "maintenance firm, letter of 2026"\n{_LIGHT}', *_DARK),
    ),
    entry(
        "codes",
        ("城市代码", "Codes of cities"),
        "The fault's code in a city's list.",
        (f'codes = {{ shanghai = "09" }}\n{_LIGHT}', *_DARK),
    ),
    entry(
        "level",
        ("级别阶梯", "Ladder"),
        "`[[rule.level]]`: a further step, at most four. Severity climbs and never falls while the alarm lasts.",
        (
            _HOT,
            "0 temperature=45\n10 temperature=65\n20 temperature=45\n30 temperature=30",
            "0 raise\n10 change level 1\n30 clear level 1",
        ),
    ),
)

LEVEL_KEYS: Final[tuple[Entry, ...]] = (
    entry(
        "severity",
        ("阶梯级别", "Severity of a step"),
        "More severe than the step before it.",
        (_HOT, "0 temperature=45\n10 temperature=65", "0 raise\n10 change level 1"),
    ),
    entry(
        "when",
        ("阶梯条件", "Condition of a step"),
        "What takes the alarm to this step. A step raises the alarm too, if the rule itself has not.",
        (_HOT, "0 temperature=65", "0 raise\n0 change level 1"),
    ),
    entry(
        "for",
        ("阶梯持续时间", "Hold of a step"),
        "How long the step's condition must hold.",
        (
            'severity = "minor"\nwhen = "not light"\n[[rule.level]]\nseverity = "major"\nwhen = "not light"\nfor = "60s"',
            "0..30/30 light=false\n60 tick",
            "0 raise\n60 change level 1",
        ),
    ),
    entry(
        "opens",
        ("阶梯处置类型", "What a step opens"),
        "`ticket` or `notice`; the rule's if left out.",
        (
            _HOT.replace('severity = "minor"', 'severity = "minor"\nopens = "notice"') + '\nopens = "ticket"',
            "0 temperature=45\n10 temperature=65",
            "0 raise\n10 change level 1",
        ),
    ),
)

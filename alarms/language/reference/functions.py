"""Entries of the reference: functions, and the two words that are no signals."""

from __future__ import annotations

from typing import Final

from alarms.language.reference.entries import Entry, entry

FUNCTIONS: Final[tuple[Entry, ...]] = (
    entry(
        "reported",
        ("已上报代码", "Reported"),
        '`reported("CODE")`: true while the last event of this code said active; false before the first; never unknown.',
        ("when = 'reported(\"02\")'", "0 event 02\n5 event 02 over", "0 raise by device\n5 clear by device"),
    ),
    entry(
        "known",
        ("已知", "Known"),
        "`known(x)`: whether x, of any type, is known; never unknown itself.",
        ('when = "known(light)"', "0 speed=0\n1 light=false\n2 speed=0", "1 raise\n2 clear"),
        truth=("known(a)", "known(x)"),
    ),
    entry(
        "unknown",
        ("未知", "Unknown"),
        "`unknown(x)`: the opposite of `known(x)`.",
        ('when = "unknown(passenger)"', "0 light=true\n1 passenger=false", "0 raise\n1 clear"),
        truth=("unknown(a)", "unknown(x)"),
    ),
    entry(
        "surely",
        ("确定为真", "Surely"),
        "`surely(c)`: c, with unknown taken as false.",
        ('when = "not surely(light)"', "0 speed=0\n1 light=true", "0 raise\n1 clear"),
        truth=("surely(a)",),
    ),
    entry(
        "possibly",
        ("可能为真", "Possibly"),
        "`possibly(c)`: c, with unknown taken as true.",
        (
            'when = "not light and possibly(passenger)"',
            "0 light=false\n1 light=false passenger=false",
            "0 raise\n1 clear",
        ),
        truth=("possibly(a)",),
    ),
    entry(
        "abs",
        ("绝对值", "Absolute value"),
        "`abs(x)`: x without its sign.",
        ('when = "abs(speed) > 2"', "0 speed=-2.5\n1 speed=-1", "0 raise\n1 clear"),
        truth=("abs(x) > 1",),
    ),
    entry(
        "param",
        ("电梯参数", "A lift's own number"),
        '`param("name", default)`: the lift\'s own number of that name (register column `parameters`), else the default.',
        ("when = 'temperature > param(\"hot\", 40)'", "0 temperature=45\n1 temperature=55", "1 raise"),
        own={"hot": 50.0},
        truth=('x > param("limit", 2)',),
    ),
    entry(
        "rated_speed",
        ("额定速度", "Rated speed"),
        "The lift's rated speed in m/s from the register, possibly unknown. No parentheses.",
        ('when = "abs(speed) > 1.2 * rated_speed"', "0 speed=2\n1 speed=2.5\n2 speed=1", "1 raise\n2 clear"),
        truth=("x > rated_speed",),
    ),
    entry(
        "during",
        ("时段", "Hours"),
        "`during(\"mon-fri 07:30-17:00; 22:00-06:00\")`: whether the record's time lies in these hours of the city's local time. From inclusive, to "
        "exclusive; over midnight belongs to the day on which it began; never unknown.",
        (
            "when = 'passenger and during(\"mon 22:00-06:00\")'",
            "21:59:59 passenger=true\n22:00:00 passenger=true\n22:00:30 passenger=false",
            "22:00:00 raise\n22:00:30 clear",
        ),
    ),
    entry(
        "changed",
        ("变化", "Changed"),
        "`changed(x)`: whether x, a signal, differs from the sample before. Unknown where x is unknown in either, after a gap, and at an event.",
        ('when = "changed(power)"', "0 power=mains\n1 power=out\n2 power=out", "1 raise\n2 clear"),
        truth=("changed(a)", "changed(x)"),
    ),
    entry(
        "age",
        ("持续秒数", "Age"),
        "`age(c)`: for how many seconds c has been true; 0 where it is false, unknown where it is unknown. A gap lets it start anew.",
        ('when = "age(passenger) > 20"', "0..30/10 passenger=true\n40 passenger=false", "30 raise\n40 clear"),
        truth=("age(a) > 5",),
    ),
    entry(
        "count",
        ("次数", "Count"),
        '`count(c, "10m")`: how often c has become true within this time, in ten equal steps; never unknown. The window is 10 s to 30 days.',
        (
            "when = 'count(moving, \"10m\") >= 2'",
            "0 speed=0\n1 speed=1\n2 speed=0\n3 speed=1\n30..570/60 speed=0\n600 speed=0",
            "3 raise\n600 clear",
        ),
        truth=('count(a, "10m") >= 1',),
    ),
    entry(
        "rate",
        ("变化率", "Rate"),
        '`rate(x, "1m")`: by how much x changes per second, against the first sample of the step of time before; unknown at an event. 1 s to 30 days.',
        (
            "when = 'rate(temperature, \"1m\") > 0.1'",
            "0 temperature=20\n60 temperature=23\n90 temperature=32\n120 temperature=25",
            "90 raise\n120 clear",
        ),
        truth=('rate(x, "1m") > 0',),
    ),
    entry(
        "since_reported",
        ("距上次上报秒数", "Since reported"),
        '`since_reported("CODE")`: seconds since the code was last raised; before the first time, since the lift\'s first record; never unknown.',
        (
            "when = 'since_reported(\"self-test\") > 60'",
            "0..60/30 light=true\n61 light=true\n70 event self-test",
            "61 raise\n70 clear",
        ),
    ),
    entry(
        "holding",
        ("正在保持", "Holding"),
        '`holding("rule-id", ...)`, silent rules only: a hold of one of these rules is running and its alarm is not raised.',
        (
            'silent_for = "60s"\nwhen = \'holding("stuck")\'',
            "0 passenger=true\n60 tick\n70 passenger=false",
            "60 raise\n70 clear",
        ),
        others=('id = "stuck"\nwhen = "passenger"\nfor = "5m"',),
    ),
    entry(
        "link_lost",
        ("链路中断", "Link lost"),
        "Silent rules only: the link is known to be lost. No parentheses.",
        (
            'silent_for = "60s"\nwhen = "link_lost"',
            "0 light=true\n10 link lost\n60 tick\n70 link up",
            "60 raise\n70 clear",
        ),
    ),
)

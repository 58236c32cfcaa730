"""Random rule sets that nobody would ship, for the property tests in this folder. No stream, no engine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

from alarms.language.reader import default_rules, load
from alarms.rules import RuleSet
from hoistway.errors import RuleError

_HOURS = (
    "22:14-22:16", "22:15-06:14", "06:14-06:16", "tue 22:15-06:15", "wed 06:14-06:20; tue 22:15-22:16", "tue-thu 05:14-07:15",
    "07:15-05:14", "mon 22:13-22:30; mon,wed 06:13-06:15",
)  # fmt: skip
"""Near the time at which the streams begin, in each of their zones."""
_DURING = tuple(f'during("{hours}")' for hours in _HOURS)
_ATOMS = (
    "passenger", "moving", "door_zone", "door_closed", "unknown(passenger)", "service_mode == inspection", "power == out",
    'reported("90")', 'reported("41")', 'abs(speed) > param("limit", 1.2) * rated_speed', "speed > 1",
    "service_mode not in (normal, fire_return)", "load / people > 70", "known(car_position)", "door_status != open",
)  # fmt: skip
_NEWER = (
    "top_floor", "not bottom_floor", "implausible", "brake == lifted", "clock_lag > 2", "clock_lag < 1", "known(clock_lag)", "clock_error < 0", 'since_reported("41") < 30',
    'since_reported("04") >= 12.5', "changed(passenger)", "changed(door_status)", "known(changed(speed))", "changed(car_position)",
    "changed(moving)", 'rate(load, "10s") > 0.5', 'rate(speed, "30s") < 0', 'count(passenger, "10s") >= 1', 'count(door_zone, "60s") > 1',
    'count(changed(passenger), "30s") >= 2', "age(passenger) >= 10", "age(passenger) < 45", 'rate(count(passenger, "20s"), "10s") > 0',
    'age(count(passenger, "10s") > 0) > 4.5', 'count(age(door_zone) > 3, "40s") == 2', 'rate(since_reported("41"), "1s") >= 1', *_DURING,
)  # fmt: skip
_TIMELESS = (
    'reported("90")', 'reported("41")', 'reported("40") or reported("44")', "rated_speed > 1", 'param("limit", 2) < 1', 'since_reported("41") < 30',
    'age(reported("41")) > 20', 'count(reported("04"), "20s") == 1', *_DURING,
)  # fmt: skip
_DURATIONS = ("0s", "1s", "2s", "10s", "20s", "45s", "60s", "89999ms", "90s", "95s", "120s", "150s", "150s")
_SHORT = ("0s", "0s", "2s", "10s", "30s")
_LADDER = ("minor", "major", "critical")


def _expressions(atoms: Sequence[str]) -> st.SearchStrategy[str]:
    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        window, seconds = st.sampled_from(("10s", "30s", "60s")), st.sampled_from((0, 1, 5, 20.5, 60))
        return st.one_of(
            st.tuples(inner, st.sampled_from((" and ", " or ")), inner).map(lambda parts: f"({''.join(parts)})"),
            st.tuples(st.sampled_from(("not ", "surely", "possibly")), inner).map(lambda pair: f"{pair[0]}({pair[1]})"),
            st.tuples(inner, seconds).map(lambda pair: f"age({pair[0]}) >= {pair[1]}"),
            st.tuples(inner, window, st.integers(0, 2)).map(lambda three: f'count({three[0]}, "{three[1]}") > {three[2]}'),
        )  # fmt: skip

    return st.recursive(st.sampled_from(atoms), larger, max_leaves=4)


_SIMPLE = (
    "passenger",
    "passenger",
    "not moving",
    "possibly(passenger)",
    "door_zone",
    "door_closed",
    "age(passenger) >= 5",
)
_simple = st.sampled_from((*_SIMPLE, 'reported("41")', 'reported("04")', "not top_floor"))
_newer = _expressions((*_NEWER, *_ATOMS[:4]))
_expression = st.one_of(_simple, _simple, _expressions(_ATOMS), _newer, _newer, _expressions(_TIMELESS))
_RARE = (
    "moving",
    "power == out",
    "not passenger",
    "unknown(passenger)",
    'reported("entrapment")',
    "changed(door_zone)",
)
_rare = st.one_of(st.sampled_from(_RARE), st.sampled_from(_RARE).map("surely({})".format), st.sampled_from(_NEWER))
_excuse = st.sampled_from(("service_mode == inspection", "service_mode == inspection", "not door_zone")) | _expression
_loud = st.sampled_from(("rescue", "alarm-call"))
_quiet = st.sampled_from(("ticket", "notice"))


def table(header: str = "rule", **keys: str | Sequence[str] | None) -> str:
    """A TOML table of texts and lists of texts; a key may end with `_` where Python keeps the word for itself."""
    lines = [f"[[{header}]]"]
    for key, value in keys.items():
        if value:
            lines.append(f"{key.rstrip('_')} = " + (f"'{value}'" if isinstance(value, str) else str(list(value))))
    return "\n".join(lines) + "\n"


def rule(severity: str = "minor", **keys: str | Sequence[str] | None) -> str:
    """The TOML table of a rule for lifts that says only what matters."""
    return table(severity=severity, **keys).replace("\n", '\ntitle = { zh = "某", en = "x" }\nkind = "lift"\nsource = "made up"\n', 1)  # fmt: skip


def _names_the_button(*texts: object) -> bool:
    return "90" in str(texts)


@st.composite
def _made_up(draw: st.DrawFn, number: int, others: Sequence[str]) -> str:
    """A plain rule, a sequence, a ladder, a rule with a witness, or a ladder with one; perhaps shielded."""
    shape = draw(st.sampled_from(("plain", "plain", "sequence", "ladder", "ladder", "witness", "both")))
    when, clear, unless = draw(_expression), draw(st.none() | _rare | _expression), draw(st.none() | _excuse)
    until = draw(_rare) if shape == "sequence" else None
    steps = draw(st.integers(1, 3)) if shape in {"ladder", "both"} else 0
    levels = [
        table("rule.level", severity=severity, when=draw(_expression), for_=draw(st.sampled_from(_SHORT)), opens=draw(st.none() | _quiet))
        for severity in _LADDER[:steps]
    ]  # fmt: skip
    codes = (
        draw(st.sets(st.sampled_from(("41", "04", "entrapment", "90")), min_size=1, max_size=2))
        if shape in {"witness", "both"}
        else set()
    )
    shields = draw(st.just(set()) | st.sets(st.sampled_from(others), min_size=1, max_size=2)) if others else set()
    if _names_the_button(when, until, clear, unless, levels, codes):
        unless, shields = None, set()
    head = rule(
        "notice" if steps else "major",
        id=f"hold-{number}",
        when=when,
        until=until,
        for_=draw(st.sampled_from(_DURATIONS[1:7] if until else _DURATIONS)),
        unless=unless,
        shielded_by=sorted(shields),
        clear=clear,
        clear_for=draw(st.sampled_from(("0s", "0s", "2s", "30s", "120s"))),
        witness=sorted(codes),
        opens=draw(_quiet if steps else _quiet | _loud),
    )
    return head + ("enabled = false\n" if draw(st.integers(0, 15)) == 15 else "") + "".join(levels)


@st.composite
def _made_up_silent(draw: st.DrawFn, number: int, holds: int, others: Sequence[str]) -> str:
    reason = [f'holding("hold-{index}")' for index in range(holds)]
    reason += ["link_lost", 'reported("41")', "passenger", *_DURING[:3], "top_floor", "clock_lag > 2", "implausible"]
    return rule(
        id=f"silent-{number}",
        when=draw(st.none() | st.sampled_from(reason)),
        silent_for=draw(st.sampled_from(("10s", "45s", "180s"))),
        silent_for_link_lost=draw(st.sampled_from((None, "5s", "30s"))),
        unless=draw(st.sampled_from((None, "service_mode == inspection"))),
        shielded_by=sorted(draw(st.sets(st.sampled_from(others), max_size=2))) if others else None,
        opens=draw(_quiet | _loud),
    )


def goes_live(text: str) -> bool:
    """Whether the rule, alone and without its shields, is not refused, as one is that can never be raised or never clear."""
    try:
        load(re.sub(r"^shielded_by.*\n", "", text, flags=re.MULTILINE), source="made-up.toml")
    except RuleError:
        return False
    return True


@st.composite
def rule_texts(draw: st.DrawFn) -> str:
    """A few rules that nobody would ship, one of the sharp texts, or nothing: then the shipped catalogue counts."""
    if (fixed := draw(st.integers(0, 7))) >= 5:
        return draw(st.sampled_from(SHARP_TEXTS)) if fixed < 7 else ""
    holds, silences = draw(st.integers(1, 4)), draw(st.integers(0, 2))
    ids = [f"hold-{number}" for number in range(holds)] + [f"silent-{number}" for number in range(silences)]
    texts = [
        draw(_made_up(number, [name for name in ids if name != f"hold-{number}"]).filter(goes_live))
        for number in range(holds)
    ]
    texts += [
        draw(_made_up_silent(number, holds, [name for name in ids if name != f"silent-{number}"]))
        for number in range(silences)
    ]
    return "\n".join(draw(st.permutations(texts)))


_MANY = ("passenger", "not moving", "door_zone", 'reported("41")', "not passenger")
SHARP = {
    "holds": (
        rule(id="long", when="passenger", for_="120s", clear_for="120s", opens="ticket"),
        rule(id="excused", when="not moving", for_="2s", unless="service_mode == inspection", opens="ticket"),
        rule(id="silent", silent_for="180s", silent_for_link_lost="5s", opens="notice"),
    ),
    "lasting": (
        rule(id="hold-0", when="passenger", for_="150s", opens="ticket", unless="service_mode == inspection"),
        rule(id="hold-1", when="not moving and door_zone", for_="120s", clear_for="10s", opens="rescue", shielded_by=["hold-0"]),
    ),
    "memory": (
        rule(id="to-and-fro", when='count(changed(passenger), "10s") >= 2', opens="ticket"),
        rule(id="often", when='count(passenger, "60s") >= 2', clear_for="10s", opens="ticket"),
        rule(id="hold-0", when="age(possibly(passenger)) >= 10", for_="1s", opens="ticket"),
        rule(id="rose", when='count(passenger, "10s") >= 1', clear_for="1s", opens="ticket"),
        rule(id="once", when="changed(passenger)", clear="age(passenger) > 20", opens="ticket"),
        rule(id="steep", when='rate(load, "10s") > 0.05 or rate(since_reported("04"), "10s") < 0', opens="notice"),
        rule(id="lately", when='since_reported("41") < 15', opens="notice"),
        rule(id="hours", when='during("22:14-22:16; 06:15-06:17; 07:16-07:20")', opens="notice"),
    ),
    "shields": (
        rule(id="hold-1", when="not passenger", for_="5s", opens="rescue", shielded_by=["hold-0"], witness=["04"]),
        rule(id="hold-0", when="door_zone", opens="ticket"),
        rule(id="hold-3", when='reported("41")', opens="alarm-call", unless="service_mode == inspection", witness=["entrapment"]),
        rule(id="hold-2", when="possibly(passenger)", for_="2s", opens="ticket", shielded_by=["hold-3"]),
        rule(id="hold-4", when="power == out", opens="ticket", shielded_by=["hold-0"], witness=["41", "04", "entrapment"]),
        rule(id="silent-0", silent_for="45s", opens="rescue", shielded_by=["hold-0", "hold-3"]),
        rule(id="silent-1", silent_for="45s", opens="ticket", when="implausible or top_floor", shielded_by=["silent-0"]),
    ),
    "ladders": (
        rule("notice", id="hold-0", when="door_zone", opens="ticket", clear_for="2s", witness=["41", "entrapment"])
        + table("rule.level", severity="major", when="passenger", for_="2s")
        + table("rule.level", severity="critical", when="age(passenger) >= 10", opens="notice"),
        rule(id="hold-1", when="passenger", opens="rescue", witness=["41", "04"]),
        rule(id="hold-2", when="possibly(passenger)", clear="door_zone", opens="ticket"),
        rule(id="silent-0", silent_for="45s", opens="ticket", when='holding("hold-0")'),
    ),
    "sequences": (
        rule(id="hold-0", when="door_zone", until="surely(passenger)", for_="5s", opens="ticket"),
        rule(id="hold-1", when="changed(passenger)", until="service_mode == inspection", for_="3s", opens="ticket"),
        rule(id="hold-2", when="changed(passenger)", until="surely(moving)", for_="2s", clear="door_zone", opens="ticket"),
    ),
    "signals": (
        rule(id="inspected", when="service_mode == inspection", opens="ticket"),
        rule(id="odd", when="implausible", opens="ticket"),
        rule(id="top", when="surely(top_floor)", opens="notice"),
        rule(id="bottom", when="bottom_floor", for_="2s", opens="notice"),
        rule(id="late", when="clock_lag > 2", clear="known(clock_lag)", clear_for="1s", opens="notice"),
        rule(id="slope", when='known(rate(load, "10s"))', clear="known(changed(car_position))", opens="notice"),
        rule(id="fire", when='reported("44")', clear='reported("40")', opens="notice"),
        rule(id="braked", when="brake == applied or clock_error < 0", opens="notice"),
    ),
    "wide": tuple(
        rule(id=f"hold-{number}", when=("passenger", "not passenger")[number % 2], for_=f"{5 + number}s", opens="ticket")
        for number in range(12)
    ),
    "many": tuple(
        rule(
            id=f"hold-{number}", when=_MANY[number % 5], for_=f"{number // 5}s", clear_for=f"{number % 3}s",
            opens=("ticket", "rescue")[number % 2], unless="service_mode == inspection" if number % 5 < 3 else None,
            shielded_by=[f"hold-{(number + 61) % 70}"] if number % 7 == 0 else None,
        )
        for number in range(70)
    ),
}  # fmt: skip
"""Rules that streams of this folder often touch: holds that live long enough to be hurt; remembered conditions; joined
columns; more columns than one word of bits, and many holds at once."""
SHARP_TEXTS = tuple("\n".join(texts) for texts in SHARP.values())


def own_numbers() -> st.SearchStrategy[dict[str, float]]:
    """What a lift may have of its own for these rules."""
    holds = [f"for:hold-{number}" for number in range(3)]
    offs = ["off:hold-0", "off:hold-2", "off:silent-0"]
    return st.fixed_dictionaries(
        {},
        optional={
            **{name: st.sampled_from((0.0, 1.0, 2.5, 15.0, 40.0, 100.0)) for name in holds},
            **{name: st.sampled_from((1.0, 0.0)) for name in offs},
        },
    )


def rules_of(text: str) -> RuleSet:
    """The rule set of a drawn text."""
    return load(text, source="made-up.toml") if text else default_rules()

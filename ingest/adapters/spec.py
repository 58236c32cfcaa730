"""A foreign format as data: what its fields mean in our words, read from `formats/*.toml` and checked. Moves no payload.

title, source                what it is (zh, en) and where its fields were found
unpack                       name of the function that lays a message flat (`unpack`); none: it is flat
lift                         their field that names the lift, or several, joined by "-"
speaker                      their field of a login that names the terminal for what follows on the connection
clock = { from, form, zone } time of a sample; none: when it was received. form: local, rfc3339, unix-s, unix-ms
kind = { from, state, event, silent }   which messages are which, by the words of a field; none: whatever has the fields
only = { field = [words] }   messages with other words there are none of ours
[sample.SIGNAL] from =       their field; then one of
    values = { "1" = true }      their word = our value, "*" any other; a word that is not there is odd, and the signal unknown
    scale = 0.1                  a number, times this; or nothing: the value as it is
    unknown = ["0"]              their words for "unknown"
                             several tables in a list: the first whose field is there
[[flag]] from                a field of the state that says which faults hold now, one word or a list of them
    values or list               their word = our event codes: { "2" = ["entrapment"] }, or a code list of `alarms/codes`
    names                        with a list of numbers: their names from 0, where a message may have either
[event]                      a message that is an event
    code, list               their field; code list of `alarms/codes`
    active = { from, values }    their field, { "add" = true }; none: raised
    none = ["00"]            their words for "no fault": ends what this lift has reported
    latest = true            each message ends what the one before has raised
                             without a word that ends, each message is an occurrence of its own
    clock, data              as above; their fields that go along in `data`
ignored = { field = "why" }  known and not used
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

from alarms.codes import code_lists
from hoistway.errors import BadInput
from hoistway.model import EVENT_CODE, SIGNAL, Signal, SignalType
from ingest.adapters.unpack import UNPACK, Unpack, flat
from ingest.adapters.values import TimeForm

_FOLDER: Final = files("ingest.adapters").joinpath("formats")
_TOP: Final = frozenset({
    "title", "source", "unpack", "lift", "speaker", "clock", "kind", "only", "sample", "flag", "event", "ignored",
})  # fmt: skip
ANY_OTHER: Final = "*"
_ZONES: Final = {"Z": 0, "+08:00": 480}


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """Where a moment stands and how it is written."""

    source: str  # their field
    form: TimeForm
    zone_minutes: int  # east of UTC; only for local times


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalField:
    """Where one of our signals comes from."""

    signal: Signal
    source: str  # their field
    values: Mapping[str, bool | int | float | str] | None  # None: as it is
    scale: float
    unknown: frozenset[str]  # their words for "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag:
    """A field of the state that says which codes hold now."""

    source: str
    values: Mapping[str, tuple[str, ...]]  # their word, or each word of a list: our event codes


@dataclass(frozen=True, kw_only=True, slots=True)
class EventForm:
    """How a message tells of a fault raised or over."""

    code: str  # their field
    name: str  # what `codes` is called in an error
    codes: Mapping[str, tuple[str, ...]]  # their code: our event codes; none: we have no such event
    active: str | None  # their field
    values: Mapping[str, bool]
    none: frozenset[str]  # their words for "no fault"
    latest: bool  # each message ends what the one before has raised
    clock: Clock | None
    data: tuple[str, ...]  # their fields that go along

    @property
    def ends(self) -> bool:
        """Whether a message of it can say that something is over."""
        return bool(self.none) or self.latest or not all(self.values.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Kinds:
    """Which messages are samples, which events, and which say nothing of the lift."""

    source: str
    state: frozenset[str]
    event: frozenset[str]
    silent: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One foreign format."""

    id: str
    title: Mapping[str, str]  # zh, en
    source: str
    unpack: Unpack
    lift: tuple[str, ...]  # their fields, joined by "-"
    speaker: str | None
    clock: Clock | None
    kinds: Kinds | None
    only: Mapping[str, frozenset[str]]
    sample: tuple[SignalField, ...]
    flags: tuple[Flag, ...]
    event: EventForm | None
    ignored: Mapping[str, str]  # their field: why it is not used
    known: frozenset[str] = field(repr=False)  # every field that the format speaks of


def shipped() -> tuple[str, ...]:
    """Names of the formats that come with the program."""
    names = (item.name for item in _FOLDER.iterdir() if item.name.endswith(".toml"))
    return tuple(sorted(name.removesuffix(".toml") for name in names))


@cache
def shipped_format(name: str) -> Format:
    """A format by its name. Raises BadInput."""
    if name not in shipped():
        raise BadInput(f"no format {name!r}", where="FORMAT", expected=f"one of {', '.join(shipped())}")
    return read_format(_FOLDER.joinpath(f"{name}.toml").read_text("utf-8"), name=name)


def read_format(text: str, *, name: str) -> Format:
    """The format of a TOML text; every mistake is a BadInput that names the key."""
    where = f"format {name}"
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"not TOML: {error}", where=where, expected="a TOML file") from None
    _check(raw, _TOP, {"title", "source"}, where)
    if not isinstance(raw["title"], dict) or set(raw["title"]) != {"zh", "en"}:
        raise BadInput(f"title {raw['title']!r}", where=where, expected='{ zh = "...", en = "..." }')
    lift = raw.get("lift", [])
    found = Format(
        id=name,
        title=raw["title"],
        source=raw["source"],
        unpack=_unpack(raw.get("unpack"), where),
        lift=(lift,) if isinstance(lift, str) else tuple(lift),
        speaker=raw.get("speaker"),
        clock=_clock(raw.get("clock"), f"{where}: clock"),
        kinds=_kinds(raw.get("kind"), f"{where}: kind"),
        only={key: frozenset(map(str, words)) for key, words in raw.get("only", {}).items()},
        sample=tuple(_signal(key, item, f"{where}: sample.{key}") for key, item in _alternatives(raw)),
        flags=tuple(_flag(item, f"{where}: flag") for item in raw.get("flag", [])),
        event=_event(raw.get("event"), f"{where}: event"),
        ignored=raw.get("ignored", {}),
        known=frozenset(_named(raw)),
    )
    if not found.sample and not found.flags and found.event is None:
        raise BadInput("nothing becomes ours", where=where, expected="[sample], [[flag]] or [event]")
    return found


def _alternatives(raw: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Each signal with each table that it may come from."""
    sample = raw.get("sample", {})
    return [(key, item) for key, found in sample.items() for item in (found if isinstance(found, list) else [found])]


def _named(raw: Mapping[str, Any]) -> set[str]:
    """Every field of theirs that a format file names."""
    event = raw.get("event", {})
    tables = [raw.get("clock"), raw.get("kind"), event.get("clock"), event.get("active"), *raw.get("flag", [])]
    tables += [item for _, item in _alternatives(raw)]
    lift = raw.get("lift", [])
    names = {str(table["from"]) for table in tables if table}
    names |= {lift} if isinstance(lift, str) else set(lift)
    names |= {str(raw[key]) for key in ("speaker",) if key in raw} | {
        str(event[key]) for key in ("code", "active") if key in event
    }
    return names | set(event.get("data", [])) | set(raw.get("only", {})) | set(raw.get("ignored", {}))


def _check(raw: Any, known: Collection[str], needed: Collection[str], where: str) -> None:
    if not isinstance(raw, dict):
        raise BadInput(f"{raw!r}", where=where, expected=f"a table with {', '.join(sorted(known))}")
    for key in raw:
        if key not in known:
            raise BadInput(f"unknown key {key!r}", where=where, expected=f"one of {', '.join(sorted(known))}")
    for key in sorted(needed):
        if key not in raw:
            raise BadInput(f"no `{key}`", where=where, expected=f"`{key}`")


def _unpack(raw: Any, where: str) -> Unpack:
    if raw is None:
        return flat
    if raw not in UNPACK:
        raise BadInput(f"unpack {raw!r}", where=where, expected=f"one of {', '.join(sorted(UNPACK))}")
    return UNPACK[raw]


def _clock(raw: Any, where: str) -> Clock | None:
    if raw is None:
        return None
    _check(raw, {"from", "form", "zone"}, {"from", "form"}, where)
    if raw["form"] not in list(TimeForm):
        raise BadInput(f"form {raw['form']!r}", where=where, expected=f"one of {', '.join(TimeForm)}")
    form = TimeForm(raw["form"])
    if (form is TimeForm.LOCAL) != ("zone" in raw) or raw.get("zone", "Z") not in _ZONES:
        raise BadInput(
            f"zone {raw.get('zone')!r}", where=where, expected=f"one of {', '.join(_ZONES)} with local times only"
        )
    return Clock(source=raw["from"], form=form, zone_minutes=_ZONES[raw.get("zone", "Z")])


def _kinds(raw: Any, where: str) -> Kinds | None:
    if raw is None:
        return None
    _check(raw, {"from", "state", "event", "silent"}, {"from"}, where)
    words = {key: frozenset(map(str, raw.get(key, []))) for key in ("state", "event", "silent")}
    return Kinds(source=raw["from"], **words)


def _signal(name: str, raw: Any, where: str) -> SignalField:
    if name not in SIGNAL:
        raise BadInput(f"{name!r} is no signal of ours", where=where, expected=f"one of {', '.join(SIGNAL)}")
    _check(raw, {"from", "values", "scale", "unknown"}, {"from"}, where)
    signal, values = SIGNAL[name], raw.get("values")
    for value in (values or {}).values():
        if not _fits(signal, value):
            raise BadInput(f"value {value!r}", where=where, expected=f"a {signal.type} that {name} can have")
    unknown = frozenset(map(str, raw.get("unknown", [])))
    return SignalField(signal=signal, source=raw["from"], values=values, scale=raw.get("scale", 1.0), unknown=unknown)


def _fits(signal: Signal, value: Any) -> bool:
    match signal.type:
        case SignalType.BOOL:
            return isinstance(value, bool)
        case SignalType.ENUM:
            return type(value) is int and value in list(signal.values or ())
        case SignalType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case SignalType.LABEL:
            return isinstance(value, str)


def _flag(raw: Any, where: str) -> Flag:
    _check(raw, {"from", "values", "list", "names"}, {"from"}, where)
    values = dict(_codes(raw, where))
    values |= {name: values[str(number)] for number, name in enumerate(raw.get("names", [])) if str(number) in values}
    return Flag(source=raw["from"], values=values)


def _codes(raw: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """Their codes to ours, from a code list or from the file itself."""
    if ("values" in raw) == ("list" in raw):
        raise BadInput(
            "where their codes are explained is not clear", where=where, expected="either `values` or `list`"
        )
    if "list" in raw:
        lists = {one.id: one for one in code_lists()}
        if raw["list"] not in lists:
            raise BadInput(f"code list {raw['list']!r}", where=where, expected=f"one of {', '.join(lists)}")
        return {entry.code: entry.events for entry in lists[raw["list"]].entries}
    values = {word: tuple(codes) for word, codes in raw["values"].items()}
    for code in (code for codes in values.values() for code in codes):
        if code not in EVENT_CODE:
            raise BadInput(f"event code {code!r}", where=where, expected="a code of docs/mqtt.md section 3.2")
    return values


def _event(raw: Any, where: str) -> EventForm | None:
    if raw is None:
        return None
    _check(raw, {"code", "values", "list", "active", "none", "latest", "clock", "data"}, {"code"}, where)
    active = raw.get("active")
    if active is not None:
        _check(active, {"from", "values"}, {"from", "values"}, f"{where}.active")
        if not all(isinstance(value, bool) for value in active["values"].values()):
            raise BadInput(
                "a word that is neither true nor false", where=f"{where}.active", expected='{ "add" = true }'
            )
    return EventForm(
        code=raw["code"],
        name=f"the list {raw['list']}" if "list" in raw else "this format",
        codes=_codes(raw, where),
        active=None if active is None else active["from"],
        values={} if active is None else active["values"],
        none=frozenset(raw.get("none", [])),
        latest=raw.get("latest", False) is True,
        clock=_clock(raw.get("clock"), f"{where}: clock"),
        data=tuple(raw.get("data", [])),
    )

"""One foreign connection or file: messages in, numbered records of the MQTT contract out.

Remembers only what the contract needs: the last number of each stream, who speaks, and which codes a lift has reported, because
foreign states name the faults that hold *now* where the contract wants raised and over. Time is an argument. What is wrong with one
message is told beside the others and never stops them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hoistway.errors import BadInput
from ingest.adapters.reading import Entry
from ingest.adapters.spec import ANY_OTHER, Clock, EventForm, Flag, Format, SignalField
from ingest.adapters.unpack import Fields
from ingest.adapters.values import WORD_CHARS, absent, moment_ms, signal_value, word

Record = dict[str, Any]
_DATA_CHARS: Final = 200
_BY_EVENT: Final = "event "
"""Before their code, the source of what an event message raised; flags are sources by their field's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Odd:
    """A field that could not be used, or that the format does not speak of. The record stands without it."""

    field: str
    fault: str  # extra, not-listed, unfit, no-event, repeated, not-utf-8
    value: str


@dataclass(kw_only=True, slots=True)
class Told:
    """What an entry became."""

    samples: list[Record] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    odd: list[Odd] = field(default_factory=list)
    bad: list[BadInput] = field(default_factory=list)  # messages that were left out


class Reported:
    """Which codes each lift has reported, by who raised them. A code is over when nobody holds it any more. Shared by the connections of
    one gateway."""

    def __init__(self, *, resumed: bool = False) -> None:
        """`resumed`: others have reported for these lifts before, so the first state ends whatever it does not name."""
        self.resumed = resumed
        self._by_lift: dict[str, dict[str, set[str]]] = defaultdict(dict)
        self._endless: dict[str, dict[str, tuple[int, Record]]] = defaultdict(dict)

    def of(self, lift: str | None) -> dict[str, set[str]]:
        """A lift's codes by their source: a flag's field, or an event message's code."""
        return self._by_lift[lift or ""]

    def codes(self, lift: str | None) -> set[str]:
        """All codes that hold for a lift."""
        return set().union(*self.of(lift).values())

    def endless(self, lift: str | None) -> dict[str, tuple[int, Record]]:
        """When and with what data a lift's codes came last in a form that cannot say "over"."""
        return self._endless[lift or ""]


class Adapter:
    """Messages of one format from one connection. `lifts` gives rescue codes for their names; a name that it lacks is then an error."""

    def __init__(
        self,
        spec: Format,
        *,
        boot: int,
        received_ms: int | None = None,
        lifts: Mapping[str, str] | None = None,
        reported: Reported | None = None,
    ) -> None:
        self.spec, self.boot, self.received_ms, self.lifts = spec, boot, received_ms, lifts
        self.reported = reported or Reported()
        self._seq = {"state": 0, "event": 0}
        self.speaker: str | None = None  # who logged in on this connection

    def line(self, entry: Entry) -> Told:
        """What an entry says; a list is several messages."""
        told = Told()
        if entry.fault is not None:
            told.bad.append(entry.fault)
            return told
        if entry.replaced:
            told.odd.append(Odd(field="message", fault="not-utf-8", value=str(entry.replaced)))
        for message in entry.message if isinstance(entry.message, list) else [entry.message]:
            try:
                self._message(message, entry, told)
            except BadInput as error:
                told.bad.append(error)
            except RecursionError:
                told.bad.append(BadInput("nested too deep", where="message", expected="flat fields"))
        return told

    def _message(self, message: Any, entry: Entry, told: Told) -> None:
        spec = self.spec
        fields = spec.unpack(message, entry.topic)
        if spec.speaker is not None and not absent(fields.get(spec.speaker)):
            self.speaker = _name(fields[spec.speaker])
        for name in sorted(fields.keys() - spec.known):
            told.odd.append(_odd(name, "extra", fields[name]))
        if any(word(fields.get(name, "")) not in words for name, words in spec.only.items() if name in fields):
            return
        state, event = self._kind(fields)
        if not state and not event:
            return
        lift = self._lift(fields)
        received = self.received_ms if entry.received_ms is None else entry.received_ms
        if event and spec.event is not None:
            self._event(spec.event, fields, lift, _at(spec.event.clock or spec.clock, fields, received), told)
        if state:
            self._state(fields, lift, received, told)

    def _kind(self, fields: Fields) -> tuple[bool, bool]:
        """Whether it holds a state, and whether it is an event."""
        spec, kinds = self.spec, self.spec.kinds
        if kinds is not None:
            name = word(fields.get(kinds.source, ""))
            if name not in kinds.state | kinds.event | kinds.silent:
                expected = ", ".join(sorted(kinds.state | kinds.event | kinds.silent))
                raise BadInput(f"{name!r}", where=kinds.source, expected=f"one of {expected}")
            return name in kinds.state, name in kinds.event
        sources = {one.source for one in spec.sample} | {one.source for one in spec.flags}
        state = not sources.isdisjoint(fields)
        event = spec.event is not None and spec.event.code in fields
        if not state and not event:
            raise BadInput("no field of this format", where="message", expected=", ".join(_main_fields(spec)))
        return state, event

    def _lift(self, fields: Fields) -> str | None:
        """The lift's name in our records; None for a terminal that serves one lift and has not said its name."""
        parts = [fields.get(name) for name in self.spec.lift]
        if any(absent(part) for part in parts):
            raise BadInput("no lift", where=", ".join(self.spec.lift), expected="the lift's number")
        theirs = "-".join(_name(part) for part in parts) or self.speaker
        if self.lifts is None:
            return theirs
        if theirs is None:
            raise BadInput("a lift without a name", where="connection", expected="a login first")
        if theirs not in self.lifts:
            raise BadInput(f"lift {theirs!r}", where="lifts", expected="a lift of the list")
        return self.lifts[theirs]

    def _state(self, fields: Fields, lift: str | None, received: int | None, told: Told) -> None:
        at = _at(self.spec.clock, fields, received)
        values: Record = {}
        for one in self.spec.sample:
            if one.signal.name not in values and not absent(fields.get(one.source)):
                values[one.signal.name] = _value(one, fields[one.source], told.odd)
        known = {name: value for name, value in values.items() if value is not None}
        told.samples.append(self._record("state", at, lift) | known)
        for flag in self.spec.flags:
            codes = _codes(flag, fields.get(flag.source), told.odd)
            if codes is not None:
                before, holding = self.reported.codes(lift), self.reported.of(lift)
                if self.reported.resumed and flag.source not in holding:
                    before |= set().union(*flag.values.values()) - codes
                holding[flag.source] = codes
                self._tell_changes(before, lift, at, {}, told)

    def _event(self, form: EventForm, fields: Fields, lift: str | None, at: int, told: Told) -> None:
        code = word(fields.get(form.code, ""))
        before, holding = self.reported.codes(lift), self.reported.of(lift)
        if code in form.none:
            holding.clear()
            self._tell_changes(before, lift, at, {}, told)
            return
        ours = form.codes.get(code)
        if ours is None:
            raise BadInput(f"code {code!r}", where=form.code, expected=f"a code of {form.name}")
        if not ours:
            told.odd.append(_odd(form.code, "no-event", code))
            return
        if form.latest:
            for source in [source for source in holding if source.startswith(_BY_EVENT)]:
                del holding[source]
        data = {name: word(fields[name], chars=_DATA_CHARS) for name in form.data if not absent(fields.get(name))}
        if not form.ends:
            self._occurrence(form.code, ours, lift, at, {"code": code, **data}, told)
            return
        if _active(form, fields):
            if _BY_EVENT + code in holding:  # its end may have been lost, so it is said once more
                before.difference_update(ours)
            holding[_BY_EVENT + code] = set(ours)
        else:
            holding.pop(_BY_EVENT + code, None)
            before.update(ours)  # said even when nothing was raised here: the raise may be older than this adapter
        self._tell_changes(before, lift, at, {"code": code, **data}, told)

    def _occurrence(
        self, source: str, ours: tuple[str, ...], lift: str | None, at: int, data: Record, told: Told
    ) -> None:
        """A report that nothing will ever end: what was reported before is over when the same happens again. A report that
        comes twice, word for word, is one."""
        last = self.reported.endless(lift)
        for code in ours:
            if last.get(code) == (at, data):
                told.odd.append(_odd(source, "repeated", data["code"]))
                continue
            for active in (False, True) if code in last else (True,):
                told.events.append(self._record("event", at, lift) | {"code": code, "active": active, "data": data})
            last[code] = at, data

    def _tell_changes(self, before: set[str], lift: str | None, at: int, data: Record, told: Told) -> None:
        for code, active in _changes(before, self.reported.codes(lift)):
            record = self._record("event", at, lift) | {"code": code, "active": active}
            told.events.append(record | ({"data": data} if data else {}))

    def _record(self, stream: str, at: int, lift: str | None) -> Record:
        self._seq[stream] += 1
        record: Record = {"ts": at, "boot": self.boot, "seq": self._seq[stream]}
        return record if lift is None else record | {"lift": lift}


def _name(value: Any) -> str:
    """A lift's name; one that would have to be cut could become another's."""
    name = word(value, chars=WORD_CHARS + 1)
    if len(name) > WORD_CHARS:
        raise BadInput(f"{name[:20]!r}...", where="lift", expected=f"a name of at most {WORD_CHARS} characters")
    return name


def _main_fields(spec: Format) -> list[str]:
    code = [] if spec.event is None else [spec.event.code]
    return [*code, *(one.source for one in spec.sample)][:4]


def _changes(before: set[str], after: set[str]) -> Iterator[tuple[str, bool]]:
    """What is raised, then what is over."""
    yield from ((code, True) for code in sorted(after - before))
    yield from ((code, False) for code in sorted(before - after))


def _at(clock: Clock | None, fields: Fields, received: int | None) -> int:
    if clock is not None:
        return moment_ms(fields.get(clock.source), clock.form, clock.zone_minutes, where=clock.source)
    if received is None:
        raise BadInput("no time", where="message", expected="a capture line with `received`, or --received")
    return received


def _active(form: EventForm, fields: Fields) -> bool:
    if form.active is None:
        return True
    said = word(fields.get(form.active, ""))
    if said not in form.values:
        raise BadInput(f"{said!r}", where=form.active, expected=f"one of {', '.join(form.values)}")
    return form.values[said]


def _value(one: SignalField, raw: Any, odd: list[Odd]) -> Any:
    """Our value; None when it is unknown, and then also odd unless they said so themselves."""
    if word(raw) in one.unknown:
        return None
    if one.values is not None:
        for key in (word(raw), ANY_OTHER):
            if key in one.values:
                return one.values[key]
        odd.append(_odd(one.source, "not-listed", raw))
        return None
    value = signal_value(one.signal, raw, scale=one.scale)
    if value is None:
        odd.append(_odd(one.source, "unfit", raw))
    return value


def _codes(flag: Flag, raw: Any, odd: list[Odd]) -> set[str] | None:
    """The codes that hold now; None when the field does not say, and then all stays as it was."""
    if absent(raw):
        return None
    found: set[str] = set()
    for said in raw if isinstance(raw, list) else [raw]:
        if word(said) not in flag.values:
            odd.append(_odd(flag.source, "not-listed", said))
            if not isinstance(raw, list):
                return None
        else:
            found.update(flag.values[word(said)])
    return found


def _odd(name: str, fault: str, value: Any) -> Odd:
    return Odd(field=word(name), fault=fault, value=word(value))

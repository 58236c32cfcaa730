"""A chunk of entries against what is registered: which lift each one is, what is new, what contradicts. Pure.

Nothing is ever deleted, renamed away or moved to another shard by an import: such a line is refused and says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hoistway.registry.enrolment import shard_of
from hoistway.registry.report import REFUSED, Enrolment, Finding
from hoistway.registry.rows import Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownLift:
    id: int
    kind: str
    register_code: str | None
    rescue_code: str | None
    exercise: bool
    shards: frozenset[int]  # of its terminals and gateways


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownDevice:
    device: str
    shard: int
    lift_id: int | None  # None: a gateway
    revoked: bool


@dataclass(kw_only=True, slots=True)
class Plan:
    """What one chunk changes. `existing` is the lift's id, None for a lift that is new."""

    lifts: list[tuple[Entry, int | None]] = field(default_factory=list)
    terminals: list[tuple[Entry, int]] = field(default_factory=list)  # new ones, with shard
    gateways: dict[str, int] = field(default_factory=dict)  # new ones: name, shard
    enrolments: list[Enrolment] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)
    touched: dict[int, int] = field(default_factory=dict)  # line by registered lift


class Reconciler:
    """Knows the register's codes and devices of one chunk, and what earlier chunks of the file already touched."""

    def __init__(self, *, exercise: bool) -> None:
        self._exercise = exercise
        self._touched: dict[int, int] = {}
        self._lifts: dict[int, KnownLift] = {}
        self._by_register: dict[str, KnownLift] = {}
        self._by_rescue: dict[str, KnownLift] = {}
        self._devices: dict[str, KnownDevice] = {}

    def plan(self, entries: Iterable[Entry], lifts: Iterable[KnownLift], devices: Iterable[KnownDevice]) -> Plan:
        self._lifts = {lift.id: lift for lift in lifts}
        self._by_register = {lift.register_code: lift for lift in self._lifts.values() if lift.register_code}
        self._by_rescue = {lift.rescue_code: lift for lift in self._lifts.values() if lift.rescue_code}
        self._devices = {device.device: device for device in devices}
        plan = Plan()
        for entry in entries:
            problem = self._place(entry, plan)
            if problem is not None:
                plan.refused.append(problem)
        return plan

    def keep(self, plan: Plan) -> None:
        """The plan was committed: later chunks must not touch its lifts again."""
        self._touched.update(plan.touched)

    def _place(self, entry: Entry, plan: Plan) -> Finding | None:
        lift = self._match(entry)
        problem = self._lift_problem(entry, lift, plan) or self._device_problem(entry, lift)
        if problem is not None:
            return problem
        shard = self._shard(entry, lift, plan)
        if isinstance(shard, Finding):
            return shard
        if lift is not None:
            plan.touched[lift.id] = entry.line
        plan.lifts.append((entry, lift.id if lift else None))
        if entry.gateway:
            known = entry.gateway in self._devices or entry.gateway in plan.gateways
            if not known:
                plan.gateways[entry.gateway] = shard
            enrolled = Enrolment(line=entry.line, device=entry.gateway, shard=shard, gateway=True, new=not known)
            plan.enrolments.append(enrolled)
        if entry.device:
            known = entry.device in self._devices
            if not known:
                plan.terminals.append((entry, shard))
            enrolled = Enrolment(line=entry.line, device=entry.device, shard=shard, gateway=False, new=not known)
            plan.enrolments.append(enrolled)
        return None

    def _match(self, entry: Entry) -> KnownLift | None:
        """The registered lift: by register code, else by rescue code, else by device."""
        if entry.register_code and (lift := self._by_register.get(entry.register_code)):
            return lift
        if entry.rescue_code and (lift := self._by_rescue.get(entry.rescue_code)):
            return lift
        device = self._devices.get(entry.device or "")
        return self._lifts.get(device.lift_id) if device is not None and device.lift_id is not None else None

    def _lift_problem(self, entry: Entry, lift: KnownLift | None, plan: Plan) -> Finding | None:
        other = self._by_rescue.get(entry.rescue_code or "")
        if other is not None and other is not lift:
            return _refused(
                entry,
                "rescue_code",
                entry.rescue_code,
                f"is the rescue code of the lift registered as {_name(other)}",
                "a rescue code of its own",
            )
        if lift is None:
            return None
        if entry.register_code and lift.register_code and entry.register_code != lift.register_code:
            column = "rescue_code" if entry.rescue_code == lift.rescue_code and entry.rescue_code else "device"
            return _refused(
                entry,
                column,
                getattr(entry, column),
                f"belongs to the lift registered as {_name(lift)}",
                f"register code {lift.register_code}, or another {column}",
            )
        if entry.rescue_code and lift.rescue_code and entry.rescue_code != lift.rescue_code and not entry.register_code:
            return _refused(
                entry,
                "device",
                entry.device,
                f"is enrolled for the lift registered as {_name(lift)}",
                f"rescue code {lift.rescue_code}, or another device",
            )
        if lift.kind != entry.kind:
            return _refused(entry, "kind", entry.kind, f"is registered as {lift.kind}", lift.kind)
        if lift.exercise != self._exercise:
            now, other_way = ("exercise", "with") if lift.exercise else ("real", "without")
            return _refused(
                entry, "", "", f"{_name(lift)} is registered as {now} equipment", f"an import {other_way} --exercise"
            )
        if first := self._touched.get(lift.id) or plan.touched.get(lift.id):
            return _refused(entry, "", "", f"the same lift as line {first}", "one line a lift")
        return None

    def _device_problem(self, entry: Entry, lift: KnownLift | None) -> Finding | None:
        for column, name in (("device", entry.device), ("gateway", entry.gateway)):
            known = self._devices.get(name or "")
            if known is None:
                continue
            if known.revoked:
                return _refused(entry, column, name, "was revoked", "a device that is not revoked")
            if column == "gateway" and known.lift_id is not None:
                return _refused(entry, column, name, "is enrolled as the terminal of one lift", "a gateway")
            if column == "device" and known.lift_id is None:
                return _refused(entry, column, name, "is enrolled as a gateway", "a terminal; or use column gateway")
            if column == "device" and (lift is None or known.lift_id != lift.id):
                owner = self._lifts.get(known.lift_id or 0)
                return _refused(
                    entry,
                    column,
                    name,
                    f"is enrolled for another lift, {_name(owner) if owner else 'unnamed'}",
                    "a device that is free, or that lift's codes",
                )
        return None

    def _shard(self, entry: Entry, lift: KnownLift | None, plan: Plan) -> int | Finding:
        """One shard for all terminals of a lift: as enrolled, else as given, else by hash of its key."""
        fixed: set[int] = set(lift.shards) if lift else set()
        if entry.gateway:
            if known := self._devices.get(entry.gateway):
                fixed.add(known.shard)
            elif entry.gateway in plan.gateways:
                fixed.add(plan.gateways[entry.gateway])
        if len(fixed) > 1:
            shown = " and ".join(map(str, sorted(fixed)))
            return _refused(
                entry, "gateway", entry.gateway, f"its terminals are on shards {shown}", "one shard for all of a lift"
            )
        if fixed:
            shard = fixed.pop()
            if entry.shard is not None and entry.shard != shard:
                return _refused(
                    entry, "shard", str(entry.shard), f"is enrolled on shard {shard}", f"{shard}, or an empty cell"
                )
            return shard
        if entry.shard is not None:
            return entry.shard
        return shard_of(entry.gateway or entry.key)


def _name(lift: KnownLift) -> str:
    return lift.register_code or lift.rescue_code or f"lift {lift.id}"


def _refused(entry: Entry, column: str, value: str | None, why: str, expected: str) -> Finding:
    shown = f"{value!s} {why}" if value else why
    return Finding(
        line=entry.line, column=column, verdict=REFUSED, value=str(value or ""), why=shown, expected=expected
    )

"""What a person does with one dispatch order: move it, and say where the crew is, how they came out, what the cause was.

Runs inside the caller's transaction. The API and the firm's pages go the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from api import shapes
from api.acting import Acting
from api.exchange import Document, check_version
from api.people import Principal
from api.problems import Problem, not_found, unusable
from dispatch.outcome import Line, Outcome
from dispatch.tickets.causes import causes
from hoistway.lifecycle import ORDER_MOVE, OrderMove, OrderState, next_order_state
from hoistway.model import ReleaseMethod, Role
from hoistway.store import queries

_sql: Final = queries("api", "sql/orders.sql")


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """A move of an order and the words that go with it."""

    move: str
    reason: str | None = None
    position: tuple[float, float] | None = None  # lon, lat of the crew, WGS-84; goes with arrive
    cause: int | None = None  # a code of `dispatch.tickets.causes`; goes with finish

    def checked(self) -> OrderMove:
        """The move of the table; 422 for one that is none, or that lacks or has too many words."""
        move = ORDER_MOVE.get(self.move)
        if move is None:
            raise unusable("/move", f"no such move; there are: {', '.join(ORDER_MOVE)}")
        if move.reason and not (self.reason or "").strip():
            raise unusable("/reason", "say why")
        if self.position is not None and move.target is not OrderState.ARRIVED:
            raise unusable("/position", "goes with the move arrive, and only with it")
        if self.cause is not None and move.target is not OrderState.DONE:
            raise unusable("/cause", "goes with the move finish, and only with it")
        if self.cause is not None and self.cause not in causes():
            raise unusable("/cause", "no such closing code; dispatch/tickets/causes.toml has them")
        return move


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A crew's word that everybody is out. The desk confirms it; the case does not end by it."""

    method: ReleaseMethod
    trapped: int  # people who were in the car
    injured: int
    note: str | None = None


async def order_document(source: Any, principal: Principal, order_id: int) -> Document:
    """One order that `principal` may see, with the moves open to it; 404 for every other."""
    found = await source.fetch(_sql["order_documents"], principal.scope, [order_id])
    if not found:
        raise not_found("order")
    return shapes.order(found[0]["document"], principal.role, firm_id=principal.firm_id)


async def move_order(
    connection: Any, principal: Principal, now: datetime, order_id: int, version: int, deed: Deed
) -> Document:
    """Move an order as it was seen at `version`; 412 when it has changed since, 409 for a move that its state does not have."""
    move = deed.checked()
    acting, case_id, before = await _seen(connection, principal, now, order_id, version)
    target = next_order_state(OrderState(before["state"]), move.name, principal.role)
    lines: tuple[Line, ...] = ()
    if deed.position is not None:
        at = await _at(connection, now, order_id, deed.position)
        lines += (_line("arrival-position", principal, before, at),)
    if deed.cause is not None:
        await connection.execute(_sql["note_cause"], order_id, deed.cause, deed.reason)
        lines += (_line("cause", principal, before, {"cause": deed.cause}),)
    await acting.move_order(case_id, order_id, target, reason=deed.reason, more=Outcome(lines=lines))
    return await order_document(connection, principal, order_id)


async def report_release(
    connection: Any, principal: Principal, now: datetime, order_id: int, version: int, release: Release
) -> Document:
    """Write down that everybody is out, how, and how many. A later word of the same crew replaces it; the log keeps both."""
    if release.injured > release.trapped:
        raise unusable("/injured", "more than people who were in the car")
    acting, case_id, before = await _seen(connection, principal, now, order_id, version)
    if before["state"] != OrderState.ARRIVED:
        raise Problem(409, f"the order is {before['state']}; who reports a release is on site")
    told = {"release_method": release.method.value, "trapped": release.trapped, "injured": release.injured}
    await connection.execute(_sql["note_release"], order_id, now, principal.name, *told.values(), release.note)
    await connection.execute(_sql["touch_order"], order_id)
    line = _line("release-reported", principal, before, told, reason=release.note)
    await acting.carry_out(await acting.case(case_id), Outcome(lines=(line,)))
    return await order_document(connection, principal, order_id)


async def _seen(
    connection: Any, principal: Principal, now: datetime, order_id: int, version: int
) -> tuple[Acting, int, Document]:
    """Lock the case of an order that is at the version that was seen."""
    case_id = await connection.fetchval(_sql["case_of_order"], principal.scope, order_id)
    if case_id is None:
        raise not_found("order")
    acting = Acting(connection, principal, now)
    await acting.lock_case_only(case_id)
    before = await order_document(connection, principal, order_id)
    check_version(version, before)
    return acting, case_id, before


async def _at(connection: Any, now: datetime, order_id: int, position: tuple[float, float]) -> dict[str, object]:
    """Where the crew is: kept beside the order and as the position of its unit; answered with the metres to the lift."""
    metres = await connection.fetchval(_sql["note_position"], order_id, *position)
    await connection.execute(_sql["unit_is_at"], order_id, *position, now)
    lon, lat = position
    return {"lon": lon, "lat": lat, "metres": metres}


def _line(
    kind: str, principal: Principal, order: Document, said: Mapping[str, object], *, reason: str | None = None
) -> Line:
    """A line of the case's log about an order, with the crew that the desk speaks for."""
    after: dict[str, object] = {"order_id": order["id"], **said}
    if principal.role is not Role.MAINTAINER:
        after["on_behalf_of"] = {f"{name}_id": order[name] and order[name]["id"] for name in ("unit", "firm")}
    return Line(kind=kind, own=True, reason=reason, after=after)

"""The one-time link in a message: a page with one button, without a login. It accepts one order, or confirms that the message came.

Previews and scanners look at links; therefore looking spends nothing and accepts nothing: only the button does.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.access import EVERYONE, check_same_origin, principal_of
from api.acting import Acting
from api.console import pages
from api.pages import html_answer, language_of
from api.people import Principal
from api.problems import Problem
from dispatch.notify import letters
from dispatch.notify.keeping import receipts
from hoistway.lifecycle import COMING, OrderState, next_order_state
from hoistway.limits import LINK_TRIES_A_MINUTE, LINK_TRIES_ADDRESSES
from hoistway.model import Role
from hoistway.store import scope as whose

router = APIRouter(prefix="/go", tags=["pages"], include_in_schema=False, default_response_class=HTMLResponse)

Token = Annotated[str, Path(max_length=100)]
_STATUS: Final = {"unknown": 404, "used": 410, "over": 410}


class Misses:
    """How often one address asked for links that nobody gave out, within a minute. In this process; the oldest is forgotten first.

    Behind a proxy everybody has one address: so whoever holds a link that was given out is never told to wait.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def note(self, request: Request) -> None:
        """One more; raises 429."""
        host, now = request.client.host if request.client else "", time.monotonic()
        since, count = self._seen.pop(host, (now, 0))
        if now - since > 60:
            since, count = now, 0
        self._seen[host] = (since, count + 1)
        while len(self._seen) > LINK_TRIES_ADDRESSES:
            self._seen.popitem(last=False)
        if count >= LINK_TRIES_A_MINUTE:
            raise Problem(429, "too many links from one address", retry_after_s=max(1, int(since + 60 - now)))


_misses: Final = Misses()


def _page(request: Request, row: Any, says: str) -> Response:
    """`says`: ask, done, or why not."""
    nonce = pages.new_nonce()
    text = pages.link_page(
        language=language_of(request),
        nonce=nonce,
        says=says,
        accepts=row is not None and row["order_id"] is not None,
        exercise=row is not None and row["exercise"],
        place=letters.place_of(row) if row is not None and says in {"ask", "done"} else "",
        code=(row["rescue_code"] or "") if row is not None and says in {"ask", "done"} else "",
        order_id=row["order_id"] if row is not None else None,
    )
    return html_answer(request, text, nonce, status=_STATUS.get(says, 200))


def _standing(row: Any) -> str:
    """What can be done with a link."""
    if row is None:
        return "unknown"
    if row["used_at"] is not None:
        return "used"
    if row["expired"] or (row["order_id"] is not None and row["order_state"] not in {OrderState.SENT, *COMING}):
        return "over"
    return "ask"


@router.get("/{token}", dependencies=[Depends(EVERYONE)])
async def look(request: Request, token: Token) -> Response:
    """What it is about, and a button."""
    with whose.within(whose.CITY):
        row = await receipts.look(request.app.state.database, token, request.app.state.clock())
    if row is None:
        _misses.note(request)
    return _page(request, row, _standing(row))


@router.post("/{token}", dependencies=[Depends(EVERYONE)])
async def use(request: Request, token: Token) -> Response:
    """Accept the order or confirm the message, once; then on to the order, for whoever is logged in."""
    check_same_origin(request)
    now = request.app.state.clock()
    with whose.within(whose.CITY):  # the token is the right: to its one order or message, and to nothing else
        return await _use(request, token, now)


async def _use(request: Request, token: str, now: Any) -> Response:
    async with request.app.state.database.acquire() as connection, connection.transaction():
        row = await receipts.look(connection, token, now)
        standing = _standing(row)
        if row is None:
            _misses.note(request)
        if row is None or standing != "ask":
            return _page(request, row, standing)
        if not await receipts.spend(connection, token, now):
            return _page(request, row, "used")
        if row["order_id"] is not None:
            await _accept(connection, row, now)
        else:
            await receipts.received(connection, row["delivery_id"], now, said="confirmed by link")
    request.app.state.hub.hint()
    if row["order_id"] is not None and await principal_of(request) is not None:
        return RedirectResponse(f"/firm/orders/{row['order_id']}", status_code=303)
    return _page(request, row, "done")


async def _accept(connection: Any, row: Any, now: Any) -> None:
    """The order is accepted by whoever got the message. Locks as everybody does: the case, then the message, then the log."""
    who = Principal(
        id=f"link:{row['delivery_id']}",
        name=f"{row['contact']} (link)",
        role=Role.MAINTAINER,
        firm_id=row["firm_id"],
        credential=b"",
    )
    acting = Acting(connection, who, now)
    await acting.lock_case_only(row["case_id"])
    await receipts.received(connection, row["delivery_id"], now, said="accepted by link")
    case = await acting.case(row["case_id"])
    order = case.order(row["order_id"])
    if order is not None and order.state is OrderState.SENT:
        target = next_order_state(order.state, "accept", who.role)
        await acting.move_order(row["case_id"], row["order_id"], target, reason=None)

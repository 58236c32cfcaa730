"""How a ticket looks in JSON: the database's document with its cause in words and the moves that this role may make."""

from __future__ import annotations

from typing import Any

from api.exchange import Document
from dispatch.tickets.causes import causes
from hoistway.lifecycle import TicketState, allowed_ticket_moves
from hoistway.model import Role


def ticket_shape(document: Document, role: Role) -> Document:
    """One ticket of `dispatch.tickets.book`, for a reader of `role` in whose scope it is."""
    moves = allowed_ticket_moves(TicketState(document["state"]), role)
    return {
        **document,
        "cause": cause_in_words(document["cause"]),
        "allowed_moves": [
            {"name": move.name, "target": move.target, "reason": move.reason, "cause": move.cause} for move in moves
        ],
    }


def cause_in_words(code: int | None) -> dict[str, Any] | None:
    """A cause with its words; one that the list no longer holds shows as its number."""
    if code is None:
        return None
    cause = causes().get(code)
    return {"code": code, "zh": cause.zh, "en": cause.en} if cause else {"code": code, "zh": str(code), "en": str(code)}

"""One message, made ready to leave: facts to texts, to the document of machines, to a one-time link."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from dispatch.notify import texts
from dispatch.notify.channels import ROBOTS, Channel
from dispatch.notify.plan import ORDER
from dispatch.notify.ways.way import Outgoing

TOKEN_BYTES: Final = 16
"""128 random bits: short enough for an SMS, and nobody guesses it within two hours at a few tries a second."""
LINK_PATH: Final = "/go/"
_LINKED: Final = frozenset({Channel.SMS, Channel.MAIL, Channel.CONSOLE})


def new_token() -> str:
    """A token of a one-time link."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def takes_link(channel: Channel) -> bool:
    """Whether one person alone reads it: a link in a group would be spent by the first, and a voice cannot say one."""
    return channel in _LINKED and channel not in ROBOTS


def place_of(row: Mapping[str, Any]) -> str:
    """Where it is, in the words of the register."""
    near = f"{row['estate'] or ''}{row['building'] or ''}" or (row["address"] or "")
    name = row["name"] or ""
    return name if near in name else f"{near} {name}".strip()


def facts_of(row: Mapping[str, Any], zone: tzinfo) -> texts.Facts:
    """What a text may name. Times are the city's."""
    at = row["opened_at"] or row["created_at"]
    body = row["body"] if isinstance(row["body"], Mapping) else {}
    return texts.Facts(
        topic=row["topic"],
        place=place_of(row),
        code=row["rescue_code"] or "",
        time=at.astimezone(zone).strftime("%H:%M"),
        level=str(row["level"] or ""),
        order=str(row["order_id"] or ""),
        case=str(row["case_id"] or row["ticket_number"] or ""),
        who=str(body.get("who", "")),
        joined=row["joined"],
        exercise=row["exercise"],
    )


def document_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What machines get, in the form that Standard Webhooks asks for: type, timestamp, data."""
    case = None
    if row["case_id"] is not None:
        case = {name: row[f"case_{name}"] for name in ("kind", "state")}
        case |= {"id": row["case_id"], "level": row["level"], "opened_at": _moment(row["opened_at"])}
    order = None
    if row["order_id"] is not None:
        order = {"id": row["order_id"], "state": row["order_state"], "level": row["order_level"],
                 "sent_at": _moment(row["order_sent_at"]), "unit_id": row["unit_id"], "unit": row["unit_name"]}  # fmt: skip
    lift = None
    if row["lift_id"] is not None:
        names = ("name", "estate", "building", "address", "district", "rescue_code", "register_code", "lon", "lat")
        lift = {"id": row["lift_id"], "kind": row["lift_kind"], **{name: row[name] for name in names}}
    data = {
        "key": row["key"], "topic": row["topic"], "to": row["addressee"], "exercise": row["exercise"], "firm_id": row["firm_id"],
        "case": case, "order": order, "lift": lift, "joined": row["joined"],
    }  # fmt: skip
    return {"type": f"hoistway.{row['topic']}", "timestamp": _moment(row["created_at"]), "data": data}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def outgoing(
    claimed: Mapping[str, Any],
    row: Mapping[str, Any],
    *,
    link: str,
    address: str,
    secrets: Sequence[str],
    now: datetime,
    zone: tzinfo,
) -> Outgoing:
    """One claimed delivery as its way needs it. `link` "": without one."""
    facts, language = facts_of(row, zone), claimed["language"]
    label = texts.label(language, accepts=row["topic"] == ORDER)
    return Outgoing(
        key=claimed["key"],
        topic=row["topic"],
        channel=Channel(claimed["channel"]),
        contact=claimed["contact"],
        address=address,
        language=language,
        title=texts.title(facts, language),
        text=texts.text(facts, language, room=len(link) + len(label) if link else 0),
        link=link,
        label=label,
        exercise=row["exercise"],
        at_s=int(now.timestamp()),
        document=document_of(row),
        secrets=tuple(secrets),
    )

"""Contacts that a city enters beside the phones of the register, and the channels of each addressee. In the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dispatch.notify.channels import ADDRESS_OF
from dispatch.notify.net.guard import Network, target_of
from hoistway.errors import BadInput
from hoistway.store import queries

SQL: Final = queries("dispatch.notify.keeping", "sql/keeping.sql")
ADDRESSEES: Final = ("unit", "firm", "supervisor", "property", "city")
KINDS: Final = tuple(dict.fromkeys(ADDRESS_OF.values()))
LANGUAGES: Final = ("zh", "en")
_ROBOTS_OF_URLS: Final = frozenset({"dingtalk", "wecom", "feishu"})
LONGEST_S: Final = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class NewContact:
    """An address of somebody. `of`: the name of the unit or firm; None for the city's own."""

    addressee: str
    name: str
    kind: str
    address: str
    of: str | None = None
    secret: str | None = None
    rank: int = 1
    language: str = "zh"


async def add(connection: Any, wanted: NewContact, *, allowed: Sequence[Network] = ()) -> int:
    """Enter it, or change what is known of it; answers its number. Raises `BadInput`."""
    _one_of(wanted.addressee, ADDRESSEES, "addressee")
    _one_of(wanted.kind, KINDS, "kind")
    _one_of(wanted.language, LANGUAGES, "language")
    if wanted.kind in _ROBOTS_OF_URLS:
        target_of(wanted.address, allowed=allowed)
    if (wanted.addressee in {"unit", "firm"}) != (wanted.of is not None):
        raise BadInput(repr(wanted.of), where="of", expected="the name of the unit or firm, and for nobody else")
    number = None
    if wanted.of is not None:
        query = SQL["unit_named"] if wanted.addressee == "unit" else SQL["firm_named"]
        number = await connection.fetchval(query, wanted.of)
        if number is None:
            raise BadInput(f"no {wanted.addressee} {wanted.of!r}", where="of", expected="a name that is known")
    made: int = await connection.fetchval(
        SQL["add_contact"], wanted.addressee, number, wanted.name, wanted.kind, wanted.address, wanted.secret, wanted.rank,
        wanted.language,
    )  # fmt: skip
    return made


async def remove(connection: Any, number: int) -> bool:
    """Take it out; False when there is none."""
    return await connection.fetchval(SQL["remove_contact"], number) is not None


async def set_channels(
    connection: Any, addressee: str, channels: Sequence[tuple[str, int]], *, firm: str | None = None
) -> None:
    """By which channels, in this order, and the seconds to the next; of one firm, or of the city. Raises `BadInput`."""
    _one_of(addressee, ADDRESSEES, "addressee")
    for name, seconds in channels:
        _one_of(name, tuple(ADDRESS_OF), "channel")
        if not 0 <= seconds <= LONGEST_S:
            raise BadInput(str(seconds), where=name, expected=f"0 to {LONGEST_S} seconds")
    if len({name for name, _ in channels}) != len(channels):
        raise BadInput("a channel twice", where="channels", expected="each once")
    firm_id = await firm_named(connection, firm)
    await connection.execute(SQL["forget_preferences"], addressee, firm_id)
    for rank, (name, seconds) in enumerate(channels, 1):
        await connection.execute(SQL["add_preference"], addressee, firm_id, rank, name, seconds)


async def entered(connection: Any) -> Sequence[Any]:
    """What was entered."""
    found: Sequence[Any] = await connection.fetch(SQL["contacts"])
    return found


async def preferences(connection: Any) -> Sequence[Any]:
    """The channels of every addressee in their order."""
    found: Sequence[Any] = await connection.fetch(SQL["preferences"])
    return found


async def firm_named(connection: Any, name: str | None) -> int | None:
    """A firm of the register; None for None. Raises `BadInput`."""
    if name is None:
        return None
    found: int | None = await connection.fetchval(SQL["firm_named"], name)
    if found is None:
        raise BadInput(f"no firm {name!r}", where="firm", expected="a firm of the register")
    return found


def _one_of(value: str, known: Sequence[str], where: str) -> None:
    if value not in known:
        raise BadInput(repr(value), where=where, expected=", ".join(known))

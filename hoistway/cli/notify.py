"""Notifications from the command line: the outbox, contacts and their channels, drills, webhook endpoints. Prints; decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from getpass import getuser
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from hoistway.cli.common import act, fail, out, printable
from hoistway.errors import BadInput
from hoistway.limits import DRILL_MINUTES, PAGE_ROWS
from hoistway.settings import Settings

outbox: Final = typer.Typer(no_args_is_help=True)
contacts: Final = typer.Typer(no_args_is_help=True)
drills: Final = typer.Typer(no_args_is_help=True)
webhooks: Final = typer.Typer(no_args_is_help=True)

Url = Annotated[
    str | None, typer.Option("--database-url", help="default: $HOISTWAY_DATABASE_URL, else the running `hoistway up`")
]
Firm = Annotated[str | None, typer.Option(help="the firm's name; without it, the city's")]
Addressee = Annotated[str, typer.Argument(help="unit, firm, supervisor, property or city")]
Channel = Annotated[str | None, typer.Option(help="only of this channel")]
STATES: Final = ("new", "open", "delivered", "sent", "dead", "joined", "skipped")


def _when(at: datetime | None) -> str:
    return at.astimezone().strftime("%m-%d %H:%M:%S") if at else ""


def _words(value: object) -> str:
    return "" if value is None else printable(str(value))


# --- the outbox ---


@outbox.command("list")
def list_outbox(
    state: Annotated[str | None, typer.Option(help=f"{', '.join(STATES)}; dead: also where one way failed")] = None,
    case: Annotated[int | None, typer.Option(help="only of this case")] = None,
    limit: Annotated[int, typer.Option(min=1, max=PAGE_ROWS)] = 50,
    database_url: Url = None,
) -> None:
    """What somebody was to be told, newest first, and what became of it."""
    from dispatch.notify.keeping import reading

    if state is not None and state not in STATES:
        fail(BadInput(repr(state), where="--state", expected=", ".join(STATES)))

    async def work(connection: Any) -> Sequence[Any]:
        ids = await reading.notification_ids(
            connection, reading.EVERY_FIRM, state=state, case_id=case, before=None, limit=limit
        )
        return await reading.notifications(connection, reading.EVERY_FIRM, ids)

    rows = act(database_url, work)
    table = Table("id", "at", "case", "topic", "to", "state", "ways", box=None)
    for row in rows:
        ways = ", ".join(f"{way['channel']} {way['state']}" for way in row["ways"] if way["state"] != "waiting")
        whom = row["contact"] or row["of"] or row["addressee"]
        table.add_row(
            str(row["id"]), _when(row["created_at"]), _words(row["case_id"]), _words(row["topic"]), _words(whom),
            row["state"] + (" (exercise)" if row["exercise"] else ""), _words(ways),
        )  # fmt: skip
    out.print(table if rows else "the outbox has nothing of that kind")


@outbox.command("show")
def show_notification(number: int, database_url: Url = None) -> None:
    """One notification with every way, its attempts and what the receiver said."""
    from dispatch.notify.keeping import reading

    rows = act(database_url, lambda connection: reading.notifications(connection, reading.EVERY_FIRM, [number]))
    if not rows:
        fail(BadInput(str(number), where="NUMBER", expected="a number of `hoistway outbox list`"))
    row = rows[0]
    for name in (
        "key",
        "topic",
        "addressee",
        "of",
        "contact",
        "case_id",
        "order_id",
        "state",
        "reason",
        "joined",
        "joined_to",
    ):
        if row[name] not in {None, 0}:
            out.print(f"{name}: {_words(row[name])}", markup=False, highlight=False)
    table = Table("step", "channel", "to", "state", "attempts", "said", "key", box=None)
    for way in row["ways"]:
        table.add_row(
            _words(way["step"]), way["channel"], _words(way["contact"]), way["state"], str(way["attempts"]), _words(way["said"]),
            _words(way["key"]),
        )  # fmt: skip
    out.print(table)


@outbox.command("retry")
def retry_dead(
    number: Annotated[int | None, typer.Argument(help="a number of `hoistway outbox list`")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="every dead letter, the oldest first, at most 500")] = False,
    channel: Channel = None,
    database_url: Url = None,
) -> None:
    """Send dead letters again, under their old keys."""
    from dispatch.notify.keeping import reading
    from dispatch.notify.keeping.receipts import retry

    if (number is None) != dead:
        fail(BadInput("one of them", where="NUMBER, --dead", expected="a number, or --dead for all"))

    async def work(connection: Any) -> int:
        now, again = datetime.now(UTC), 0
        found = await reading.with_dead_letters(connection, channel=channel, limit=PAGE_ROWS)
        for each in found if number is None else [number]:
            async with connection.transaction():
                again += await retry(connection, each, now)
        return again

    out.print(f"{act(database_url, work)} dead letters go again")


# --- contacts ---


@contacts.command("add")
def add_contact(
    addressee: Addressee,
    name: str,
    kind: Annotated[str, typer.Argument(help="phone, mail, dingtalk, wecom, feishu or apprise")],
    address: str,
    of: Annotated[str | None, typer.Option("--of", help="name of the unit or firm")] = None,
    rank: Annotated[int, typer.Option(min=1, max=100, help="1 is told first")] = 1,
    language: Annotated[str, typer.Option(help="zh or en")] = "zh",
    secret: Annotated[str | None, typer.Option(help="what a robot signs with")] = None,
    database_url: Url = None,
) -> None:
    """An address of somebody who is told, beside the phones of units, firms and users of lifts. A known one is changed."""
    from dispatch.notify.keeping.contacts import NewContact, add
    from dispatch.notify.net.guard import networks

    wanted = NewContact(
        addressee=addressee, name=name, kind=kind, address=address, of=of, secret=secret, rank=rank, language=language
    )

    async def work(connection: Any) -> int:
        allowed = networks(Settings().webhook_networks, where="HOISTWAY_WEBHOOK_NETWORKS")
        return await add(connection, wanted, allowed=allowed)

    out.print(f"contact {act(database_url, work)}")


@contacts.command("list")
def list_contacts(database_url: Url = None) -> None:
    """What was entered with `hoistway contacts add`, and the channels of each kind of addressee in their order."""

    from dispatch.notify.keeping.contacts import entered, preferences

    async def work(connection: Any) -> tuple[Sequence[Any], Sequence[Any]]:
        return await entered(connection), await preferences(connection)

    found, wishes = act(database_url, work)
    table = Table("id", "addressee", "of", "name", "rank", "kind", "address", "language", box=None)
    for row in found:
        table.add_row(*(_words(value) for value in row.values()))
    out.print(table if found else "no contact was entered")
    ways = Table("addressee", "firm", "channels (seconds to the next)", box=None)
    order: dict[tuple[str, str], list[str]] = {}
    for row in wishes:
        order.setdefault((row["addressee"], row["firm"] or ""), []).append(f"{row['channel']}:{row['receipt_s']}")
    for (addressee, firm), channels in order.items():
        ways.add_row(addressee, _words(firm), " ".join(channels))
    out.print(ways)


@contacts.command("remove")
def remove_contact(number: int, database_url: Url = None) -> None:
    """Take an entered contact out."""
    from dispatch.notify.keeping.contacts import remove

    if not act(database_url, lambda connection: remove(connection, number)):
        fail(BadInput(str(number), where="NUMBER", expected="a number of `hoistway contacts list`"))
    out.print(f"contact {number} is removed")


@contacts.command("channels")
def set_channels(
    addressee: Addressee,
    channels: Annotated[list[str], typer.Argument(metavar="CHANNEL:SECONDS...", help="sms:45 voice:45 mail:0")],
    firm: Firm = None,
    database_url: Url = None,
) -> None:
    """By which channels a contact is told, in this order; the seconds after which the next one goes when no receipt came."""
    from dispatch.notify.keeping import contacts as kept

    parts = [part.partition(":") for part in channels]
    if not all(seconds.isdecimal() for _, _, seconds in parts):
        fail(BadInput(" ".join(channels), where="CHANNEL:SECONDS", expected="such as sms:45 voice:45"))

    async def work(connection: Any) -> None:
        async with connection.transaction():
            await kept.set_channels(connection, addressee, [(name, int(s)) for name, _, s in parts], firm=firm)

    act(database_url, work)
    out.print(f"{addressee}: {' '.join(channels)}", markup=False)


@contacts.command("unreachable")
def list_unreachable(database_url: Url = None) -> None:
    """Whom the last message, or the last drill, did not reach. Exit code 1 when there is somebody."""
    from dispatch.notify.keeping.reading import reach

    rows = act(database_url, lambda connection: reach(connection, unreachable=True))
    table = Table("addressee", "of", "contact", "channel", "since", "why", box=None)
    for row in rows:
        table.add_row(
            row["addressee"],
            _words(row["of"]),
            _words(row["contact"]),
            row["channel"],
            _when(row["failed_at"]),
            _words(row["reason"]),
        )
    out.print(table if rows else "everybody can be reached, as far as was tried")
    raise typer.Exit(1 if rows else 0)


# --- drills ---


@drills.command("start")
def start_drill(
    note: Annotated[str, typer.Argument(help="what the drill is called")] = "",
    minutes: Annotated[int, typer.Option(help="who has not confirmed by then is shown as unreachable")] = DRILL_MINUTES,
    database_url: Url = None,
) -> None:
    """Ask every contact to confirm. The message says that it is an exercise, and goes to real contacts."""
    from dispatch.notify.keeping.drill import start

    async def work(connection: Any) -> tuple[int, int]:
        async with connection.transaction():
            return await start(connection, datetime.now(UTC), by=getuser(), minutes=minutes, note=note)

    number, asked = act(database_url, work)
    out.print(f"drill {number}: {asked} contacts are asked; see `hoistway drill status`")


@drills.command("status")
def drill_status(
    number: Annotated[int | None, typer.Argument(help="default: the last one")] = None, database_url: Url = None
) -> None:
    """Who has confirmed and who has not. Exit code 1 while somebody has not."""

    from dispatch.notify.keeping.reading import drill_contacts
    from dispatch.notify.keeping.reading import drills as known

    async def work(connection: Any) -> tuple[Any, Sequence[Any]]:
        found = await known(connection, only=number)
        return (found[0], await drill_contacts(connection, found[0]["id"])) if found else (None, [])

    drill, asked = act(database_url, work)
    if drill is None:
        fail(BadInput(_words(number) or "none", where="NUMBER", expected="a drill; `hoistway drill start` begins one"))
    out.print(
        f"drill {drill['id']} of {_when(drill['started_at'])}, until {_when(drill['due_at'])}: {drill['confirmed']} of {drill['asked']} confirmed"
    )
    table = Table("addressee", "of", "contact", "confirmed", "ways", box=None)
    for row in asked:
        said = _when(row["confirmed_at"]) if row["confirmed"] else "NO"
        table.add_row(row["addressee"], _words(row["of"]), _words(row["contact"]), said, _words(row["ways"]))
    out.print(table)
    raise typer.Exit(0 if drill["confirmed"] == drill["asked"] else 1)


# --- webhooks ---


@webhooks.command("add")
def add_webhook(
    name: str,
    url: str,
    firm: Firm = None,
    topic: Annotated[
        list[str] | None, typer.Option(help="what it gets; more than once for several; without it, all")
    ] = None,
    exercise: Annotated[bool, typer.Option("--exercise", help="gets exercises only")] = False,
    database_url: Url = None,
) -> None:
    """Make an endpoint; its secret is shown this once."""
    from dispatch.notify.keeping.contacts import firm_named
    from dispatch.notify.keeping.endpoints import NewEndpoint, add
    from dispatch.notify.net.guard import networks

    allowed = networks(Settings().webhook_networks, where="HOISTWAY_WEBHOOK_NETWORKS")

    async def work(connection: Any) -> tuple[int, str]:
        firm_id = await firm_named(connection, firm)
        wanted = NewEndpoint(name=name, firm_id=firm_id, url=url, topics=topic or (), exercise=exercise)
        return await add(connection, wanted, datetime.now(UTC), by=getuser(), allowed=allowed)

    number, secret = act(database_url, work)
    out.print(f"endpoint {number}")
    out.print(secret, markup=False, highlight=False, soft_wrap=True)


@webhooks.command("list")
def list_webhooks(database_url: Url = None) -> None:
    """Every endpoint: whose it is, what it gets, when it last took something, its dead letters."""
    from dispatch.notify.keeping import reading

    rows = act(database_url, lambda connection: reading.endpoints(connection, reading.EVERY_FIRM, datetime.now(UTC)))
    table = Table("id", "name", "firm", "url", "topics", "received", "dead", "state", box=None)
    for row in rows:
        state = row["disabled_reason"] or ("exercise" if row["exercise"] else "")
        table.add_row(
            str(row["id"]), _words(row["name"]), _words(row["firm"]), _words(row["url"]), " ".join(row["topics"]) or "all",
            _when(row["received_at"]), str(row["dead"]), _words(state),
        )  # fmt: skip
    out.print(table if rows else "there is no endpoint")


async def _endpoint(connection: Any, name: str) -> int:
    from dispatch.notify.keeping.reading import endpoint_named

    found = await endpoint_named(connection, name)
    if found is None:
        raise BadInput(repr(name), where="NAME", expected="a name of `hoistway webhooks list`")
    return found


@webhooks.command("rotate")
def rotate_secret(name: str, database_url: Url = None) -> None:
    """A new secret, shown this once. For a day the old one signs as well."""
    from dispatch.notify.keeping.endpoints import rotate

    async def work(connection: Any) -> str | None:
        return await rotate(connection, await _endpoint(connection, name), datetime.now(UTC))

    out.print(act(database_url, work), markup=False, highlight=False, soft_wrap=True)


@webhooks.command("test")
def try_webhook(name: str, database_url: Url = None) -> None:
    """Send `hoistway.test` once, now. Exit code 1 when it was not taken."""
    from dispatch.notify.keeping.endpoints import test
    from dispatch.notify.ways.chosen import outside

    http = outside(Settings())

    async def work(connection: Any) -> tuple[bool, str] | None:
        return await test(connection, await _endpoint(connection, name), datetime.now(UTC), http)

    taken, said = act(database_url, work) or (False, "no such endpoint")
    out.print(f"{'taken' if taken else 'NOT TAKEN'}: {printable(said)}", markup=False, soft_wrap=True)
    raise typer.Exit(0 if taken else 1)


@webhooks.command("remove")
def remove_webhook(name: str, database_url: Url = None) -> None:
    """Nothing goes there any more."""
    from dispatch.notify.keeping.endpoints import remove

    async def work(connection: Any) -> bool:
        return await remove(connection, await _endpoint(connection, name), datetime.now(UTC))

    act(database_url, work)
    out.print(f"{printable(name)} is removed", markup=False)

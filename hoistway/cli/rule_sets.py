"""`hoistway rules show|publish|rollback|diff|disable|unshadow`: rule sets in the database, seen and changed from a terminal.

Only reads options, asks and prints; what a set is and how it is written is decided in `hoistway.rulebook`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.syntax import Syntax
from rich.table import Table

from alarms.language.reader import default_rules
from alarms.rule_sets import disabled
from hoistway.cli.common import err, fail, out, run
from hoistway.cli.lifts import DatabaseUrl, resolve_or_fail
from hoistway.cli.rules import read_text
from hoistway.errors import BadInput, HoistwayError, RuleError
from hoistway.rulebook import Mode, Published, shelf
from hoistway.rulebook.sets import difference
from hoistway.store import connect_url

Author = Annotated[str, typer.Option("--author", help="who publishes")]
Comment = Annotated[str, typer.Option("--comment", help="why, in a few words")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]
SETS_SHOWN = 20


def add_to(app: typer.Typer) -> None:
    """Put these commands beside those about rule files."""
    for name, command in _COMMANDS.items():
        app.command(name)(command)


def show(
    rule_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="one rule with its text")] = None,
    number: Annotated[int | None, typer.Option("--set", help="another set than the newest")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Show the sets that were published and the rules of the newest, or one rule with its text."""

    async def work(connection: Any) -> None:
        wanted = number if number is not None else await shelf.newest(connection)
        if wanted is None:
            raise BadInput(
                "no rule set yet", where="rules show", expected="an ingest that has run once, or a publication"
            )
        published = await shelf.load(connection, wanted)
        authors = await shelf.authors(connection, wanted)
        if rule_id is not None:
            _print_rule(published, rule_id, authors)
            return
        _print_sets(await shelf.list_sets(connection, before=None, limit=SETS_SHOWN))
        _print_entries(
            published, authors, {row["rule_id"]: row for row in await shelf.shadow_counts(connection, wanted)}
        )

    _with_connection(database_url, work)


def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=r"TOML with [\[rule]] tables")],
    author: Author,
    comment: Comment,
    shadow: Annotated[bool, typer.Option("--shadow", help="evaluate and record only: no alarm, no case")] = False,
    yes: Yes = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Lay the rules of FILE over the newest set by id and publish the result. Ingest goes on with it within seconds."""
    text = _text(file)
    _publish(text, file.name, author=author, comment=comment, shadow=shadow, yes=yes, database_url=database_url)


def disable(
    rule_id: Annotated[str, typer.Argument(metavar="ID")],
    author: Author,
    comment: Comment,
    yes: Yes = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Publish a rule's text with `enabled = false`: it stays listed and makes no alarm."""

    async def work(connection: Any) -> str:
        number = await shelf.newest(connection)
        rules = default_rules() if number is None else (await shelf.load(connection, number)).live
        if rule_id not in rules:
            raise BadInput(f"no rule {rule_id!r}", where="rules disable", expected="a rule that `rules show` lists")
        return disabled(rules[rules.index(rule_id)])

    text = _with_connection(database_url, work)
    _publish(text, rule_id, author=author, comment=comment, shadow=False, yes=yes, database_url=database_url)


def unshadow(
    rule_id: Annotated[str, typer.Argument(metavar="ID")],
    author: Author,
    comment: Comment,
    yes: Yes = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Take a rule out of the shadow without publishing it live."""

    async def change(connection: Any) -> int:
        return await shelf.unshadow(connection, rule_id, author=author, comment=comment, product=default_rules())

    _change(change, yes=yes, database_url=database_url)


def rollback(
    number: Annotated[int, typer.Argument(metavar="N", help="the set whose rules are to be live again")],
    author: Author,
    comment: Annotated[str | None, typer.Option("--comment", help="default: says so")] = None,
    yes: Yes = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Publish the rules of set N again, as a new set."""
    words = comment or f"back to set {number}"

    async def change(connection: Any) -> int:
        return await shelf.restore(connection, number, author=author, comment=words, product=default_rules())

    _change(change, yes=yes, database_url=database_url)


def diff(
    before: Annotated[int, typer.Argument(metavar="N")],
    after: Annotated[int, typer.Argument(metavar="M")],
    database_url: DatabaseUrl = None,
) -> None:
    """Show what differs between two sets, as a unified diff of the canonical texts. Exit code 1 when something does."""

    async def work(connection: Any) -> str:
        return difference(await shelf.load(connection, before), await shelf.load(connection, after))

    found = _with_connection(database_url, work)
    typer.echo(found, nl=False)
    raise typer.Exit(1 if found else 0)


# --- how a change is made ---


def _publish(
    text: str, source: str, *, author: str, comment: str, shadow: bool, yes: bool, database_url: str | None
) -> None:
    async def change(connection: Any) -> int:
        return await shelf.publish(
            connection,
            text,
            source=source,
            author=author,
            comment=comment,
            mode=Mode.SHADOW if shadow else Mode.LIVE,
            product=default_rules(),
        )

    _change(change, yes=yes, database_url=database_url)


def _change(change: Callable[[Any], Awaitable[int]], *, yes: bool, database_url: str | None) -> None:
    """Make the new set, show what differs, ask, and only then commit: what is confirmed is what was shown."""

    async def work(connection: Any) -> None:
        transaction = connection.transaction()
        await transaction.start()
        agreed = False
        try:
            before = await shelf.newest(connection)
            number = await change(connection)
            after = await shelf.load(connection, number)
            if before is not None:
                typer.echo(difference(await shelf.load(connection, before), after), nl=False)
            agreed = yes or typer.confirm(f"publish as set {number}?")
        finally:
            await (transaction.commit() if agreed else transaction.rollback())
        if not agreed:
            out.print("nothing was published")
            raise typer.Exit(1)
        out.print(
            f"published set {number}: {len(after.live)} rules, {len(after.shadow_ids)} in shadow", highlight=False
        )

    _with_connection(database_url, work)


def _with_connection(database_url: str | None, work: Callable[[Any], Awaitable[Any]]) -> Any:
    url = resolve_or_fail(database_url)

    async def body() -> Any:
        connection = await connect_url(url, name="hoistway rules", command_timeout_s=60)
        try:
            return await work(connection)
        except RuleError as error:
            err.print(f"rule {error.rule!r}, line {error.line}, column {error.column}: {error.message}", markup=False)
            raise typer.Exit(1) from None
        finally:
            await connection.close()

    return run(body())


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except HoistwayError as error:
        fail(error)


# --- what is printed ---


def _print_sets(rows: list[Any]) -> None:
    table = Table("set", "state", "published", "author", "rules", "shadow", title="rule sets")
    table.add_column("comment", overflow="fold")
    for row in rows:
        note = f"{row['comment']} (refused: {row['reason']})" if row["reason"] else row["comment"]
        shown = f"{row['published_at']:%Y-%m-%d %H:%M}"
        counts = (str(row["rules"]), str(row["shadow_rules"]))
        table.add_row(str(row["number"]), row["state"], shown, row["author"], *counts, note)
    out.print(table)


def _print_entries(published: Published, authors: dict[tuple[Mode, str], Any], counts: dict[str, Any]) -> None:
    table = Table(
        "rule", "version", "mode", "severity", "opens", "author", "since set", title=f"set {published.number}"
    )
    table.add_column("in shadow")
    whole = {Mode.LIVE: published.live, Mode.SHADOW: published.shadow}
    for entry in published.entries:
        rules = whole[entry.mode]
        rule = rules[rules.index(entry.rule_id)]
        first = authors[entry.mode, entry.rule_id]
        mode = str(entry.mode) if rule.enabled else f"{entry.mode}, off"
        said = ""
        if entry.mode is Mode.SHADOW:
            count = counts[entry.rule_id]
            said = f"{count['raises']} raised, {count['lifts']} lifts"
        table.add_row(
            rule.id, rule.version, mode, rule.severity, rule.opens, first["author"], str(first["number"]), said
        )
    out.print(table)


def _print_rule(published: Published, rule_id: str, authors: dict[tuple[Mode, str], Any]) -> None:
    found = [entry for entry in published.entries if entry.rule_id == rule_id]
    if not found:
        raise BadInput(
            f"set {published.number} has no rule {rule_id!r}", where="rules show", expected="one of its rules"
        )
    for entry in found:
        first = authors[entry.mode, rule_id]
        said = f"{entry.rule_id} {entry.version} ({entry.mode}), set {first['number']} by {first['author']}, "
        out.print(f"{said}{first['published_at']:%Y-%m-%d %H:%M} UTC: {first['comment']}", markup=False, soft_wrap=True)
        out.print(Syntax(entry.text, "toml", word_wrap=True, background_color="default"))


_COMMANDS: dict[str, Callable[..., None]] = {
    "show": show,
    "publish": publish,
    "disable": disable,
    "unshadow": unshadow,
    "rollback": rollback,
    "diff": diff,
}

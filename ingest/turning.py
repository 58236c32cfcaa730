"""Which rule set an ingest goes on with: the product's own put on the shelf, the newest one taken up, one that cannot run refused.

Called when nothing is on its way to the store; the caller commits the change of rules as an entry of the stream.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from alarms.rules import RuleSet
from alarms.signals import Transitions
from hoistway import rulebook
from hoistway.errors import RuleError
from hoistway.store import Database
from ingest.folding import Folding

log: Final = structlog.get_logger("ingest")


async def shelve_product(database: Database, product: RuleSet) -> None:
    """The program's own rules are a set like any other; what a person published stays over them."""
    async with database.acquire() as connection:
        try:
            await rulebook.ensure(connection, product)
        except RuleError as error:
            log.error("the product's rules do not go with what was published; the last set stays", error=str(error))


async def turn_again(connection: Any, engine: Folding, number: int) -> None:
    """The same in a replay. Alarms with other rules are better than none: a set that cannot run any more is passed over, loudly."""
    try:
        engine.replace_rules(await rulebook.load(connection, number))
    except RuleError as error:
        log.error("rules of the stream cannot run here; replaying without them", rule_set=number, error=str(error))


async def turn(
    database: Database, engine: Folding, ready: Callable[[], Awaitable[bool]]
) -> tuple[RuleSet, Transitions] | None:
    """Go on with the newest rule set: answers the rules before it and the CLEARs of their alarms, None when it is live already, or when
    the engine is not `ready` to leave the old one."""
    async with database.acquire() as connection:
        number = await rulebook.waiting(connection, engine.rule_set)
        if number is None:
            return None
        try:
            found = await rulebook.load(connection, number)
        except RuleError as error:
            await _refuse(connection, number, error)
            return None
    if not await ready():
        return None
    before = engine.rules
    try:
        ended = engine.replace_rules(
            found
        )  # after the last word of the database: what fails before has changed nothing
    except RuleError as error:
        async with database.acquire() as connection:
            await _refuse(connection, number, error)
        return None
    log.info("other rules are live", rule_set=number, rules=len(engine.rules), cleared=len(ended))
    return before, ended


async def _refuse(connection: Any, number: int, error: RuleError) -> None:
    log.error("a rule set cannot run here; the one before it stays", rule_set=number, error=str(error))
    await rulebook.refuse(connection, number, str(error))

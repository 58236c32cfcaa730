"""Which rule set is to be live: the product's own as a set like any other, and the newest that somebody published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from alarms.rules import RuleSet
from alarms.signals import Transitions
from hoistway import rulebook
from hoistway.errors import RuleError
from hoistway.store import Database
from ingest.folding import Folding

log: Final = structlog.get_logger("ingest")


@dataclass(frozen=True, kw_only=True, slots=True)
class Replaced:
    """A change of rules that the engine has made."""

    number: int
    before: RuleSet
    ended: Transitions  # alarms whose rule is gone or another, with indexes of `before`


async def shelve_product(database: Database, rules: RuleSet) -> None:
    """The program's own rules are a set like any other; what a person published stays over them."""
    async with database.acquire() as connection:
        try:
            await rulebook.ensure(connection, rules)
        except RuleError as error:
            log.error("the product's rules do not go with what was published; the last set stays", error=str(error))


async def follow(database: Database, engine: Folding) -> Replaced | None:
    """Go on with the newest rule set, if it is another. Nothing may be on its way to the store."""
    async with database.acquire() as connection:
        number = await rulebook.waiting(connection, engine.rule_set)
        if number is None:
            return None
        before = engine.rules
        try:
            ended = engine.replace_rules(await rulebook.load(connection, number))
        except RuleError as error:
            log.error("a rule set cannot run here; the one before it stays", rule_set=number, error=str(error))
            await rulebook.refuse(connection, number, str(error))
            return None
    return Replaced(number=number, before=before, ended=ended)

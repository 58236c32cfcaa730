"""Which message of a batch the store refuses: the batch is halved, in order, until it stands alone; all others are committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ingest.source import Message
from ingest.writer import DataRefusedError


async def sift(
    messages: Sequence[Message],
    *,
    take_in: Callable[[Sequence[Message]], Awaitable[None]],
    recover: Callable[[], Awaitable[None]],
    may_be_held: Callable[[Message], Awaitable[bool]],
    set_aside: Callable[[Message, str], Awaitable[None]],
) -> None:
    """Take in a batch that was refused, as far as it can be.

    After each refusal the state is rebuilt from the store (`recover`), because the refused part had been folded already. A message
    whose records the store may hold already (`may_be_held` has learned so) gets another look before it is set aside.
    """
    await recover()
    middle = max(1, len(messages) // 2)
    waiting = [part for part in (messages[middle:], messages[:middle]) if part]
    looked_again: set[int] = set()
    while waiting:
        part = waiting.pop()
        try:
            await take_in(part)
        except DataRefusedError as refused:
            await recover()
            if len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            elif id(part[0]) not in looked_again and await may_be_held(part[0]):
                looked_again.add(id(part[0]))
                waiting.append(part)
            else:
                await set_aside(part[0], str(refused))

"""Every error this project raises, as one tree. The docstring is the message's first line.

HoistwayError
├── OurFault            a broken invariant of our own: crash loudly
├── TheirFault          somebody handed us something wrong: say what, where, what was expected
│   ├── BadInput            a field, file or request that cannot be used
│   ├── RefusedMessage      an MQTT message that goes to the quarantine
│   ├── OverBudget          an MQTT message that is not read: its device sent too many unreadable ones
│   ├── RuleError           a rule that cannot go live
│   ├── IllegalMove         a life-cycle move that the table does not hold
│   ├── Conflict            somebody else changed it first
│   └── Forbidden           not with this role
└── WorldFault          the machine or the network: retry, restart, or tell the operator
    ├── ServiceUnavailable  a database or broker that does not answer
    ├── CannotStart         an embedded part that cannot run here
    └── Fenced              another process took over this partition
"""

from __future__ import annotations


class HoistwayError(Exception):
    """Something went wrong in hoistway."""


class OurFault(HoistwayError):
    """A broken invariant of our own."""


class TheirFault(HoistwayError):
    """Something that was handed to us cannot be used."""


class WorldFault(HoistwayError):
    """The machine or the network is in the way."""


class BadInput(TheirFault):
    """A field, file or request cannot be used."""

    def __init__(self, what: str, *, where: str, expected: str) -> None:
        self.what, self.where, self.expected = what, where, expected
        super().__init__(f"{where}: {what}; expected {expected}")


class RefusedMessage(TheirFault):
    """A message that goes whole to the quarantine; `reason` is one of `hoistway.wire.REASONS`."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")


class OverBudget(TheirFault):
    """A message that is not read with care: its device has sent too many unreadable ones in a short time."""


class RuleError(TheirFault):
    """A rule that cannot go live; names rule, line, column (both from 1) and what was expected."""

    def __init__(self, message: str, *, rule: str, line: int = 1, column: int = 1) -> None:
        self.message, self.rule, self.line, self.column = message, rule, line, column
        super().__init__(f"rule {rule!r}, line {line}, column {column}: {message}")


class IllegalMove(TheirFault):
    """A life-cycle move that the table does not hold."""

    def __init__(self, *, machine: str, state: str, move: str, allowed: tuple[str, ...]) -> None:
        self.machine, self.state, self.move, self.allowed = machine, state, move, allowed
        super().__init__(f"{machine}: no move {move!r} from {state!r}; allowed: {', '.join(allowed) or 'none'}")


class Conflict(TheirFault):
    """Somebody else changed it first; carries the current version."""

    def __init__(self, what: str, *, current: int) -> None:
        self.what, self.current = what, current
        super().__init__(f"{what} is at version {current} now")


class Forbidden(TheirFault):
    """Not with this role."""


class ServiceUnavailable(WorldFault):
    """A database or broker does not answer."""


class CannotStart(WorldFault):
    """An embedded part cannot run here; the message says what to do."""


class Fenced(WorldFault):
    """Another process took over this partition; this one must stop writing."""

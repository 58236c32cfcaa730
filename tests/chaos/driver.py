"""Carries a plan out on a running system, and writes down what each kill hit.

A kill counts only when, at its instant, records were un-acknowledged or a transaction was open; that is observed from
outside: in the terminals' own books and on the wire to PostgreSQL. Blocking: it belongs in a thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.chaos.links import Link
from tests.chaos.plan import Kill, Step, Trapped, Trouble
from tests.chaos.taps import Moment, Wire
from tests.support.ledger import Ledger
from tests.support.system import System, running, wait_for

RECOVERY_S = 60.0
"""After the last fault everything flows again within this time."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """What a kill found at its instant."""

    kill: Kill
    unacked: int  # records that the terminals had sent or kept and that no ack had named
    in_transaction: bool  # whether a batch was between BEGIN and the end of its COMMIT
    back_s: float  # until acks came again

    @property
    def counts(self) -> bool:
        """Whether there was something to lose."""
        return self.unacked > 0 or self.in_transaction

    def __str__(self) -> str:
        word = "" if self.counts else ", does not count"
        return f"{self.kill}: {self.unacked} un-acked, transaction {self.in_transaction}, back after {self.back_s:.1f} s{word}"


@dataclass(kw_only=True)
class Rig:
    """A system under test with links in front of its servers."""

    system: System
    wire: Wire
    links: dict[str, Link]  # by server: postgres, broker
    hits: list[Hit] = field(default_factory=list)

    @property
    def counted(self) -> Counter[Moment]:
        """Kills that count, by moment."""
        return Counter(hit.kill.moment for hit in self.hits if hit.counts)


@contextmanager
def rig(*arguments: str, mutant: str | None = None, home: Path | None = None) -> Iterator[Rig]:
    """`hoistway up` whose ingest reaches PostgreSQL and broker only through links of ours."""
    wire, found = Wire(), list[System]()

    def postgres_port() -> int:
        return urlsplit(found[0].database_url).port or 0

    def broker_port() -> int:
        return int(found[0].mqtt_port)

    links = {"postgres": Link(postgres_port, wire.tap), "broker": Link(broker_port)}
    with links["postgres"].running() as postgres, links["broker"].running() as broker:
        ports = {"CHAOS_POSTGRES_PORT": str(postgres.port), "CHAOS_BROKER_PORT": str(broker.port)}
        with running(*arguments, mutant=mutant, links=ports, seen=found.append, home=home) as system:
            yield Rig(system=system, wire=wire, links=links)


class Driver:
    """One run of a plan."""

    def __init__(self, rig: Rig, ledger: Ledger) -> None:
        self._rig, self._system, self._wire, self._ledger = rig, rig.system, rig.wire, ledger

    def run(self, steps: Sequence[Step]) -> None:
        """Every step in turn; acks flow again before the next one."""
        for step in steps:
            if isinstance(step, Trapped):
                for lift in step.lifts:
                    self._ledger.devices[lift].trapped = True
            elif isinstance(step, Kill):
                self._kill(step)
            else:
                self._trouble(step)

    # --- kills ---

    def _kill(self, kill: Kill) -> None:
        unacked, in_transaction = self.strike(kill)
        back_s = self._back(again="supervisor" in kill.parts)
        self._rig.hits.append(Hit(kill=kill, unacked=unacked, in_transaction=in_transaction, back_s=back_s))

    def strike(self, kill: Kill) -> tuple[int, bool]:
        """kill -9 at the moment; answers what was un-acknowledged then and whether a transaction was open."""
        victims = self._victims(kill.parts)
        self._reach(kill.moment)
        if "backend" in kill.parts:
            victims.append(self._wire.backend)
        found = self._ledger.unacked, self._wire.in_transaction
        _send(victims, signal.SIGKILL)
        self._wire.let_go(drop="ingest" in kill.parts)
        return found

    def _victims(self, parts: Sequence[str]) -> list[int]:
        """The processes to end. The supervisor goes first, so that it starts nothing again meanwhile."""
        found = [self._system.process.pid] if "supervisor" in parts else []
        return found + [self._system.pid_of(part) for part in parts if part not in {"supervisor", "backend"}]

    def _reach(self, moment: Moment) -> None:
        """Return at that moment of a batch: held on the wire, or an ack just read by a terminal."""
        if moment is Moment.AFTER_ACK:
            before = self._ledger.accepted
            wait_for(lambda: self._ledger.accepted > before and self._ledger.unacked, limit_s=RECOVERY_S, what="an ack")
            return
        self._wire.ask(moment)
        wait_for(self._wire.held.is_set, limit_s=RECOVERY_S, what=f"a batch {moment.value}")

    def _back(self, *, again: bool = False) -> float:
        """Wait until acks come again for what is sent from now on; the seconds it took."""
        began = time.monotonic()
        if again:
            self._system.launch_again(limit_s=RECOVERY_S)
        for device in self._ledger.devices[:3]:
            boot, seq = device.last_event
            upto = (boot, seq + 1)
            wait_for(
                lambda device=device, upto=upto: device.acked_event >= upto,
                limit_s=RECOVERY_S,
                what=f"{device.name} has acks again\n{self._system.log('ingest')[-3_000:]}",
            )
        return time.monotonic() - began

    # --- what passes by itself ---

    def _trouble(self, trouble: Trouble) -> None:
        wait_for(lambda: self._ledger.unacked > 0, limit_s=RECOVERY_S, what="records on their way")
        if trouble.kind == "stop":
            self._stand_still(trouble)
        elif trouble.kind == "restart":
            self._restart(trouble.part)
        else:
            self._disturb(self._rig.links[trouble.part], trouble)
        self._back()

    def _restart(self, part: str) -> None:
        """Tell it to end; who keeps it starts it again."""
        if part == "terminals":
            for device in self._ledger.devices[::4]:
                device.restart()
            return
        old = self._wire.backend if part == "backend" else self._system.pid_of(part)
        _send([old], signal.SIGINT if part == "postgres" else signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{old}").exists(), limit_s=RECOVERY_S, what=f"the end of {part}")

    def _stand_still(self, trouble: Trouble) -> None:
        one = trouble.part == "supervisor"
        frozen = [self._system.process.pid] if one else self._system.family(trouble.part)
        _send(frozen, signal.SIGSTOP)
        try:
            time.sleep(trouble.seconds)
        finally:
            _send(frozen, signal.SIGCONT)

    def _disturb(self, link: Link, trouble: Trouble) -> None:
        {"cut": link.cut, "stall": link.stall, "delay": lambda: link.delay(0.1)}[trouble.kind]()
        try:
            time.sleep(trouble.seconds)
        finally:
            link.heal()


def _send(victims: Sequence[int], number: signal.Signals) -> None:
    """Only processes that we or our children started are named here."""
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

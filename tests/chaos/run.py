"""One run from start to verdict: a system of its own, terminals, a plan, the account. Also as a command:

`python -m tests.chaos.run --broker nats --seed 7 --kills 12` prints the plan, what each kill hit and the account.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.driver import Driver, Hit, Rig, rig
from tests.chaos.plan import BRIEF_S, LONG_S, plan
from tests.chaos.taps import Moment
from tests.chaos.verdict import Verdict, enrol, every_entrapment_has_its_alarm, judge
from tests.support.ledger import Ledger
from tests.support.system import wait_for

LIFTS = 20
EVERY_S = 0.25  # between two samples of a lift
DRAIN_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a run came to."""

    broker: str
    seed: int
    hits: list[Hit]
    by_moment: Counter[Moment]
    drained: bool  # whether everything sent was acknowledged in the end
    verdict: Verdict

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong and nothing is left open."""
        return self.drained and self.verdict.clean

    @property
    def wrong(self) -> dict[str, object]:
        """What is wrong, by name."""
        found = {name: value for name, value in vars(self.verdict).items() if name not in {"acked", "rows"} and value}
        return found if self.drained else {**found, "not drained": True}

    @property
    def counted(self) -> int:
        """Kills that had something to lose."""
        return self.by_moment.total()

    def __str__(self) -> str:
        moments = ", ".join(f"{self.by_moment[moment]} {moment.value}" for moment in Moment)
        found = self.verdict
        return (
            f"{self.broker}, seed {self.seed}: {self.counted} of {len(self.hits)} kills count ({moments});"
            f" {found.acked} acked, {found.rows} rows; {'clean' if self.clean else f'WRONG {self.wrong}'}"
        )


@contextmanager
def traffic(
    broker: str, *, mutant: str | None = None, lifts: int = LIFTS, home: Path | None = None
) -> Iterator[tuple[Rig, Ledger]]:
    """A system of its own whose terminals talk and have had their first acks; all of it ends with the block."""
    with rig("--broker", broker, mutant=mutant, home=home) as under_test:
        ledger = Ledger(
            asyncio.run(enrol(under_test, lifts)), under_test.system.mqtt_port, every_s=EVERY_S, trapped=False
        )
        ledger.start()
        try:
            wait_for(lambda: ledger.accepted > 4 * lifts, limit_s=40, what="first acks")
            yield under_test, ledger
        finally:
            ledger.stop()


def run(broker: str, *, seed: int, kills: int, longest_s: float = BRIEF_S) -> Account:
    """Carry the plan of this seed out and account for every record."""
    steps = plan(seed, kills=kills, lifts=LIFTS, longest_s=longest_s)
    _say(f"seed {seed}, {broker}:", *steps)
    with traffic(broker) as (under_test, ledger):
        Driver(under_test, ledger).run(steps)
        asyncio.run(every_entrapment_has_its_alarm(under_test, ledger))
        drained = ledger.drain(limit_s=DRAIN_S)
        verdict = asyncio.run(judge(under_test, ledger))
    hits, by_moment = under_test.hits, under_test.counted
    account = Account(broker=broker, seed=seed, hits=hits, by_moment=by_moment, drained=drained, verdict=verdict)
    _say(*hits, account)
    return account


def _say(*lines: object) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=["nats", "mosquitto"], default="nats")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument(
        "--longest", type=float, default=LONG_S, help="seconds of the longest standstill or broken link"
    )
    options = parser.parse_args()
    account = run(options.broker, seed=options.seed, kills=options.kills, longest_s=options.longest)
    sys.exit(0 if account.clean else 1)

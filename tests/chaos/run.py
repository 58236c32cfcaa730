"""One run from start to verdict: a system of its own, terminals, a plan, the account. Also as a command:

`python -m tests.chaos.run --broker nats --seed 7 --kills 12` prints the plan, what each kill hit and the account.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from dataclasses import dataclass

from tests.chaos.driver import Driver, Hit, rig
from tests.chaos.plan import plan
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
    def counted(self) -> int:
        """Kills that had something to lose."""
        return self.by_moment.total()

    def __str__(self) -> str:
        moments = ", ".join(f"{self.by_moment[moment]} {moment.value}" for moment in Moment)
        found = self.verdict
        wrong = {name: value for name, value in vars(found).items() if name not in {"acked", "rows"} and value}
        return (
            f"{self.broker}, seed {self.seed}: {self.counted} of {len(self.hits)} kills count ({moments});"
            f" {found.acked} acked, {found.rows} rows; {'clean' if found.clean else f'WRONG {wrong}'}"
        )


def run(broker: str, *, seed: int, kills: int, mutant: str | None = None, only: tuple[str, ...] = ()) -> Account:
    """Carry the plan of this seed out and account for every record. `only`: kill these parts and do nothing else."""
    steps = plan(seed, kills=kills, lifts=LIFTS, only=only)
    _say(f"seed {seed}, {broker}:", *steps)
    with rig("--broker", broker, mutant=mutant) as under_test:
        ledger = Ledger(
            asyncio.run(enrol(under_test, LIFTS)), under_test.system.mqtt_port, every_s=EVERY_S, trapped=False
        )
        ledger.start()
        try:
            wait_for(lambda: ledger.accepted > 4 * LIFTS, limit_s=40, what="first acks")
            Driver(under_test, ledger).run(steps)
            if mutant is None:
                asyncio.run(every_entrapment_has_its_alarm(under_test, ledger))
            drained = ledger.drain(limit_s=DRAIN_S if mutant is None else 1.0)
        finally:
            ledger.stop()
        verdict = asyncio.run(judge(under_test, ledger))
    account = Account(
        broker=broker, seed=seed, hits=under_test.hits, by_moment=under_test.counted, drained=drained, verdict=verdict
    )
    _say(*under_test.hits, account)
    return account


def _say(*lines: object) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=["nats", "mosquitto"], default="nats")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--kills", type=int, default=12)
    options = parser.parse_args()
    account = run(options.broker, seed=options.seed, kills=options.kills)
    sys.exit(0 if account.verdict.clean and account.drained else 1)

"""The long campaign: kills by the hundred, leg after leg, each written down with machine and date as soon as it is over.

`python -m tests.chaos.campaign --kills 100` goes on where the last one stopped: `bench/results/chaos.md` holds every leg there
has been, and the next seed follows from it. A leg that was interrupted is not written and begins again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from bench.common import machine
from hoistway.embedded.mosquitto import find_mosquitto
from hoistway.embedded.nats import find_nats
from tests.chaos.plan import LONG_S
from tests.chaos.run import Account, run
from tests.chaos.taps import Moment

RESULTS = Path(__file__).parents[2] / "bench" / "results" / "chaos.md"
LEG = 25  # kills between two verdicts
HERE = RESULTS.parents[2]
COLUMNS = (
    "seed",
    "broker",
    "kills",
    *(moment.value for moment in Moment),
    "acked",
    "stored",
    "verdict",
    "program",
    "machine",
)
METHOD = """\
The whole product as `hoistway up` runs it, 20 lifts with a terminal each, ten of them entrapments by their samples. Parts are ended
with kill -9 by a seeded plan, alone, in pairs and all at once; between the kills parts stand still, links are cut, stalled and
delayed, terminals lose their power. A kill is counted when records were un-acknowledged or a transaction was open at its instant.
A leg is clean when acked - stored is empty, nothing is stored twice or was never sent, every entrapment is exactly one case and
each moment of a batch was hit. kill -9 keeps the page cache: this is no power cut.

The same leg again, at the commit that its line names: `python -m tests.chaos.run --broker BROKER --seed SEED --kills 25`.
More legs: `make long`."""


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One line of the results."""

    cells: tuple[str, ...]  # as COLUMNS

    def number(self, column: str) -> int:
        """A cell that is a count."""
        return int(self.cells[COLUMNS.index(column)])

    @property
    def clean(self) -> bool:
        """Whether its run was green."""
        return self.cells[COLUMNS.index("verdict")] == "clean"


def legs_of(text: str) -> list[Leg]:
    """The legs that a results file holds."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    cells = [tuple(cell.strip() for cell in row) for row in rows if len(row) == len(COLUMNS)]
    return [Leg(cells=row) for row in cells if row[0].isdigit()]


def page(legs: list[Leg]) -> str:
    """The results file."""
    kills = sum(leg.number("kills") for leg in legs if leg.clean)
    moments = ", ".join(
        f"{sum(leg.number(moment.value) for leg in legs if leg.clean)} {moment.value}" for moment in Moment
    )
    records = sum(leg.number("acked") for leg in legs if leg.clean)
    bound = f"{3 / kills:.4f}" if kills else "-"
    lines = ["# Chaos", "", METHOD, "", "| what | figure |", "|---|---|"]
    lines += [
        f"| kills that count, in clean legs | {kills} ({moments}) |",
        f"| acknowledged records in clean legs, none lost or doubled | {records} |",
        f"| failures a kill, upper bound at 95 % (3 / kills) | {bound} |",
        f"| legs that were not clean | {sum(not leg.clean for leg in legs)} of {len(legs)} |",
    ]
    lines += ["", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(leg.cells)} |" for leg in legs)]) + "\n"


def line(account: Account) -> Leg:
    """A run as a line of the results."""
    counts = (account.seed, account.broker, account.counted, *(account.by_moment[moment] for moment in Moment))
    found = account.verdict
    verdict = "clean" if account.clean else f"WRONG, {account.wrong}".replace("|", "/").replace("\n", " ")[:300]
    return Leg(cells=tuple(map(str, (*counts, found.acked, found.rows, verdict, PROGRAM, machine()))))


def stopped(broker: str, seed: int, why: str) -> Leg:
    """A run that did not reach its account, as a line of the results."""
    counts = (seed, broker, *[0] * (len(Moment) + 3))
    verdict = f"STOPPED, {why}".replace("|", "/").replace("\n", " ")[:300]
    return Leg(cells=tuple(map(str, (*counts, verdict, PROGRAM, machine()))))


def program() -> str:
    """The commit that runs, with a `+` when files differ from it (these results apart)."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=HERE)

    changed = git("diff", "--quiet", "HEAD", "--", ".", ":!bench/results").returncode
    return git("rev-parse", "--short", "HEAD").stdout.strip() + "+" * bool(changed)


def brokers() -> Iterator[str]:
    """The kinds of broker that are here, in turn."""
    found = [kind for kind, there in (("nats", find_nats()), ("mosquitto", find_mosquitto())) if there is not None]
    sys.stdout.write(f"brokers here: {', '.join(found)}\n")
    return cycle(found)


PROGRAM = program()  # as it is when this process begins


def campaign(kills: int, results: Path = RESULTS) -> bool:
    """Legs until this many more kills count; answers whether all were clean. Stops at the first that is not."""
    legs, kinds, done = legs_of(results.read_text()) if results.exists() else [], brokers(), 0
    for _ in range(len(legs) % 2):
        next(kinds)
    while done < kills:
        broker, seed = next(kinds), max((leg.number("seed") for leg in legs), default=0) + 1
        try:
            leg = line(run(broker, seed=seed, kills=min(LEG, kills - done), longest_s=LONG_S))
        except AssertionError as error:
            leg = stopped(broker, seed, str(error))
        legs.append(leg)
        results.write_text(page(legs))
        if not leg.clean:
            return False
        done += leg.number("kills")
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    sys.exit(0 if campaign(parser.parse_args().kills) else 1)

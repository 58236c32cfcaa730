"""Overload and outage, as campaigns: `python -m tests.chaos.overload --name flood` plays one and writes its last figures down.

`bench/results/overload.md` has a section for each; a campaign that is played again replaces its own. Without `--name` those are played
that this program has not played yet, so that an interrupted run goes on where it stopped. A red one ends it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.common import machine
from hoistway.embedded.mosquitto import find_mosquitto
from tests.chaos import outages
from tests.chaos.campaign import PROGRAM
from tests.chaos.flood import flood
from tests.chaos.outages import CannotPlay, Outcome
from tests.chaos.reconnect import reconnect

RESULTS = Path(__file__).parents[2] / "bench" / "results" / "overload.md"
CAMPAIGNS: dict[str, Callable[[str], Outcome]] = {
    "flood": flood,
    "database-away": outages.database_away,
    "empty-broker": outages.empty_broker,
    "reconnect": reconnect,
    "disk-full-data": outages.disk_full_data,
    "disk-full-wal": outages.disk_full_wal,
    "slow-disk": outages.slow_disk,
}
METHOD = """\
The whole product as `hoistway up` runs it, with terminals that keep books beside each trouble. A campaign is clean when nothing that was
acknowledged is missing in the store, nothing is stored twice or was never sent, every entrapment is exactly one case, everything is
acknowledged in the end, and its bounds hold. Events leave every second from each terminal; their way to the device's own `ack` is an
upper bound of the way to the commit.

Each again: `python -m tests.chaos.overload --name NAME`. Those that this program has not played: `make long`."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """One campaign's part of the page."""

    name: str
    text: str  # everything below its headline

    @property
    def clean(self) -> bool:
        """Whether it was as it should be."""
        return "| verdict | clean |" in self.text

    @property
    def program(self) -> str:
        """The commit that it was played with."""
        found = re.search(r"^\| program \| (.*?) \|$", self.text, re.MULTILINE)
        return found.group(1) if found else ""


def sections_of(text: str) -> dict[str, Section]:
    """The sections that a results file holds."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    return {name: Section(name=name, text=body.strip()) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def page(sections: dict[str, Section]) -> str:
    """The results file."""
    known = [sections[name] for name in CAMPAIGNS if name in sections]
    return "\n\n".join(
        ["# Overload and outage", METHOD, *(f"## {section.name}\n\n{section.text}" for section in known)]
    ) + "\n"  # fmt: skip


def section(name: str, method: str, broker: str, outcome: Outcome) -> Section:
    """A played campaign."""
    verdict = "clean" if not outcome.wrong else f"WRONG, {outcome.wrong}".replace("|", "/").replace("\n", " ")[:400]
    rows = [("verdict", verdict), *outcome.figures, ("broker", broker), ("program", PROGRAM), ("machine", machine())]
    table = "\n".join(["| what | figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])
    return Section(name=name, text=f"{' '.join(method.split())}\n\n{table}")


def play(name: str, results: Path = RESULTS) -> bool:
    """Play one campaign and write it down; answers whether it was clean. One that cannot be played here is left as it was."""
    broker, scene = "mosquitto" if find_mosquitto() else "nats", CAMPAIGNS[name]
    try:
        outcome = scene(broker)
    except CannotPlay as error:
        sys.stdout.write(f"{name}: not played, {error}\n")
        return True
    except AssertionError as error:
        outcome = Outcome(wrong={"stopped": str(error)}, figures=[])
    sys.stdout.write(f"{name}\n{outcome}\n")
    sections = sections_of(results.read_text()) if results.exists() else {}
    sections[name] = section(name, scene.__doc__ or "", broker, outcome)
    results.write_text(page(sections))
    return not outcome.wrong


def main(names: list[str], results: Path = RESULTS) -> bool:
    """Play the named campaigns, or those that this program has not played."""
    done = sections_of(results.read_text()) if results.exists() else {}
    played = {name for name, found in done.items() if found.clean and found.program == PROGRAM}
    wanted = names or [name for name in CAMPAIGNS if name not in played]
    return all(play(name, results) for name in wanted)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", action="append", choices=CAMPAIGNS, default=[])
    sys.exit(0 if main(parser.parse_args().name) else 1)

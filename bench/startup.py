"""How long from the command to a console that answers, and what it all weighs.

`hoistway up` in an empty folder and again in the same one, without a demo and with the demo city; memory is the proportional set
size of every process, after fifteen seconds of traffic.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.common import report
from tests.support.folders import temporary_home
from tests.support.system import System, running


def memory_mb(system: System) -> dict[str, float]:
    """Proportional set size by part, in MB, children of children included."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue

    def of(pid: int) -> float:
        try:
            lines = (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            return 0.0
        own = next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1_024
        return own + sum(of(child) for child, parent in parents.items() if parent == pid)

    parts = ("postgres", "broker", "ingest", "dispatch", "api")
    found = {part: of(system.pid_of(part)) for part in parts}
    found["everything"] = of(system.process.pid)
    return found


def main() -> None:
    rows = []
    with temporary_home() as home:
        for label, arguments in (
            ("empty folder, no demo", ()),
            ("same folder again, no demo", ()),
            ("same folder, demo of 300 lifts and 20 escalators", ("--demo", "300")),
        ):
            began = time.monotonic()
            with running(*arguments, home=home) as system:
                rows.append((f"{label}: command to login link", f"{time.monotonic() - began:.1f} s"))
                if arguments:
                    time.sleep(15)
                    rows += [(f"memory of {part}", f"{size:.0f} MB") for part, size in memory_mb(system).items()]
    report("startup", "Start-up and memory", __doc__.partition("\n\n")[2].strip(), rows)


if __name__ == "__main__":
    main()

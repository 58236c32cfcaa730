"""All targets, one after the other, for a time that is said: `python -m tests.fuzz.campaign --seconds 300`. Writes bench/results/fuzz.md.

Without atheris it says so and ends well: the plain and the hypothesis tests go over the same readers.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.common import RESULTS, machine

ROOT: Final = Path(__file__).parents[2]
START_S: Final = 60
"""What a process may need besides its fuzzing time, on a busy machine."""
_DONE: Final = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_COVERAGE: Final = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one target."""

    target: str
    inputs: int
    edges: int  # branches of the instrumented code that were reached
    kept: int  # inputs that reached something new
    found: tuple[Path, ...]  # inputs that broke it
    said: str


def available() -> bool:
    """Whether atheris is installed here."""
    return importlib.util.find_spec("atheris") is not None


def fuzz(target: str, folder: Path, *, seconds: int, seed: int) -> Outcome:
    """One target in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzz.one", target, str(folder), str(seconds), str(seed)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False, timeout=seconds + START_S
    )
    said = done.stdout + done.stderr
    found = tuple(path for kind in ("crash", "timeout", "oom") for path in sorted(folder.glob(f"{kind}-*")))
    inputs = _DONE.search(said)
    if inputs is None or (done.returncode and not found):
        raise RuntimeError(f"{target}: the fuzzer did not run (exit code {done.returncode})\n{said[-3_000:]}")
    reached = [tuple(map(int, match.groups())) for match in _COVERAGE.finditer(said)] or [(0, 0, 0)]
    return Outcome(
        target=target, inputs=int(inputs[1]), edges=reached[-1][0], kept=reached[-1][2], found=found, said=said
    )


def report(outcomes: list[Outcome], *, seconds: int, seed: int) -> str:
    """The page of figures."""
    lines = [
        "# Guided fuzzing",
        "",
        f"`python -m tests.fuzz.campaign --seconds {seconds} --seed {seed}` on {machine()}",
        "",
        "| reader | inputs | branches reached | inputs kept | finds |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {it.target} | {it.inputs:,} | {it.edges:,} | {it.kept:,} | {len(it.found)} |" for it in outcomes]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Exit code 1 when something was found; the inputs are then left in the folder that is named."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=300, help="of all targets together")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if not available():
        sys.stdout.write("no atheris here (it has wheels for Linux on x86-64): nothing was fuzzed\n")
        return 0
    each = max(1, asked.seconds // len(TARGETS))
    folder = Path(tempfile.mkdtemp(prefix="hoistway-fuzz-"))
    outcomes = []
    for target in TARGETS:
        outcomes.append(fuzz(target, folder / target, seconds=each, seed=asked.seed))
        for path in outcomes[-1].found:
            sys.stdout.write(f"{target}: {path}\n{outcomes[-1].said[-3_000:]}\n")
    text = report(outcomes, seconds=asked.seconds, seed=asked.seed)
    sys.stdout.write(text)
    (RESULTS / "fuzz.md").write_text(text, "utf-8")
    return int(any(outcome.found for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())

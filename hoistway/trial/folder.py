"""A run on disk: a folder with its sheet, its truth, its alarms, the crews that went out and what was kept to explain. Plain JSON lines.

Written whole or not at all; a folder that cannot be read is `BadInput` naming file and line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.trial.clips import Line
from hoistway.trial.play import Played
from simulators.score.records import NEVER, RuleFacts, Run, alarms_of, objects, sent_of, truths_of

SHEET: Final = "run.json"
FORMAT: Final = 1
_EXPECTED: Final = "the folder of a run (docs/score.md)"


def write(played: Played, folder: Path) -> None:
    """Keep a run. What was in the folder under these names is replaced. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    run = played.run
    _lines(folder / "truth.jsonl", played.truth)
    _lines(folder / "alarms.jsonl", (_alarm(item) for item in run.alarms))
    _lines(folder / "sent.jsonl", (_sent(item) for item in run.sent))
    _lines(folder / "evidence.jsonl", ({"name": name, "lines": lines} for name, lines in sorted(played.clips.items())))
    sheet = {
        "format": FORMAT, "name": run.name, "seed": run.seed, "from_ms": run.from_ms, "to_ms": run.to_ms, "lifts": run.lifts,
        "escalators": run.escalators, "samples": played.samples, "evidence_left_out": played.left_out,
        "facts": dict(run.facts), "rules": [asdict(rule) for rule in run.rules],
    }  # fmt: skip
    beside = folder / "run.new"  # the sheet comes last: without it the folder is no run
    beside.write_text(json.dumps(sheet, ensure_ascii=False, indent=1) + "\n", "utf-8")
    beside.replace(folder / SHEET)


def read(folder: Path) -> Run:
    """A run as it was kept. Raises BadInput."""
    sheet = _sheet(folder)
    parts = {name: _read(folder / f"{name}.jsonl") for name in ("truth", "alarms", "sent")}
    try:
        return Run(
            name=str(sheet["name"]),
            seed=int(sheet["seed"]),
            from_ms=int(sheet["from_ms"]),
            to_ms=int(sheet["to_ms"]),
            lifts=int(sheet["lifts"]),
            escalators=int(sheet["escalators"]),
            rules=[RuleFacts(**rule) for rule in sheet["rules"]],
            truths=truths_of(parts["truth"], source=str(folder / "truth.jsonl")),
            alarms=alarms_of(parts["alarms"], source=str(folder / "alarms.jsonl")),
            sent=sent_of(parts["sent"], source=str(folder / "sent.jsonl")),
            facts=dict(sheet.get("facts", {})),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(repr(error), where=str(folder / SHEET), expected=_EXPECTED) from None


def read_evidence(folder: Path) -> dict[str, list[Line]]:
    """What was kept to explain misses and false alarms; empty where nothing was."""
    path = folder / "evidence.jsonl"
    if not path.exists():
        return {}
    try:
        return {
            row["name"]: [(float(at), str(said)) for at, said in row["lines"]]
            for _, row in objects(_read(path), source=str(path))
        }
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(repr(error), where=str(path), expected=_EXPECTED) from None


def _sheet(folder: Path) -> dict[str, Any]:
    path = folder / SHEET
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(str(error), where=str(path), expected=_EXPECTED) from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadInput("another format", where=str(path), expected=f"format {FORMAT}")
    return found


def _read(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(error), where=str(path), expected=_EXPECTED) from None


def _lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)


def _alarm(item: Any) -> dict[str, Any]:
    return {
        "id": item.id, "lift": item.lift, "rule": item.rule, "hold_start": item.hold_start_ms, "raised": item.raised_ms,
        "cleared": _end(item.cleared_ms), "notice": item.notice, "opens": item.opens,
    }  # fmt: skip


def _sent(item: Any) -> dict[str, Any]:
    return {
        "lift": item.lift, "rule": item.rule, "opened": item.opened_ms, "ordered": item.ordered_ms, "over": _end(item.over_ms),
    }  # fmt: skip


def _end(ms: int) -> int | None:
    return None if ms == NEVER else ms

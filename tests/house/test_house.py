"""The house keeps its own rules: what lies where, who may read a clock, what a wheel holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from alarms.language.reader import default_rules
from dispatch.intake.complaints import ComplaintTimer
from dispatch.intake.limits import NAMES as INTAKE_NAMES
from dispatch.intake.limits import IntakeLimits
from dispatch.limits import NAMES, PRESETS
from dispatch.outcome import TimerKind
from dispatch.tickets.families import FAMILIES
from dispatch.tickets.limits import NAMES as TICKET_LIMITS
from dispatch.tickets.limits import TicketLimits
from dispatch.tickets.outcome import TicketTimer
from hoistway.lifecycle import ALARM_MOVES, alarm_diagram, complaint_diagram, diagram, order_diagram, ticket_diagram
from hoistway.limits import CHATTERING_S, STALE_HOURS
from hoistway.model import SIGNALS, Opens
from hoistway.store import queries
from ingest.pack import COLUMNS

ROOT = Path(__file__).parents[2]
ROOMS = ("hoistway", "ingest", "alarms", "dispatch", "api", "simulators")
CORE = [
    *sorted((ROOT / "alarms").glob("*.py")),
    *sorted((ROOT / "ingest/adapters").glob("*.py")),
    ROOT / "hoistway/lifecycle.py",
    *(
        ROOT / f"dispatch/tickets/{name}.py"
        for name in ("outcome", "policy", "moves", "limits", "causes", "families", "images")
    ),
    *(
        ROOT / f"dispatch/{name}.py"
        for name in (
            "policy",
            "sending",
            "acts",
            "outcome",
            "units",
            "limits",
            "chain",
            "desk",
            "areas",
            "intake/calls",
            "intake/complaints",
            "intake/limits",
            "notify/plan",
            "notify/channels",
            "notify/net/signature",
            "notify/net/guard",
            "notify/texts",
        )
    ),
    *(ROOT / f"dispatch/citylink/{name}.py" for name in ("form", "mapping", "answers", "matching", "lists", "words")),
]
CLOCKS = {("time", "time"), ("time", "monotonic"), ("datetime", "now"), ("datetime", "utcnow"), ("time", "time_ns")}


def tracked() -> list[Path]:
    """Every file of the project: what git holds and what it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_reads_no_clock(path: Path) -> None:
    """Time is an argument: nothing in the core asks what time it is."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in CLOCKS, f"{path.name}:{node.lineno}"


def test_every_file_says_what_belongs_in_it() -> None:
    """A module begins with a docstring."""
    silent = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py" and ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None
    ]
    assert silent == []


def test_every_query_is_named_and_used() -> None:
    """Each `.sql` file parses into named queries, and each name stands in the Python code of its room."""
    for file in ROOT.glob("*/**/sql/*.sql"):
        parts = file.relative_to(ROOT).parts
        package, resource = ".".join(parts[:-2]), "/".join(parts[-2:])
        code = "\n".join(path.read_text("utf-8") for path in (ROOT / parts[0]).rglob("*.py"))
        for name, text in queries(package, resource).items():
            assert text, f"{resource}: {name} is empty"
            assert re.search(rf'["\']{name}["\']', code), f"{resource}: {name} is used nowhere"


def test_sample_columns_hold_every_signal() -> None:
    """What is stored and read back of a sample is all of it."""
    assert set(COLUMNS) >= {signal.name for signal in SIGNALS}


def test_the_diagrams_of_case_and_order_are_the_tables() -> None:
    """The documents show both life cycles as the code has them."""
    text = (ROOT / "docs/cases.md").read_text("utf-8")
    assert diagram() in text
    assert order_diagram() in text


def test_the_complaint_and_its_limits_stand_in_the_guide() -> None:
    """The life cycle as the code has it, every timer, and every limit of intake with its default."""
    text = (ROOT / "docs/intake.md").read_text("utf-8")
    assert complaint_diagram() in text
    for timer in ComplaintTimer:
        assert f"\n| `{timer}` | " in text
    for name in INTAKE_NAMES:
        default = getattr(IntakeLimits(), name)
        assert re.search(rf"^\| `{name}` \| [^|]+ \| {default} \|$", text, re.MULTILINE), name


def test_the_limits_and_timers_of_a_rescue_stand_in_the_guide() -> None:
    """Every limit with its figure in every preset, and every timer."""
    text = (ROOT / "docs/cases.md").read_text("utf-8")
    for name in NAMES:
        figures = " | ".join(str(getattr(preset, name)) for preset in PRESETS.values())
        assert re.search(rf"^\| `{name}` \| [^|]+ \| {re.escape(figures)} \|$", text, re.MULTILINE), name
    for timer in TimerKind:
        assert f"\n| `{timer}` | " in text


def test_the_life_of_a_ticket_stands_in_the_guide() -> None:
    """Its diagram, every limit with its figure, every timer, and every family of faults; all of them of rules that there are."""
    text = (ROOT / "docs/tickets.md").read_text("utf-8")
    assert ticket_diagram() in text
    for name in TICKET_LIMITS:
        assert re.search(rf"^\| `{name}` \| [^|]+ \| {getattr(TicketLimits(), name)} \|$", text, re.MULTILINE), name
    for timer in TicketTimer:
        assert f"\n| `{timer}` | " in text
    known = {
        rule.id for rule in default_rules() if Opens.TICKET in {rule.opens, *(level.opens for level in rule.levels)}
    }
    for family, rules in FAMILIES.items():
        assert f"| {family} | {', '.join(f'`{rule}`' for rule in rules)} |" in text
        assert set(rules) <= known


def test_the_operator_states_diagram_and_table_are_the_code_s() -> None:
    """The documents show every move of the operator state, with who makes it."""
    text = (ROOT / "docs/alarms.md").read_text("utf-8")
    assert alarm_diagram() in text
    for move in ALARM_MOVES:
        assert f"| {move.name} | {', '.join(sorted(move.source))} | {move.target} | {move.mover} |" in text


def test_the_desk_s_limits_stand_in_the_queries_too() -> None:
    """Where a query spells out a limit, it is the product's."""
    chattering = queries("ingest", "sql/alarms.sql")["raise"]
    assert set(re.findall(r"interval '(\d+) min'", chattering)) == {str(CHATTERING_S // 60)}
    stale = queries("api", "sql/desk.sql")["alarm_documents"]
    assert set(re.findall(r"interval '(\d+) hours'", stale)) == {str(STALE_HOURS)}


def test_no_registry_addresses_and_no_machine_paths() -> None:
    """Nothing that belongs to one machine or one registry is committed."""
    words = re.compile(r"https?://[^\s\"']*(?:pypi|npm|debian)|/home/[a-z]+/|/root/")
    for path in tracked():
        if path.suffix in {".png", ".ico"} or path == Path(__file__):
            continue
        text = path.read_text("utf-8", "replace")
        found = words.search(text)
        assert not found, f"{path.relative_to(ROOT)}: {found.group() if found else ''}"


def test_constraints_pin_every_dependency_without_addresses() -> None:
    """`constraints.txt` names versions only."""
    lines = [
        line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")
    ]
    assert lines
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[^ ]+( ; .+)?", line) for line in lines)


def test_the_wheel_holds_what_git_holds(tmp_path: Path) -> None:
    """Every file of the rooms is in the wheel, and nothing else; so the checkout is not needed at run time."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--disable-pip-version-check",
            "-w",
            str(tmp_path),
            str(ROOT),
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {str(path.relative_to(ROOT)) for path in tracked() if path.relative_to(ROOT).parts[0] in ROOMS}
    assert inside == ours


def test_python_files_stay_readable() -> None:
    """No file of the rooms grows past 450 lines."""
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked()
        if path.suffix == ".py"
        and path.relative_to(ROOT).parts[0] in ROOMS
        and (count := len(path.read_text("utf-8").splitlines())) > 450
    }
    assert long == {}

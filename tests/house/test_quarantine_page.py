"""The page about quarantine and ledger says the limits and the options that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hoistway import limits
from hoistway.cli import app
from ingest.tally import CLASSES, Outcome

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/quarantine.md").read_text("utf-8")


def test_the_numbers_on_the_page_are_the_limits() -> None:
    """Budgets, pages and rows."""
    mib = 1024 * 1024
    assert f"In each {limits.GARBAGE_WINDOW_MS // 1_000} s" in PAGE
    assert f"{limits.CAREFUL_MESSAGES:,} messages, {limits.CAREFUL_BYTES // mib} MiB" in PAGE
    assert f"{limits.QUARANTINE_DEVICE_MESSAGES} messages, {limits.QUARANTINE_DEVICE_BYTES // mib} MiB" in PAGE
    assert f"beyond {limits.QUARANTINE_DEVICE_ROWS:,} of one device and a million" in PAGE
    assert limits.QUARANTINE_ROWS == 1_000_000
    assert f"{limits.REPLAYS_AT_ONCE} messages in two seconds" in PAGE
    assert f"fit into {limits.REPLAY_MOST_S} s" in PAGE
    assert f"at most {limits.PAGE_ROWS} rows" in PAGE
    assert f"up to {limits.QUARANTINE_BYTES // 1024} KiB" in PAGE
    contract = (ROOT / "docs/mqtt.md").read_text("utf-8")
    assert f"{limits.QUARANTINE_DEVICE_MESSAGES} refused messages or 1 MiB, and {limits.CAREFUL_MESSAGES:,}" in contract


def test_the_classes_and_outcomes_on_the_page_are_the_code_s() -> None:
    """The equation names every outcome, in order."""
    assert f"**received = {' + '.join(Outcome)}**" in PAGE
    assert all(f"`{leaf}`" in PAGE for leaf in CLASSES)


@pytest.mark.parametrize("command", ["reasons", "list", "search", "show", "export", "replay"])
def test_the_options_on_the_page_are_the_command_s(command: str) -> None:
    """Every line of the page that calls a command uses what the command has."""
    text = CliRunner().invoke(app, ["quarantine", command, "--help"], env={"COLUMNS": "300", "NO_COLOR": "1"}).output
    lines = re.findall(rf"^hoistway quarantine {command}\b.*$", PAGE, re.MULTILINE)
    assert lines
    for option in re.findall(r"--[a-z]+", " ".join(lines)):
        assert option in text

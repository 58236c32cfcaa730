"""`hoistway gateway`: what it refuses to start with."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hoistway.cli import app


@pytest.mark.parametrize(
    ("options", "url", "expected"),
    [
        (["gw 1"], "mqtt://a:b@localhost", "DEVICE"),
        (["gw-1", "--listen", "9010"], "mqtt://a:b@localhost", "--listen"),
        (["gw-1", "--listen", "localhost:99999"], "mqtt://a:b@localhost", "--listen"),
        (["gw-1"], "", "HOISTWAY_MQTT_URL"),
        (["gw-1"], "http://localhost", "HOISTWAY_MQTT_URL"),
    ],
)
def test_a_gateway_that_cannot_work_does_not_start(
    options: list[str], url: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says what, where and what was expected; exit code 2; nothing is written."""
    lifts, state = tmp_path / "lifts.csv", tmp_path / "gateway.json"
    lifts.write_text("mx_1,310115\n", "utf-8")
    monkeypatch.setenv("HOISTWAY_MQTT_URL", url)
    command = ["gateway", *options, "--shard", "7", "--lifts", str(lifts), "--state", str(state)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert not state.exists()


def test_a_gateway_s_list_gives_each_lift_one_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two terminals of one lift would contradict each other twice a second."""
    lifts, state = tmp_path / "lifts.csv", tmp_path / "gateway.json"
    lifts.write_text("mx_1,310115\nmx_2,310115\n", "utf-8")
    monkeypatch.setenv("HOISTWAY_MQTT_URL", "mqtt://a:b@localhost")
    result = CliRunner().invoke(app, ["gateway", "gw-1", "--shard", "7", "--lifts", str(lifts), "--state", str(state)])
    assert result.exit_code == 2
    assert "lifts.csv:2: rescue code 310115" in result.stderr.replace("\n", "")

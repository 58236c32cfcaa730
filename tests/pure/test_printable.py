"""What a device or a foreign file wrote, on somebody's terminal: text, and nothing that steers it."""

from __future__ import annotations

import pytest

from hoistway.cli.common import printable
from hoistway.cli.device import Language, print_result
from ingest.conformance.judge import judge
from tests.support.firmware import FACTS, Firmware

ESCAPE = "\x1b]0;owned\x07\x1b[2J"


@pytest.mark.parametrize("language", list(Language))
def test_a_device_s_field_steers_no_terminal(language: Language, capsys: pytest.CaptureFixture[str]) -> None:
    """The name of a field that the contract does not know is the device's, and stands in the report."""
    device = Firmware().sample(**{ESCAPE: ESCAPE})
    print_result(judge(device.heard, FACTS, device.watch()), language)
    shown = capsys.readouterr().out
    assert "field-unknown" in shown
    assert "]0;owned" in shown
    assert set(shown) & set("\x1b\x07") == set()


def test_what_turns_a_line_around_is_not_printed() -> None:
    """Chinese and line ends stay; right-to-left overrides, escapes and other controls do not."""
    assert printable("困人\n\u202e\x9b\x00!") == "困人\n\ufffd\ufffd\ufffd!"

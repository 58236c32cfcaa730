"""docs/adapters.md lists the formats that are shipped."""

from __future__ import annotations

import tomllib
from pathlib import Path

from ingest.adapters.spec import read_format, shipped, shipped_format

PAGE = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text("utf-8")


def test_the_table_of_formats_is_the_files() -> None:
    """Name, titles, function and clock of every format, in order."""
    table = PAGE.partition("<!-- table: formats -->\n")[2].partition("<!-- end -->")[0].splitlines()[2:]
    rows = []
    for name in shipped():
        spec = shipped_format(name)
        unpack = "" if spec.unpack.__name__ == "flat" else spec.unpack.__name__ + " "
        time = "when received" if spec.clock is None else spec.clock.source
        rows.append(f"| `{name}` | {spec.title['zh']} | {spec.title['en']} | {unpack}| {time} |")
    assert table == rows


def test_every_format_has_traps_on_the_page() -> None:
    """Whoever connects one is told what to look for."""
    traps = PAGE.partition("### Their traps")[2]
    assert [name for name in shipped() if f"\n| `{name}` | " not in traps] == []


def test_the_smallest_format_works() -> None:
    """The example on the page is one that is taken."""
    text = PAGE.partition("```toml\n")[2].partition("```")[0].replace("\n   ", "\n")
    assert tomllib.loads(text)
    assert read_format(text, name="example").lift == ("id",)

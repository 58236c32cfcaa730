"""The libraries that the console carries are the published ones, each with its licence."""

from __future__ import annotations

import hashlib
import tomllib

from api.console.pages import STATIC

VENDOR = STATIC / "vendor"
LIBRARIES = tomllib.loads((VENDOR / "VENDOR.toml").read_text("utf-8"))["library"]


def test_every_vendored_file_has_the_hash_it_was_taken_with() -> None:
    """Nobody edits a vendored file, and none is missing."""
    found = {item["file"]: hashlib.sha256((VENDOR / item["file"]).read_bytes()).hexdigest() for item in LIBRARIES}
    assert found == {item["file"]: item["sha256"] for item in LIBRARIES}


def test_every_file_in_the_folder_is_accounted_for() -> None:
    """A file is a library of the list, its licence, or the list."""
    named = {item["file"] for item in LIBRARIES} | {item["licence_file"] for item in LIBRARIES} | {"VENDOR.toml"}
    assert {path.name for path in VENDOR.iterdir()} == named


def test_every_library_names_what_it_is() -> None:
    """Name, version, licence and the licence's text are there."""
    for item in LIBRARIES:
        assert item["name"]
        assert item["version"][0].isdigit()
        assert item["licence"] in {"MIT", "Apache-2.0", "BSD-2-Clause"}
        assert (VENDOR / item["licence_file"]).stat().st_size > 500

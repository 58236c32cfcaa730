"""What the commands say of themselves is what was written: no square bracket is taken for a mark of style."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
import typer
from rich.markup import render

from hoistway.cli import app


def commands(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command with its name."""
    yield name, group
    for sub, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{name} {sub}")


@pytest.mark.parametrize(("name", "command"), list(commands(typer.main.get_command(app), "hoistway")))
def test_no_word_in_brackets_is_lost(name: str, command: click.Command) -> None:
    """`[[rule]]` is shown as it stands in the file."""
    texts = [command.help or "", *(getattr(one, "help", None) or "" for one in command.params)]
    for text in texts:
        assert render(text).plain == text.replace("\\[", "["), name

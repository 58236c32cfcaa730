"""The state folder of `hoistway up`, and what this machine has and lacks."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Final

import typer

from hoistway.settings import default_home

app: Final = typer.Typer(no_args_is_help=True)

Home = Annotated[Path | None, typer.Option(help="state folder; default: $HOISTWAY_HOME or the user's state folder")]


@app.command("path")
def path(home: Home = None) -> None:
    """Where `hoistway up` keeps its data."""
    typer.echo(home or default_home())


@app.command("reset")
def reset(home: Home = None, *, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Delete the state folder: database, broker store, secrets, logs. Refuses while `hoistway up` runs on it."""
    from hoistway.up.state import State

    folder = home or default_home()
    state = State(folder)
    if not folder.exists():
        typer.echo(f"{folder} is not there; nothing to delete")
        return
    state.refuse_foreign()
    state.lock().take()
    if not yes:
        typer.confirm(f"Delete {folder} with its database and secrets?", abort=True)
    shutil.rmtree(folder)
    typer.echo(f"{folder} is deleted")


def doctor(home: Home = None) -> None:
    """What is found, what is missing, what to do."""
    from hoistway.embedded.doctor import examine

    findings = examine(home or default_home())
    for finding in findings:
        typer.echo(str(finding))
    raise typer.Exit(1 if any(finding.blocking for finding in findings) else 0)

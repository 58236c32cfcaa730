"""The state folder: what lies where, who may use it, and what a running `hoistway up` tells other commands."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any, Final

from hoistway.embedded.process import FolderLock, owned_file, plain_words, state_folder
from hoistway.errors import BadInput, CannotStart

MARK: Final = "hoistway-state"


class State:
    """One state folder."""

    def __init__(self, home: Path) -> None:
        self.home: Final = home

    def prepare(self) -> None:
        """Make the folder, or check that it is ours. Raises `CannotStart` for a folder that holds something else."""
        if self.home.exists():
            self.refuse_foreign()
        state_folder(self.home)
        with plain_words(self.home):
            (self.home / MARK).write_text("the state of `hoistway up`; `hoistway state reset` deletes it\n")
            (self.home / "demo").mkdir(exist_ok=True)

    def refuse_foreign(self) -> None:
        """Raise `CannotStart` when the folder is not a state folder of ours."""
        if not self.home.is_dir():
            raise CannotStart(f"{self.home} is not a folder; use --home DIR")
        inside = {item.name for item in self.home.iterdir()}
        if inside and MARK not in inside:
            raise CannotStart(
                f"{self.home} holds something else ({', '.join(sorted(inside)[:3])}); use an empty folder as --home"
            )

    def lock(self) -> FolderLock:
        """Only one `hoistway up` a folder: `take()` raises `CannotStart` naming the process that has it."""
        return FolderLock(self.home / "lock", what="the state of `hoistway up`")

    def secret(self, name: str) -> str:
        """A random secret of this folder, made at first use, readable by the owner only."""
        path = self.home / "secrets" / name
        if not path.exists():
            owned_file(path, secrets.token_hex(32))
        return path.read_text().strip()

    # --- what a running `hoistway up` says to other commands ---

    def announce(self, **facts: str | int) -> None:
        """Write running.json, readable by the owner only (the URLs hold passwords)."""
        owned_file(self.home / "running.json", json.dumps({"pid": os.getpid(), **facts}))

    def silence(self) -> None:
        (self.home / "running.json").unlink(missing_ok=True)

    def running(self) -> dict[str, Any]:
        """What the running `hoistway up` announced. Raises `BadInput` when none runs here."""
        path = self.home / "running.json"
        try:
            facts: dict[str, Any] = json.loads(path.read_text())
            os.kill(facts["pid"], 0)
        except PermissionError as error:
            raise BadInput("not readable", where=str(path), expected="the user who started `hoistway up`") from error
        except (OSError, ValueError, KeyError):
            raise BadInput(
                "no `hoistway up` runs here", where=str(self.home), expected="--database-url, or a running platform"
            ) from None
        return facts


def database_url(home: Path) -> str:
    """The database of the `hoistway up` that runs on `home`."""
    return str(State(home).running()["database_url"])

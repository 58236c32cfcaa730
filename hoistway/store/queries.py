"""Named SQL from `.sql` files: a line `-- name: word` starts a query, the comment lines below it say why it exists."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\s*$")


@cache
def queries(package: str, file: str) -> dict[str, str]:
    """All queries of `package`'s resource `file` (for example `"ingest"`, `"sql/write.sql"`), by name.

    Raises `ValueError` for text before the first name or for a name given twice.
    """
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, line in enumerate(files(package).joinpath(file).read_text("utf-8").splitlines(), 1):
        if match := _NAME.match(line):
            name = match.group(1)
            if name in found:
                raise ValueError(f"{package}/{file}:{number}: query {name!r} is there twice")
            current = found[name] = []
        elif current is not None:
            current.append(line)
        elif line.strip() and not line.startswith("--"):
            raise ValueError(f"{package}/{file}:{number}: SQL before the first `-- name:` line")
    return {name: "\n".join(lines).strip() for name, lines in found.items()}

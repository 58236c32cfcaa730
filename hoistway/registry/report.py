"""What an import says: every line accepted, repaired (how) or refused (where, why, what was expected). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from hoistway.registry.enrolment import topic_prefix

REPAIRED: Final = "repaired"
REFUSED: Final = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One word about one cell. A line with any `refused` finding is refused whole; the others are not disturbed."""

    line: int  # of the file, from 1
    column: str  # as the file names it
    verdict: str  # repaired or refused
    value: str  # as it stood, shortened
    why: str  # of a repair: how
    expected: str = ""

    def __str__(self) -> str:
        tail = f"; expected {self.expected}" if self.expected else ""
        return f"line {self.line}, {self.column}: {self.why}{tail}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolment:
    line: int
    device: str
    shard: int
    gateway: bool
    new: bool

    @property
    def prefix(self) -> str:
        return topic_prefix(self.shard, self.device)


@dataclass(kw_only=True, slots=True)
class Report:
    """Grows while the import runs. lines = accepted + repaired + refused; inserted + updated + unchanged = not refused."""

    file: str
    mapping: str
    encoding: str
    delimiter: str
    exercise: bool
    dry_run: bool
    lines: int = 0
    accepted: int = 0
    repaired: int = 0
    refused: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    ignored_columns: tuple[str, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    enrolments: list[Enrolment] = field(default_factory=list)

    def count(self, findings: tuple[Finding, ...]) -> None:
        """Count one line with all that was found on it."""
        self.lines += 1
        if any(finding.verdict == REFUSED for finding in findings):
            self.refused += 1
        elif findings:
            self.repaired += 1
        else:
            self.accepted += 1
        self.findings.extend(findings)

    def as_json(self) -> dict[str, Any]:
        """Plain values for the report file."""
        return {
            "file": self.file,
            "mapping": self.mapping,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "exercise": self.exercise,
            "dry_run": self.dry_run,
            "lines": self.lines,
            "accepted": self.accepted,
            "repaired": self.repaired,
            "refused": self.refused,
            "inserted": self.inserted,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "ignored_columns": list(self.ignored_columns),
            "findings": [
                {
                    "line": item.line,
                    "column": item.column,
                    "verdict": item.verdict,
                    "value": item.value,
                    "why": item.why,
                    "expected": item.expected,
                }
                for item in self.findings
            ],
            "enrolments": [
                {
                    "line": item.line,
                    "device": item.device,
                    "shard": item.shard,
                    "topic_prefix": item.prefix,
                    "gateway": item.gateway,
                    "new": item.new,
                }
                for item in self.enrolments
            ],
        }

"""`hoistway rules`: check and test rule files. Reads files and prints; what a rule means is decided in `alarms`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from alarms.language.reader import default_rules
from alarms.rule_sets import lay_over
from alarms.rule_test_file import TestFile, parse
from alarms.rule_tests import describe
from alarms.rule_tests import run as run_tests
from alarms.rules import RuleSet
from hoistway.cli.common import err, fail
from hoistway.errors import BadInput, HoistwayError, RuleError

app = typer.Typer(help="The rules that make alarms of telemetry.", no_args_is_help=True)

RuleFiles = Annotated[list[Path], typer.Argument(metavar="FILE...", help=r"TOML with [\[rule]] tables")]
SHIPPED: Final = "shipped"


def read_text(path: Path) -> str:
    """A file's text, or BadInput."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(error), where=str(path), expected="a readable UTF-8 file") from None


@app.command("check")
def check_files(rule_files: RuleFiles) -> None:
    """Check rule files against the language reference. Exit code 1 when a rule cannot go live, 2 when a file cannot be read."""
    wrong = 0
    base = default_rules()
    for path in rule_files:
        try:
            base = lay_over(base, [(path.name, read_text(path))])
        except RuleError as error:
            wrong += 1
            typer.echo(f"{path}:{error.line}:{error.column}: rule {error.rule!r}: {error.message}")
        except HoistwayError as error:
            fail(error)
        else:
            typer.echo(f"{path}: well")
    raise typer.Exit(1 if wrong else 0)


@app.command("test")
def run_test_files(
    test_files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help=r"TOML with [\[test]] tables; none: the shipped tests"),
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", help="rule files instead of those that the test file names")
    ] = None,
    untested: Annotated[bool, typer.Option("--untested", help="also list rules that no test expects to raise")] = False,
) -> None:
    """Run tests of rules. Exit code 1 when a rule says something else than expected, 2 when a file cannot be used."""
    failed = passed = 0
    raised: set[str] = set()
    known: dict[str, None] = {}
    try:
        for path in test_files or shipped_tests():
            file = parse(read_text(path), source=path.name)
            rule_set = _rules_of(file, path, rules or [])
            outcomes = run_tests(file, rule_set)
            bad = [outcome for outcome in outcomes if not outcome.passed]
            passed, failed = passed + len(outcomes) - len(bad), failed + len(bad)
            known |= {rule.id: None for rule in rule_set}
            raised |= {
                rule
                for item in file.tests
                for rule, told in item.expect.items()
                if any(t.word == "raise" for t in told)
            }
            typer.echo(f"{path.name}: {len(outcomes) - len(bad)} passed, {len(bad)} failed")
            for outcome in bad:
                typer.echo(describe(outcome))
    except RuleError as error:
        err.print(f"rule {error.rule!r}, line {error.line}, column {error.column}: {error.message}", markup=False)
        raise typer.Exit(2) from None
    except HoistwayError as error:
        fail(error)
    if untested:
        typer.echo("never expected to raise: " + (", ".join(rule for rule in known if rule not in raised) or "none"))
    typer.echo(f"{passed} passed, {failed} failed")
    raise typer.Exit(1 if failed else 0)


def shipped_tests() -> list[Path]:
    """The tests of the product's own rules."""
    folder = Path(str(files("alarms") / "rules" / "tests"))
    found = sorted(folder.glob("*.toml"))
    if not found:
        raise BadInput("no shipped tests", where=str(folder), expected="a FILE")
    return found


def _rules_of(file: TestFile, path: Path, instead: list[Path]) -> RuleSet:
    """The shipped rules with the named files laid over them."""
    named = instead or [path.parent / name for name in file.rule_files]
    return lay_over(default_rules(), [(item.name, read_text(item)) for item in named])

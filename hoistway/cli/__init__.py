"""The command `hoistway`: the roof that knows every room. Rooms are imported when a command needs them."""

from __future__ import annotations

import sys
from typing import Final

import typer

from hoistway.cli import (
    access,
    adapt,
    alarms,
    backtest,
    citylink,
    device,
    devices,
    dispatch,
    gateway,
    intake,
    lifts,
    notify,
    parts,
    quarantine,
    record,
    rehearse,
    rule_sets,
    rules,
    score,
    simulate,
    state,
    tickets,
    up,
)
from hoistway.errors import HoistwayError

app: Final = typer.Typer(
    name="hoistway",
    help="Open backend for a city's elevator-safety IoT.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command(name="up")(up.up)
app.command(name="doctor")(state.doctor)
app.command(name="migrate")(parts.migrate)
app.command(name="ingest")(parts.ingest)
app.command(name="dispatch")(parts.dispatch)
app.command(name="api")(parts.api)
app.command(name="watch")(parts.watch)
app.command(name="backtests")(backtest.worker)
app.command(name="compactor")(parts.compactor)
app.command(name="health")(parts.health)
app.command(name="adapt")(adapt.adapt)
app.command(name="gateway")(gateway.gateway)
app.command(name="ledger")(quarantine.ledger)
app.add_typer(state.app, name="state", help="The state folder of `hoistway up`.")
app.add_typer(lifts.app, name="lifts", help="The register of lifts and escalators.")
devices.add_to(device.app)
app.add_typer(device.app, name="devices", help="Devices, their keys, and the check of a real device.")
app.add_typer(quarantine.app, name="quarantine", help="Messages that could not be used.")
app.add_typer(simulate.app, name="simulate", help="A simulated city.")
app.add_typer(record.app, name="record", help="Record traffic, and make tapes of logs and of the store.")
app.command(name="replay")(record.replay)
app.command(name="rehearse")(rehearse.rehearse)
app.add_typer(score.app, name="score", help="How good the alarms of a run were.")
app.add_typer(alarms.app, name="alarms", help="Alarms.")
rule_sets.add_to(rules.app)
rules.app.command(name="backtest")(backtest.backtest)
app.add_typer(rules.app, name="rules", help="The rules that make alarms of telemetry.")
app.add_typer(dispatch.units, name="units", help="Who can be sent: teams, stations, shifts.")
app.add_typer(dispatch.limits, name="limits", help="The time limits of rescues.")
app.add_typer(tickets.app, name="tickets", help="Faults for the firms to mend.")
app.add_typer(intake.app, name="intake", help="The limits of complaints, and how long callers are kept.")
app.add_typer(dispatch.audit, name="audit", help="The log of cases: is it whole; what is late.")
app.add_typer(
    citylink.app, name="citylink", help="What a city's or province's platform is told, and the daily comparison."
)
app.add_typer(notify.outbox, name="outbox", help="What somebody was to be told, and what became of it.")
app.add_typer(notify.contacts, name="contacts", help="Who is told by which channel, and who cannot be reached.")
app.add_typer(notify.drills, name="drill", help="Ask every contact to confirm.")
app.add_typer(notify.webhooks, name="webhooks", help="Where notifications go as signed JSON.")
app.add_typer(access.keys, name="apikey", help="Keys for machines.")
app.add_typer(access.people, name="person", help="People who log in.")
app.add_typer(access.users, name="users", help="Accounts: list, create, change, disable.")


def main() -> None:
    """Run the command; our own errors are one line, without a traceback."""
    try:
        app()
    except HoistwayError as error:
        typer.echo(f"hoistway: {error}", err=True)
        sys.exit(1)

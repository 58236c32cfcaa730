"""What the door needs once an hour: old security events go, certificates that end are told of. Safe to run in several processes at once.

All of it can wait: while the database is away it is left for the next time.
"""

from __future__ import annotations

from hoistway import limits
from hoistway.store import Database
from ingest import metrics
from ingest.door_rows import SQL
from ingest.upkeep import passed_over_while_away

EVERY_S = 3_600.0


async def look_after_door(database: Database, *, security_days: int) -> None:
    """Once an hour."""
    with passed_over_while_away():
        metrics.SECURITY_TRIMMED.inc(await trim_security(database, security_days))
        expiring, expired = await note_certificates(database)
        metrics.CERTIFICATES_EXPIRING.set(expiring)
        metrics.CERTIFICATES_EXPIRED.set(expired)


async def trim_security(database: Database, days: int) -> int:
    """Delete security events whose last time is older than `days`, up to `SECURITY_TRIM_ROWS`; answers how many."""
    deleted: int = await database.fetchval(SQL["trim_security"], days, limits.SECURITY_TRIM_ROWS)
    return deleted


async def note_certificates(database: Database) -> tuple[int, int]:
    """Note certificates in force that end within `CERTIFICATE_EXPIRING_DAYS` or have ended; answers how many of each."""
    await database.execute(SQL["note_certificates"], limits.CERTIFICATE_EXPIRING_DAYS)
    (row,) = await database.fetch(SQL["ending_certificates"], limits.CERTIFICATE_EXPIRING_DAYS)
    return row["expiring"], row["expired"]

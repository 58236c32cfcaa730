"""PostgreSQL: connections, migrations, named queries. The only room that imports asyncpg's connect and pool functions."""

from hoistway.store.database import AWAY, Database, connect_url
from hoistway.store.migrate import SCHEMA_VERSION, migrate
from hoistway.store.queries import queries

__all__ = ["AWAY", "SCHEMA_VERSION", "Database", "connect_url", "migrate", "queries"]

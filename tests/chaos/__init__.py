"""kill -9, standstill and broken links by a seeded plan, and the account of every record afterwards."""

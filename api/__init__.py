"""HTTP: the read side and the desk's acts, the live stream, the pages. Meets `ingest` only in PostgreSQL."""

from api.app import create_app

__all__ = ["create_app"]

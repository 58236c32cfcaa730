"""Tickets over HTTP: documents, moves, photos, maintenance orders, and the desk's pages without a script."""

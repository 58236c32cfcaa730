"""Intake over HTTP: calls and callers, the search of the register while typing, complaints and their pages."""

from api.intake import calls, complaints, search, views

ROUTERS = (calls.router, search.router, complaints.router, views.router)

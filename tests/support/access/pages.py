"""Pages for people with a browser."""

from __future__ import annotations

from hoistway.model import Role
from tests.support.access import EVERYBODY, READERS, Entry

ROUTES = {
    "GET /": Entry(who=EVERYBODY, open=True, done=303),
    "GET /login": Entry(who=EVERYBODY, open=True),
    "POST /login": Entry(who=EVERYBODY, open=True, form={"name": "nobody, {viewer}", "password": "x"}, done=401),
    "GET /login/link": Entry(who=EVERYBODY, open=True, query="token=x", done=410),
    "POST /login/link": Entry(who=EVERYBODY, open=True, form={"token": "x"}, done=410),
    "POST /logout": Entry(who=EVERYBODY, done=303, ends_session=True),
    "GET /health": Entry(who=EVERYBODY, page=True),
    "GET /console": Entry(who=READERS, page=True),
    "GET /security": Entry(who=frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN}), page=True, city=True),
}

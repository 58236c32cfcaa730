"""Accounts: one's own, and everybody's for those who look after them."""

from __future__ import annotations

from hoistway.model import Role
from tests.support.access import DESK, EVERYBODY, STAFF, Entry

_ADMIN = frozenset({Role.ADMIN})
_PLANNERS = frozenset({Role.SUPERVISOR, Role.ADMIN})
_SIGNED = {"proof": "x", "coming": "nobody", "coming_proof": "x"}
_WARDENS = frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN})
_RIGHTS = {"role": "tester", "firm_id": None, "districts": []}

ROUTES = {
    "POST /login/code": Entry(who=EVERYBODY, open=True, form={"token": "x", "code": "123456"}, done=410),
    "GET /account": Entry(who=EVERYBODY, page=True),
    "POST /account": Entry(who=EVERYBODY, form={"act": "confirm", "code": "123456"}, done=401),
    "GET /users": Entry(who=_ADMIN, page=True, city=True),
    "POST /users": Entry(who=_ADMIN, form={"name": "x", "role": "nobody"}, done=422, city=True),
    "POST /users/{user_id}": Entry(who=_ADMIN, about="person", form={"act": "enable"}, city=True),
    "GET /api/v1/users": Entry(who=_WARDENS, city=True),
    "POST /api/v1/users": Entry(who=_ADMIN, body={"name": " x", "role": "tester"}, done=422, city=True),
    "GET /api/v1/users/{user_id}": Entry(who=_WARDENS, about="person", city=True),
    "POST /api/v1/users/{user_id}/rights": Entry(
        who=_ADMIN, about="person", version=True, body=_RIGHTS, done=412, city=True
    ),
    "POST /api/v1/users/{user_id}/disable": Entry(who=_ADMIN, about="person", city=True),
    "POST /api/v1/users/{user_id}/enable": Entry(who=_ADMIN, about="person", city=True),
    "POST /api/v1/users/{user_id}/password": Entry(
        who=_ADMIN, about="person", body={"password": "x"}, done=422, city=True
    ),
    "POST /api/v1/users/{user_id}/factor-off": Entry(who=_ADMIN, about="person", city=True),
    "POST /api/v1/users/{user_id}/link": Entry(who=_ADMIN, about="person", done=201, city=True),
    "GET /api/v1/shifts": Entry(who=STAFF, city=True),
    "POST /api/v1/shifts": Entry(
        who=_PLANNERS,
        body={"person_id": 999_999, "since": "2026-11-23T04:00:00Z", "until": "2026-11-23T05:00:00Z"},
        done=422,
        city=True,
    ),
    "POST /api/v1/shifts/{shift_id}/cancel": Entry(who=_PLANNERS, about="shift", done=409, city=True),
    "POST /shifts": Entry(who=_PLANNERS, form={"person_id": "x", "since": "x", "until": "x"}, done=422),
    "GET /handover": Entry(who=DESK, page=True),
    "POST /handover": Entry(who=DESK, form=_SIGNED, done=422),
    "GET /handover/{handover_id}": Entry(who=STAFF, about="handover", page=True),
    "GET /api/v1/handovers": Entry(who=STAFF),
    "POST /api/v1/handovers": Entry(who=DESK, body=_SIGNED, done=422),
    "GET /api/v1/handovers/{handover_id}": Entry(who=STAFF, about="handover"),
}

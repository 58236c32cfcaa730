"""The register, the live streams, and what is of the whole city."""

from __future__ import annotations

from hoistway.model import Role
from tests.support.access import EVERYBODY, NOBODY, READERS, STAFF, Entry

_TESTERS = frozenset({Role.TESTER, Role.SUPERVISOR, Role.ADMIN})
_PUBLISHERS = frozenset({Role.SUPERVISOR, Role.ADMIN})
_WARDENS = frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN})
_REPORT = {"state": "well", "since": "2026-11-23T04:00:00Z", "missed": 0, "zh": "x", "en": "x", "findings": []}
_RULES = "[[rule]]\nid = 'x'\n"

ROUTES = {
    "GET /api/v1/lifts": Entry(who=READERS, query="limit=500"),
    "GET /api/v1/lifts/{lift_id}": Entry(who=READERS, about="lift"),
    "GET /api/v1/lifts/{lift_id}/state": Entry(who=READERS, about="lift"),
    "GET /api/v1/lifts/{lift_id}/history": Entry(who=READERS, about="lift"),
    "GET /api/v1/lifts/{lift_id}/follow": Entry(who=READERS, about="lift", endless=True),
    "GET /api/v1/map": Entry(who=READERS),
    "GET /api/v1/stream": Entry(who=READERS, endless=True),
    "GET /api/v1/incidents": Entry(who=STAFF),
    "GET /api/v1/incidents/{incident_id}": Entry(who=STAFF, about="incident"),
    "GET /api/v1/desk/figures": Entry(who=STAFF),
    "GET /api/v1/quarantine": Entry(who=_TESTERS, city=True),
    "GET /api/v1/quarantine/reasons": Entry(who=_TESTERS, city=True),
    "GET /api/v1/quarantine/{message_id}": Entry(who=_TESTERS, about="message", city=True),
    "POST /api/v1/quarantine/{message_id}/replay": Entry(who=_TESTERS, about="message", done=202, city=True),
    "GET /api/v1/rules": Entry(who=STAFF, city=True),
    "GET /api/v1/rules/{rule_id}": Entry(who=STAFF, about="rule", city=True),
    "GET /api/v1/rule-sets": Entry(who=STAFF, city=True),
    "GET /api/v1/rule-sets/{number}": Entry(who=STAFF, about="rule set", city=True),
    "POST /api/v1/rule-sets": Entry(
        who=_PUBLISHERS, version=True, body={"rules": _RULES, "comment": "x"}, done=412, city=True
    ),
    "POST /api/v1/rule-sets/{number}/restore": Entry(
        who=_PUBLISHERS, about="rule set", version=True, body={"comment": "x"}, done=412, city=True
    ),
    "GET /api/v1/backtests": Entry(who=_TESTERS, city=True),
    "POST /api/v1/backtests": Entry(
        who=_TESTERS,
        body={"rules": _RULES, "from": "2026-11-23T00:00:00Z", "to": "2026-11-23T01:00:00Z"},
        done=422,
        city=True,
    ),
    "GET /api/v1/backtests/{job_id}": Entry(who=_TESTERS, about="backtest", city=True),
    "GET /api/v1/backtests/{job_id}/page": Entry(who=_TESTERS, about="backtest", city=True),
    "GET /api/v1/security-events": Entry(who=_WARDENS, city=True),
    "PUT /api/v1/watch": Entry(who=NOBODY, own_key=True, body=_REPORT),
    "GET /api/v1/watch/stream": Entry(who=NOBODY, own_key=True, endless=True),
    "GET /api/v1/me": Entry(who=EVERYBODY),
    "GET /health/live": Entry(who=EVERYBODY, open=True),
    "GET /health/ready": Entry(who=EVERYBODY, open=True, done=503),
    "GET /metrics": Entry(who=frozenset({Role.ADMIN}), city=True),
    "GET /openapi.json": Entry(who=EVERYBODY, open=True),
}

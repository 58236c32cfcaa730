"""Alarms, cases, orders, units: what the desk and the firms work with."""

from __future__ import annotations

from tests.support.access import CREW, DESK, READERS, STAFF, Entry

_LATER = "2026-11-23T05:00:00Z"  # within a day of the tests' clock

ROUTES = {
    "GET /api/v1/alarms": Entry(who=READERS, query="limit=500"),
    "GET /api/v1/alarms/{alarm_id}": Entry(who=READERS, about="alarm"),
    "GET /api/v1/alarms/{alarm_id}/explanation": Entry(who=READERS, about="alarm"),
    "POST /api/v1/alarms/{alarm_id}/acknowledge": Entry(who=DESK, about="alarm", version=True, done=412),
    "POST /api/v1/alarms/{alarm_id}/comments": Entry(who=DESK, about="alarm", body={"text": "x"}, done=201),
    "POST /api/v1/alarms/{alarm_id}/shelve": Entry(
        who=DESK, about="alarm", version=True, body={"reason": "x", "until": _LATER}, done=412
    ),
    "POST /api/v1/alarms/{alarm_id}/unshelve": Entry(who=DESK, about="alarm", version=True, done=412),
    "GET /api/v1/out-of-service": Entry(who=READERS),
    "POST /api/v1/lifts/{lift_id}/out-of-service": Entry(
        who=DESK, about="lift", body={"rule_id": "door-held-open", "reason": "x"}, done=409
    ),
    "POST /api/v1/out-of-service/{removal_id}/end": Entry(who=DESK, about="ended removal", done=409),
    "GET /api/v1/cases": Entry(who=READERS, query="limit=500"),
    "GET /api/v1/cases/{case_id}": Entry(who=READERS, about="case"),
    "GET /api/v1/cases/{case_id}/candidates": Entry(who=STAFF, about="case"),
    "POST /api/v1/cases/{case_id}/acknowledge": Entry(who=DESK, about="case", version=True, done=412),
    "POST /api/v1/cases/{case_id}/moves": Entry(who=DESK, about="case", version=True, body={"move": "close"}, done=412),
    "POST /api/v1/cases/{case_id}/comments": Entry(who=DESK, about="case", body={"text": "x"}, done=201),
    "POST /api/v1/cases/{case_id}/orders": Entry(
        who=DESK, about="case", version=True, body={"addressee": "119", "reason": "x"}, done=412
    ),
    "POST /api/v1/cases/{case_id}/level": Entry(
        who=DESK, about="case", version=True, body={"level": 2, "reason": "x"}, done=412
    ),
    "POST /api/v1/cases/{case_id}/facts": Entry(who=DESK, about="case", version=True, body={"trapped": 1}, done=412),
    "POST /api/v1/cases/{case_id}/steps/{step}": Entry(who=DESK, about="case", version=True, body={}, done=412),
    "POST /api/v1/cases/{case_id}/hand-over": Entry(
        who=DESK, about="case", version=True, body={"firm_id": 1, "reason": "x"}, done=412
    ),
    "GET /api/v1/orders": Entry(who=READERS),
    "GET /api/v1/orders/{order_id}": Entry(who=READERS, about="order"),
    "POST /api/v1/orders/{order_id}/moves": Entry(
        who=CREW, about="order", version=True, body={"move": "accept"}, done=412
    ),
    "GET /api/v1/units": Entry(who=READERS, every_district=True),
    "POST /api/v1/units/{unit_id}/position": Entry(
        who=CREW, about="unit", body={"lon": 120.0, "lat": 30.0}, every_district=True
    ),
}

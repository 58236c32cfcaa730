"""Firm pages, intake, tickets, notifications, the city's platform. Their own tests look at own and foreign objects; here their gates are
tried, and their lists for marks of others. `done=None` goes when what a route is about is planted (`tests/support/planted.py`)."""

from __future__ import annotations

from hoistway.model import Role
from tests.support.access import CREW, DESK, EVERYBODY, READERS, STAFF, Entry

_FIRM = frozenset({Role.MAINTAINER})
_KEYS = frozenset({Role.MAINTAINER, Role.ADMIN})
_HOOKS = frozenset({Role.MAINTAINER, Role.SUPERVISOR, Role.ADMIN})
_INTAKE = DESK | {Role.AUDITOR}
_LISTENERS = frozenset({Role.DISPATCHER, Role.SUPERVISOR})
_PLANNERS = frozenset({Role.SUPERVISOR, Role.ADMIN})
_WARDENS = frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN})

_PLAIN = {Role.MAINTAINER: 403}  # who does not look after the firm's keys

ROUTES = {
    "POST /api/v1/orders/{order_id}/release-report": Entry(who=CREW, done=None),
    "GET /api/v1/lifts/{lift_id}/access": Entry(who=CREW, done=None),
    "POST /api/v1/lifts/{lift_id}/access": Entry(who=CREW, done=None),
    "GET /firm": Entry(who=_FIRM, done=None),
    "GET /firm/orders/{order_id}": Entry(who=_FIRM, done=None),
    "GET /firm/orders/{order_id}/{form}": Entry(who=_FIRM, done=None),
    "POST /firm/orders/{order_id}/moves": Entry(who=_FIRM, done=None),
    "POST /firm/orders/{order_id}/release": Entry(who=_FIRM, done=None),
    "GET /firm/lifts": Entry(who=_FIRM, done=None),
    "GET /firm/lifts/{lift_id}": Entry(who=_FIRM, done=None),
    "GET /firm/lifts/{lift_id}/access": Entry(who=_FIRM, done=None),
    "POST /firm/lifts/{lift_id}/access": Entry(who=_FIRM, done=None),
    "GET /firm/people": Entry(who=_FIRM, done=None),
    "POST /firm/units/{unit_id}/position": Entry(who=_FIRM, done=None),
    "POST /firm/duty-phone": Entry(who=_FIRM, done=None, by=_PLAIN),
    "GET /firm/tickets": Entry(who=_FIRM, done=None),
    "GET /firm/keys": Entry(who=_KEYS, done=None, by=_PLAIN),
    "POST /firm/keys": Entry(who=_KEYS, done=None, by=_PLAIN),
    "POST /firm/keys/{key_id}/revoke": Entry(who=_KEYS, done=None, by=_PLAIN),
    "POST /api/v1/calls": Entry(who=DESK, done=None),
    "GET /api/v1/calls": Entry(who=_INTAKE, done=None),
    "GET /api/v1/calls/{call_id}": Entry(who=_INTAKE, done=None),
    "GET /api/v1/calls/{call_id}/caller": Entry(who=_LISTENERS, done=None),
    "GET /api/v1/calls/{call_id}/looks": Entry(who=_WARDENS, done=None),
    "POST /api/v1/cases/{case_id}/lift": Entry(who=DESK, done=None),
    "GET /api/v1/intake/lifts": Entry(who=DESK, done=None),
    "GET /api/v1/complaints": Entry(who=_INTAKE, done=None),
    "GET /api/v1/complaints/{complaint_id}": Entry(who=_INTAKE, done=None),
    "POST /api/v1/complaints/{complaint_id}/moves": Entry(who=DESK, done=None),
    "GET /complaints": Entry(who=DESK, done=None, page=True),
    "GET /complaints/{complaint_id}": Entry(who=DESK, done=None, page=True),
    "POST /complaints/{complaint_id}/moves": Entry(who=DESK, done=None),
    "POST /complaints/{complaint_id}/caller": Entry(who=_LISTENERS, done=None),
    "GET /api/v1/notifications": Entry(who=READERS, done=None),
    "GET /api/v1/notifications/{notification_id}": Entry(who=READERS, done=None),
    "POST /api/v1/notifications/{notification_id}/retry": Entry(who=DESK, done=None),
    "POST /api/v1/notifications/receipts": Entry(who=DESK, done=None),
    "GET /api/v1/contacts": Entry(who=STAFF, done=None),
    "GET /api/v1/drills": Entry(who=STAFF, done=None),
    "GET /api/v1/drills/{drill_id}": Entry(who=STAFF, done=None),
    "POST /api/v1/drills": Entry(who=_PLANNERS, done=None),
    "GET /api/v1/webhooks": Entry(who=_HOOKS, done=None),
    "POST /api/v1/webhooks": Entry(who=_HOOKS, done=None),
    "GET /api/v1/webhooks/{webhook_id}": Entry(who=_HOOKS, done=None),
    "POST /api/v1/webhooks/{webhook_id}/rotate": Entry(who=_HOOKS, done=None),
    "POST /api/v1/webhooks/{webhook_id}/test": Entry(who=_HOOKS, done=None),
    "DELETE /api/v1/webhooks/{webhook_id}": Entry(who=_HOOKS, done=None),
    "GET /go/{token}": Entry(who=EVERYBODY, done=None, open=True),
    "POST /go/{token}": Entry(who=EVERYBODY, done=None, open=True),
    "GET /api/v1/city-link": Entry(who=_WARDENS, done=None),
    "GET /api/v1/city-link/records": Entry(who=_WARDENS, done=None),
    "POST /api/v1/city-link/records/{record_id}/again": Entry(who=_PLANNERS, done=None),
    "GET /api/v1/city-link/reconciliations": Entry(who=_WARDENS, done=None),
    "GET /api/v1/city-link/reconciliations/{number}/differences": Entry(who=_WARDENS, done=None),
    "GET /city-link": Entry(who=_WARDENS, done=None, page=True),
    "POST /city-link/again": Entry(who=_PLANNERS, done=None),
    "GET /api/v1/tickets": Entry(who=READERS, done=None),
    "GET /api/v1/tickets/causes": Entry(who=READERS, done=None),
    "POST /api/v1/tickets": Entry(who=DESK, done=None),
    "GET /api/v1/tickets/{ticket_id}": Entry(who=READERS, done=None),
    "POST /api/v1/tickets/{ticket_id}/moves": Entry(who=CREW, done=None),
    "POST /api/v1/tickets/{ticket_id}/hand-over": Entry(who=DESK, done=None),
    "POST /api/v1/tickets/{ticket_id}/comments": Entry(who=CREW, done=None),
    "POST /api/v1/tickets/{ticket_id}/photos": Entry(who=CREW, done=None),
    "GET /api/v1/tickets/{ticket_id}/photos/{photo_id}": Entry(who=READERS, done=None),
    "GET /api/v1/maintenance-orders": Entry(who=READERS, done=None),
    "POST /api/v1/maintenance-orders": Entry(who=CREW, done=None),
    "GET /api/v1/maintenance-orders/{maintenance_id}": Entry(who=READERS, done=None),
    "POST /api/v1/maintenance-orders/{maintenance_id}/end": Entry(who=CREW, done=None),
    "GET /tickets": Entry(who=READERS, done=None, page=True),
    "GET /tickets/{ticket_id}": Entry(who=READERS, done=None, page=True),
    "POST /tickets/{ticket_id}/moves": Entry(who=CREW, done=None, page=True),
    "POST /tickets/{ticket_id}/photos": Entry(who=CREW, done=None, page=True),
    "GET /tickets/{ticket_id}/photos/{photo_id}": Entry(who=READERS, done=None, page=True),
    "GET /maintenance": Entry(who=READERS, done=None, page=True),
    "POST /maintenance": Entry(who=CREW, done=None, page=True),
    "POST /maintenance/{maintenance_id}/end": Entry(who=CREW, done=None, page=True),
}

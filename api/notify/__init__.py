"""Notifications over HTTP: what became of each, who cannot be reached, drills, webhook endpoints, and the one-time links in messages."""

from __future__ import annotations

from typing import Final

from api.notify import links, notifications, webhooks

ROUTERS: Final = (notifications.router, webhooks.router, links.router)

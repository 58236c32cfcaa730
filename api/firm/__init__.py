"""The firm's side: pages for the people of a maintenance firm, on a phone, without a script. Server-rendered, two languages.

A page shows what the firm's own scope holds and moves orders the way the API does (`api.order_acts`). Knows nothing of
how orders come about, nor of notifications.
"""

from api.firm import crews, keys, lifts, orders, tickets
from api.firm.view import STATIC

ROUTERS = (orders.router, lifts.router, crews.router, tickets.router, keys.router)

__all__ = ["ROUTERS", "STATIC"]

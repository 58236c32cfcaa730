"""The /metrics address of a process that has no HTTP of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, start_http_server

from hoistway.errors import CannotStart


def serve_registry(registry: CollectorRegistry, host: str, port: int) -> None:
    """Serve `registry` in a thread; port 0 = not at all. Raises `CannotStart` when the port is taken."""
    if not port:
        return
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise CannotStart(
            f"/metrics cannot listen on {host}:{port} ({error.strerror}): set HOISTWAY_METRICS_PORT"
        ) from error

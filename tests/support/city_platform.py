"""A stub of a city's platform: takes records over HTTP, shows tokens, can be away, stumble and refuse; remembers all it was sent.

For tests, and for trying the link by hand: `python -m tests.support.city_platform PORT [SECRET]` prints each record it takes.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CLIENT = "hoistway-test"


class CityPlatform:
    """What the platform has, and how it behaves. `says` may answer (status, document) for a record, or None: taken."""

    def __init__(self, *, secret: str = "") -> None:
        self.secret = secret
        self.taken: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.tokens = 0
        self.good_tokens: set[str] = set()
        self.away = False
        self.says: Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None] = lambda _body: None
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self.port = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/records"

    @property
    def token_address(self) -> str:
        return f"http://127.0.0.1:{self.port}/token"

    def take(self, raw: bytes, authorization: str) -> tuple[int, dict[str, Any]]:
        """One record: taken once, however often it is sent."""
        with self._lock:
            if self.secret and authorization.removeprefix("Bearer ") not in self.good_tokens:
                return 401, {"message": "no good token"}
            body = json.loads(raw)
            self.raw.append(raw)
            if (said := self.says(body)) is not None:
                return said
            key = json.dumps([body.get(name) for name in ("alarmId", "order_no", "fault_status")])
            if key in self._seen:
                return 409, {"message": "known already"}
            self._seen.add(key)
            self.taken.append(body)
            return 200, {"code": 0}

    def token(self, raw: bytes, authorization: str) -> tuple[int, dict[str, Any]]:
        """RFC 6749, 4.4: a token for the client's own credentials."""
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        with self._lock:
            if pair != f"{CLIENT}:{self.secret}" or raw != b"grant_type=client_credentials":
                return 401, {"error": "invalid_client"}
            self.tokens += 1
            self.good_tokens.add(f"token-{self.tokens}")
            return 200, {"access_token": f"token-{self.tokens}", "token_type": "bearer", "expires_in": 3_600}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, platform: CityPlatform, port: int) -> None:
        self.platform = platform
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        platform = self.server.platform
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if platform.away:
            self.close_connection = True
            return
        authorization = self.headers.get("Authorization", "")
        act = platform.token if self.path == "/token" else platform.take
        status, document = act(raw, authorization)
        answer = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: Any) -> None:
        """Quiet."""


@contextlib.contextmanager
def city_platform(*, secret: str = "", port: int = 0) -> Iterator[CityPlatform]:
    """The platform on a loopback port."""
    platform = CityPlatform(secret=secret)
    server = _Server(platform, port)
    platform.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def say(text: str) -> None:
    """A line for who watches."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Take records until interrupted, and print them."""
    with city_platform(port=int(sys.argv[1]), secret=sys.argv[2] if len(sys.argv) > 2 else "") as platform:
        printing = platform.take

        def take(raw: bytes, authorization: str) -> tuple[int, dict[str, Any]]:
            found = printing(raw, authorization)
            say(f"{found[0]} {raw.decode()}")
            return found

        platform.take = take  # type: ignore[method-assign]
        say(f"records: {platform.address}  tokens: {platform.token_address}  client: {CLIENT}")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()

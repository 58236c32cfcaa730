"""What mosquitto keeps of its listener's limits, and how long it bears a connection that says nothing.

A listener with `max_qos 1` and `max_connections 2`: how many MQTT 5 clients it takes and which quality it offers them, before and after
a HUP; then a TCP connection that never sends CONNECT, until the broker ends it.
"""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

from bench.common import report
from hoistway.embedded.mosquitto import find_mosquitto

CLIENTS = 4
PATIENCE_S = 600.0


def connect(port: int, name: str) -> tuple[socket.socket, str]:
    """A client that stays, and the quality that its CONNACK offers; empty when it was not let in."""
    body = (
        struct.pack("!H", 4)
        + b"MQTT\x05\x02"
        + struct.pack("!H", 60)
        + b"\x00"
        + struct.pack("!H", len(name))
        + name.encode()
    )
    link = socket.create_connection(("127.0.0.1", port), timeout=1)
    with suppress(OSError):
        link.sendall(b"\x10" + bytes([len(body)]) + body)
        answer = link.recv(256)
        if len(answer) > 4 and answer[3] == 0:
            return link, "1" if b"\x24\x01" in answer[4:] else "2"
    return link, ""


def taken(port: int) -> str:
    """How many of `CLIENTS` are in at once, and with which quality."""
    links = [connect(port, f"client-{number}") for number in range(CLIENTS)]
    inside = [quality for _, quality in links if quality]
    for link, _ in links:
        link.close()
    time.sleep(0.5)  # the broker notices that they are gone
    return f"{len(inside)} of {CLIENTS} connected, QoS up to {', '.join(sorted(set(inside)))}"


def silent(port: int) -> str:
    began = time.monotonic()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as link:
        try:
            link.recv(1)
        except TimeoutError:
            return f"more than {PATIENCE_S:.0f} s"
    return f"{time.monotonic() - began:.0f} s"


def main() -> None:
    program = find_mosquitto()
    if program is None:
        sys.exit("no mosquitto here")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # started by root, the broker reads it again as another user
        file = Path(folder) / "mosquitto.conf"
        file.write_text(f"allow_anonymous true\nlistener {port} 127.0.0.1\nmax_qos 1\nmax_connections 2\n", "utf-8")
        broker = subprocess.Popen([program, "-c", file], stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)  # it says nothing when it listens
            before = taken(port)
            broker.send_signal(signal.SIGHUP)
            time.sleep(1)  # nor when it has read its file again
            rows = [
                ("at the start", before),
                ("after a HUP", taken(port)),
                ("ends a connection without CONNECT after", silent(port)),
            ]
        finally:
            broker.terminate()
            broker.wait()
    version = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout.partition("\n")[0]
    report("broker_limits", "Limits of the broker", __doc__.partition("\n\n")[2].strip() + f" With {version}.", rows)


if __name__ == "__main__":
    main()

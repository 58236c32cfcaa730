"""Passwords of the devices of one platform: derived from one secret, so that nothing has to be stored per device. Pure."""

from __future__ import annotations

import hashlib
import hmac


def device_password(secret: bytes, device: str) -> str:
    """The MQTT password of `device`: HMAC-SHA256 of its name, the first 32 hexadecimal digits."""
    return hmac.new(secret, device.encode(), hashlib.sha256).hexdigest()[:32]

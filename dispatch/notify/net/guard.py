"""Where a webhook may go: judges the address that is written and the one that is connected to. Pure: no resolver, no socket.

Somebody else writes the address, and our machine stands where they do not: it must not reach our network, this machine or the cloud's
metadata for them. So the judgement of the name is only the first; every resolved address is judged as well, and the one that was judged
is the one that is connected to (`http`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from hoistway.errors import BadInput

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_CHARS: Final = 1_000
_LOW_PORTS: Final = frozenset({80, 443})
_NUMBERS: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)
"""What a resolver takes for an IPv4 address: decimal, octal or hex, whole or in parts."""
_LOCAL_NAMES: Final = ("localhost", ".localhost", ".local", ".internal", ".lan", ".home.arpa", ".localdomain")
_WRAPPING: Final = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
"""IPv6 networks whose addresses stand for an IPv4 address, and how many bits lie right of it."""
_REFUSED: Final = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("2001::/32"),  # Teredo: the IPv4 address of somebody's relay is inside
    ipaddress.IPv6Network("fec0::/10"),  # site-local of old
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A judged address: what is asked for, and where."""

    scheme: str
    host: str
    port: int
    path: str  # with the query

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def networks(text: str, *, where: str) -> tuple[Network, ...]:
    """Networks in CIDR, separated by spaces or commas. Raises `BadInput`."""
    try:
        return tuple(ipaddress.ip_network(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise BadInput(str(error), where=where, expected="networks such as 10.20.0.0/16") from error


def target_of(url: str, *, allowed: Sequence[Network] = (), plain: bool = False) -> Target:
    """What `url` asks for. `allowed`: networks that may be reached though they are private, by plain http too; `plain`: http anywhere.

    Raises `BadInput`, which does not repeat the address: it may hold a token.
    """
    parts = _split(url)
    host = (parts.hostname or "").rstrip(".").lower()
    own = _literal(host)
    inside = own is not None and any(own in network for network in allowed)
    if parts.scheme != "https" and not (parts.scheme == "http" and (plain or inside)):
        raise _refuse("not https")
    if parts.username is not None or parts.password is not None:
        raise _refuse("a user in the address")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not inside and not plain:
        if own is None and _NUMBERS.fullmatch(host):
            raise _refuse("a number for a host")
        if host.endswith(_LOCAL_NAMES):
            raise _refuse("a name of this machine or network")
        if own is not None and forbidden(own, allowed=allowed):
            raise _refuse(f"{own} is not a public address")
        if port < 1024 and port not in _LOW_PORTS:
            raise _refuse(f"port {port}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=host, port=port, path=path)


def _split(url: str) -> SplitResult:
    if len(url) > URL_CHARS or not url.isascii() or not url.isprintable() or any(sign in url for sign in ' "<>\\^`{|}'):
        raise _refuse("characters that no address has")
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:
            raise _refuse("no host")
    except ValueError as error:
        raise _refuse("not an address") from error
    return parts


def _refuse(why: str) -> BadInput:
    return BadInput(why, where="url", expected="https://, a public host, no user, port 80, 443 or above 1023")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def forbidden(address: Address, *, allowed: Sequence[Network] = ()) -> bool:
    """Whether an address that a name resolved to may not be connected to: private, loopback, link-local (the cloud's metadata),
    shared (100.64.0.0/10), multicast, reserved; also when an IPv6 address only stands for such an IPv4 address."""
    inner = _inner(address)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = inner  # written otherwise, it is that address and nothing else
    if any(one in network for one in (address, inner) for network in allowed if one.version == network.version):
        return False
    return any(
        one.is_multicast or one.is_reserved or one.is_unspecified or not one.is_global for one in {address, inner}
    ) or (isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _REFUSED))


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    for network, shift in _WRAPPING:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address

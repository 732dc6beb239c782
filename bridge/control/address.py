"""Hosts and ports as they stand in settings and in headers."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/\\@\[\]?#]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Address(NamedTuple):
    """A host, without the brackets of IPv6 and in lower case, and a port."""

    host: str
    port: int


def of_setting(text: str) -> Address:
    """Read the `host:port` of a setting that has been checked; the host may be empty."""
    host, _, port = text.rpartition(":")
    return Address(host.strip("[]").lower(), int(port))


def of_header(text: str, scheme: str = "http") -> Address | None:
    """Read a `Host` header's value, its missing port being the scheme's own; nonsense is nothing."""
    found = _AUTHORITY.fullmatch(text.strip())
    if not found:
        return None
    return Address(found["host"].strip("[]").lower(), int(found["port"] or _DEFAULT_PORTS.get(scheme, 0)))


def is_loopback(host: str) -> bool:
    """Tell whether `host` is a literal address of this machine alone, also one of IPv4 written as IPv6."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback

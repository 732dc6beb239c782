"""The forms of `REDIS_URL`: one server, a primary that sentinels name, or a cluster. Pure; the store connects by it.

    redis://[user:password@]host[:6379][/database]                           rediss://... with TLS
    unix://[user:password@]/path/to/socket[?db=database]
    redis+sentinel://[user:password@]host[:26379],.../service[/database]     rediss+sentinel://... with TLS
    redis+cluster://[user:password@]host[:6379],...                          rediss+cluster://... with TLS

User and password are those of the servers that hold the data. What stands behind a question mark goes to redis-py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SCHEMES: Final = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
EXPECTED: Final = f"a URL that begins with {', '.join(f'{scheme}://' for scheme in SCHEMES[:-1])} or {SCHEMES[-1]}://"
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_GREATEST_PORT: Final = 65_535

Address = tuple[str, int]


class Kind(StrEnum):
    """What stands behind the URL."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """What a URL says, taken apart.

    Attributes:
        addresses: the server, the sentinels, or some nodes of the cluster; none for a Unix socket.
        path: of the Unix socket, else empty.
        service: what the sentinels call the primary, else empty.
        options: what stands behind the question mark, as it is.
    """

    kind: Kind
    tls: bool
    user: str = field(repr=False)
    password: str = field(repr=False)
    addresses: tuple[Address, ...]
    path: str
    service: str
    database: int
    options: dict[str, str] = field(repr=False)

    @property
    def unverified(self) -> bool:
        """Whether it asks for TLS that does not look closely at who answers."""
        checked = self.options.get("ssl_cert_reqs", "required") == "required"
        named = self.options.get("ssl_check_hostname", "true").lower() not in ("0", "f", "false", "n", "no")
        return self.tls and not (checked and named)


def parse(text: str) -> RedisUrl:
    """Take a URL apart.

    Raises:
        ValueError: it is none of the forms; the message holds nothing of the URL that could be secret.
    """
    scheme, _, rest = text.partition("://")
    if scheme not in SCHEMES or not rest:
        raise ValueError(f"expected {EXPECTED}")
    name, _, form = scheme.partition("+")
    kind = Kind(form) if form else Kind.SINGLE
    try:
        parts = urlsplit(f"//{rest}")
    except ValueError:
        raise ValueError("expected brackets that match around an address of IPv6") from None
    # The last @: a password that was not encoded may hold others.
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    path, service, database = _path(name, kind, parts.path, options)
    return RedisUrl(
        kind=kind,
        tls=name == "rediss",
        user=unquote(user),
        password=unquote(password),
        addresses=() if path else _addresses(hosts, kind),
        path=path,
        service=service,
        database=database,
        options=options,
    )


def shown(text: str) -> str:
    """Return a URL without anything secret: neither user and password, nor what stands behind the question mark."""
    scheme, _, rest = text.partition("://")
    parts = urlsplit(f"//{rest}")
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def joined(text: str, password: str, options: dict[str, str]) -> str:
    """Return the URL with this password, if there is one, and with these options besides its own."""
    scheme, _, rest = text.partition("://")
    location, _, query = rest.partition("?")
    if password:
        cut = location.find("/")
        authority, path = (location, "") if cut < 0 else (location[:cut], location[cut:])
        credentials, _, hosts = authority.rpartition("@")
        location = f"{credentials.partition(':')[0]}:{quote(password, safe='')}@{hosts}{path}"
    extra = "&".join(f"{name}={quote(value, safe='/')}" for name, value in options.items() if value)
    query = "&".join(part for part in (query, extra) if part)
    return f"{scheme}://{location}" + (f"?{query}" if query else "")


def _path(name: str, kind: Kind, path: str, options: dict[str, str]) -> tuple[str, str, int]:
    """Return the path of the socket, the service and the database."""
    words = [unquote(word) for word in path.strip("/").split("/") if word]
    socket = service = ""
    if name == "unix":
        socket, words = unquote(path), []
        if not socket.startswith("/"):
            raise ValueError("expected the socket's absolute path: unix:///path/to/socket")
    elif kind is Kind.SENTINEL:
        if not words:
            raise ValueError("expected the service's name behind the sentinels: redis+sentinel://host:26379/service")
        service = words.pop(0)
    if len(words) > 1:
        raise ValueError("expected nothing but the database's number at the end of the path")
    database = _database(options.pop("db", "") or "".join(words) or "0")
    if kind is Kind.CLUSTER and database:
        raise ValueError("expected no database: a cluster has only number 0")
    return socket, service, database


def _database(number: str) -> int:
    if not (number.isascii() and number.isdecimal()):
        raise ValueError("expected the database as a number")
    return int(number)


def _addresses(hosts: str, kind: Kind) -> tuple[Address, ...]:
    if kind is Kind.SINGLE:
        return (_address(hosts or "localhost", _PORT),)
    default = _SENTINEL_PORT if kind is Kind.SENTINEL else _PORT
    return tuple(_address(part, default) for part in hosts.split(","))


def _address(part: str, default: int) -> Address:
    try:
        split = urlsplit(f"//{part}")
        host, port = split.hostname, default if split.port is None else split.port
    except ValueError:  # of brackets that don't match, or a port that is no port
        host, port = None, 0
    if not host or not 0 < port <= _GREATEST_PORT or "," in part:
        raise ValueError("expected host:port, with a port from 1 to 65535")
    return host, port

"""Every setting: name, default, range and meaning in one table; read from the environment and `.env`, checked at start.

The only module that looks at the environment. A variable's name is its attribute's in capitals; an empty value counts
as unset, because compose files and unit files pass empty values on for what a user left out. A secret may stand in a
file instead, which `<name>_FILE` names: so hand orchestrators and service managers them over.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from bridge import redis_url as urls
from bridge.errors import SettingsError
from bridge.values import Secret, choice, matching, seconds, secret, secret_in, uri, whole

_HOST_PORT = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):[0-9]{1,5}"
_PATH = r"[^\0]*"
_LONGEST_S = 86_400
_FILE = "_FILE"
_NOT_FOR_DEMO = (
    *("BITMART_", "DATA_DIR", "BRIDGE_PREFIX", "INGESTER_ID"),
    *("REDIS_URL", "REDIS_PASSWORD", "REDIS_SENTINEL", "REDIS_CA", "REDIS_CERT", "REDIS_KEY"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All settings, typed and within their ranges. Durations are seconds unless the name says otherwise."""

    bitmart_public_ws_uri: str = uri(
        "wss://openapi-ws-v2.bitmart.com/api?protocol=1.1", ("ws", "wss"), "BitMart's public socket"
    )
    bitmart_private_ws_uri: str = uri(
        "wss://openapi-ws-v2.bitmart.com/user?protocol=1.1",
        ("ws", "wss"),
        "BitMart's private socket, opened only with credentials",
    )
    bitmart_rest_uri: str = uri("https://api-cloud-v2.bitmart.com", ("http", "https"), "BitMart's REST API")
    bitmart_api_key: Secret = secret("API key; key, secret and memo: all three or none")
    bitmart_api_secret: Secret = secret("API secret")
    bitmart_api_memo: Secret = secret("API memo")
    bitmart_account: str = matching(
        "main", r"[A-Za-z0-9_.-]{1,32}", "the account's name in the keys of orders, fills and positions"
    )

    ctrl_addr: str = matching(
        "0.0.0.0:8089",  # the default of the worker this replaces; without a token only this machine is answered
        _HOST_PORT,
        "host:port of the control API; without CTRL_TOKEN it answers this machine only",
    )
    ctrl_token: Secret = secret("bearer token that callers of the control API must show")
    ctrl_changes_per_s: int = whole(
        50, 1, 100_000, "changes a second that one address may make by the control API, ten times as many at once"
    )

    metrics_addr: str = matching(
        "",
        f"({_HOST_PORT})?",
        "host:port of an ingester's /metrics and /health; who may call is as at CTRL_ADDR; unset: none",
    )

    redis_url: Secret = secret(
        "where Redis or Valkey is: redis://, rediss:// (TLS), unix://, redis+sentinel://host,host/service or"
        " redis+cluster://host,host (both also as rediss+...); unset: a server of our own"
    )
    redis_password: Secret = secret("password of Redis, instead of one in REDIS_URL")
    redis_sentinel_user: str = matching("", r"[^\s:@/]{0,128}", "user at the sentinels, if they want one")
    redis_sentinel_password: Secret = secret("password of the sentinels, if they want one")
    redis_ca_file: str = matching("", _PATH, "certificates (PEM) by which Redis's own is checked; unset: the system's")
    redis_cert_file: str = matching("", _PATH, "our certificate (PEM), where Redis wants one")
    redis_key_file: str = matching("", _PATH, "the key (PEM) to that certificate; unset: it is in the same file")
    bridge_prefix: str = matching("bitmart", r"[A-Za-z0-9_.:-]{1,64}", "what every key in Redis begins with")
    data_dir: str = matching(
        "", _PATH, "where our own server keeps its data; unset: bitmart-bridge in the user's data directory"
    )
    embedded_port: int = whole(6390, 1, 65_535, "loopback port of our own server, if it is free")
    embedded_memory_mb: int = whole(1024, 16, 1_048_576, "memory limit of our own server in MiB")

    subscribe_batch: int = whole(20, 1, 100, "topics in one subscribe frame, which also stays under 2,000 bytes")
    subscribe_delay_ms: int = whole(200, 0, 60_000, "pause between two such frames in ms")
    ping_interval_s: float = seconds(15, 0.1, 60, "time between our pings")
    pong_timeout_s: float = seconds(10, 0.1, 60, "a ping unanswered for this long replaces the connection")
    connect_timeout_s: float = seconds(10, 0.1, 120, "longest wait for a connection, and for the answer to a login")
    ack_timeout_s: float = seconds(10, 0.1, 300, "a subscription unanswered for this long is sent again")
    reconnect_delay_s: float = seconds(5, 0.01, 300, "ceiling of the first wait before reconnecting")
    reconnect_max_s: float = seconds(60, 0.01, 3600, "ceiling of every later wait, at least RECONNECT_DELAY_S")
    login_retry_s: float = seconds(300, 0.1, _LONGEST_S, "wait after BitMart refused the credentials")
    rejected_retry_s: float = seconds(
        300, 0.1, _LONGEST_S, "a topic that BitMart refused is asked for again after this"
    )
    close_grace_s: float = seconds(
        5, 0, 60, "how long after its end a candle's last state is waited for, exchange time"
    )
    connect_delay_ms: int = whole(
        500, 0, 60_000, "pause between two connects to BitMart in ms, shared by the ingesters of one REST_ADDRESS"
    )
    topics_per_connection: int = whole(100, 1, 1_000, "most topics on one connection to BitMart")
    max_connections: int = whole(
        50, 2, 400, "most connections of one ingester to BitMart, the private one included; 500 are allowed a host"
    )
    contracts_refresh_s: float = seconds(60, 0.1, _LONGEST_S, "how often the list of contracts is read")

    proof_timeout_s: float = seconds(
        120, 5, 3600, "REST silent for this long: the socket's last word on a candle is taken, exchange time"
    )
    seed_candles: int = whole(498, 1, 498, "closed candles that an empty stream begins with")
    rest_calls_per_2s: int = whole(
        10, 1, 1_000, "REST calls in two seconds; BitMart allows 12 and refuses some at that"
    )
    rest_address: str = matching(
        "", r"[A-Za-z0-9_.-]{0,64}", "ingesters that name the same share that budget; unset: the host's name"
    )

    private_sync_s: float = seconds(300, 1, _LONGEST_S, "how often the account is read besides after a login")
    private_lookback_s: float = seconds(
        0, 0, 89 * _LONGEST_S, "how far back the account's history is published at the very first start"
    )

    reconcile_interval_s: float = seconds(5, 0.05, 300, "full pass over the desired set, nudged or not")
    heartbeat_interval_s: float = seconds(0.5, 0.05, 60, "time between an ingester's heartbeats")
    member_lifetime_s: float = seconds(3, 0.5, 300, "an ingester silent for this long counts as gone")
    replicas: int = whole(1, 1, 100, "how many ingesters serve each topic; 2 make the second a hot standby")
    handover_s: float = seconds(30, 0, 3600, "a topic that moves is held by its former ingester for this long at most")
    give_way_s: float = seconds(
        10, 0.5, 3600, "an ingester that reaches none of its topics for this long leaves them to others that do"
    )
    ingester_id: str = matching(
        "", r"[A-Za-z0-9_.-]{0,64}", "this ingester's name; unset: host name, process id and a random part"
    )

    buffer_entries: int = whole(200_000, 1_000, 10_000_000, "entries held while Redis is away")
    flush_entries: int = whole(500, 1, 10_000, "most entries in one flush")
    redis_timeout_s: float = seconds(10, 0.1, 120, "a flush unanswered for this long is sent again on a new connection")
    cap_klines: int = whole(200, 10, 10_000_000, "entries kept in each live kline stream")
    cap_closed_1m: int = whole(1_440, 10, 10_000_000, "entries kept in each stream of closed 1m candles")
    cap_closed: int = whole(500, 10, 10_000_000, "entries kept in each stream of longer closed candles")
    cap_orders: int = whole(100_000, 100, 10_000_000, "entries kept in the orders stream")
    cap_fills: int = whole(100_000, 100, 10_000_000, "entries kept in the fills stream")
    cap_positions: int = whole(10_000, 100, 10_000_000, "entries kept in the positions stream")
    cap_events: int = whole(10_000, 100, 10_000_000, "entries kept in the events stream")

    log_level: str = choice("info", ("debug", "info", "warning", "error"), "least important log line shown")
    log_format: str = choice("text", ("text", "json"), "log lines for people, or one JSON object each")

    @property
    def has_credentials(self) -> bool:
        """Tell whether key, secret and memo are set."""
        return bool(self.bitmart_api_key)

    @property
    def data_path(self) -> Path:
        """The directory of our own server's data."""
        if self.data_dir:
            return Path(self.data_dir).expanduser()
        return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "bitmart-bridge"


def load(
    environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env"), redis_url: str | None = None
) -> Settings:
    """Read all settings; a variable of the environment wins over the same in the `.env` file.

    Args:
        environ: the environment; by default the process's own.
        dotenv: the file to read besides; `None` reads none, and a missing file is no error.
        redis_url: stands in for `REDIS_URL`, as given on a command line.

    Raises:
        SettingsError: at least one setting is wrong; all of them are named.
    """
    given = _read_file(dotenv) if dotenv else {}
    given |= {name: value for name, value in (os.environ if environ is None else environ).items() if value.strip()}
    problems: list[str] = []
    if redis_url:
        problems += _told_to_everybody(redis_url)
        given |= {"REDIS_URL": redis_url, f"REDIS_URL{_FILE}": ""}
    values = {}
    for row in fields(Settings):
        name = row.name.upper()
        try:
            text = _text(name, given, may_be_file=isinstance(row.default, Secret))
        except SettingsError as wrong:
            problems += wrong.problems
            continue
        if text:
            try:
                values[row.name] = row.metadata["read"](text)
            except ValueError as wrong:
                problems.append(f"{name}: {wrong}")
    settings = Settings(**values)
    problems += _contradictions(settings)
    if problems:
        raise SettingsError(problems)
    return dataclasses.replace(settings, redis_url=_whole_url(settings))


def _whole_url(settings: Settings) -> Secret:
    """Return the URL with all that other settings say of the connection, so that it alone tells how to connect."""
    options = {
        "sentinel_username": settings.redis_sentinel_user,
        "sentinel_password": settings.redis_sentinel_password.reveal(),
        "ssl_ca_certs": settings.redis_ca_file,
        "ssl_certfile": settings.redis_cert_file,
        "ssl_keyfile": settings.redis_key_file or settings.redis_cert_file,
    }
    url = settings.redis_url.reveal()
    return Secret(urls.joined(url, settings.redis_password.reveal(), options)) if url else settings.redis_url


def _text(name: str, given: Mapping[str, str], *, may_be_file: bool) -> str:
    """Return what a variable says, or the file that `<name>_FILE` names."""
    text = given.get(name, "").strip()
    path = given.get(f"{name}{_FILE}", "").strip() if may_be_file else ""
    if not path:
        return text
    if text:
        raise SettingsError([f"{name}, {name}{_FILE}: expected one of them, not both"])
    try:
        return secret_in(path)
    except ValueError as wrong:
        raise SettingsError([f"{name}{_FILE}: {wrong}"]) from None


def _told_to_everybody(redis_url: str) -> list[str]:
    try:
        hidden = urlsplit(redis_url).password is not None
    except ValueError:  # which `_contradictions` tells in its own words
        hidden = False
    told = "expected no password: a program's arguments can be read by all users of the machine; use REDIS_URL_FILE"
    return [f"--redis-url: {told}"] if hidden else []


def _read_file(dotenv: Path) -> dict[str, str]:
    try:
        return {name: value or "" for name, value in dotenv_values(dotenv).items()}
    except (OSError, UnicodeDecodeError) as wrong:
        raise SettingsError([f"{dotenv}: expected a readable text file: {wrong}"]) from None


def load_for_demo() -> Settings:
    """Read the settings of the demonstration: nothing that could lead it to a real exchange or a real store.

    Raises:
        SettingsError: as `load` does.
    """
    given = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_DEMO)}
    return load(given, dotenv=None)


def _contradictions(settings: Settings) -> list[str]:
    found = []
    credentials = (settings.bitmart_api_key, settings.bitmart_api_secret, settings.bitmart_api_memo)
    if any(credentials) and not all(credentials):
        found.append("BITMART_API_KEY, BITMART_API_SECRET, BITMART_API_MEMO: expected all three or none of them")
    if settings.member_lifetime_s < 2 * settings.heartbeat_interval_s:
        found.append("MEMBER_LIFETIME_S: expected at least twice HEARTBEAT_INTERVAL_S")
    for name, where in (("CTRL_ADDR", settings.ctrl_addr), ("METRICS_ADDR", settings.metrics_addr)):
        if int(where.rpartition(":")[2] or 0) > 65_535:  # noqa: PLR2004 - the greatest port
            found.append(f"{name}: expected a port of at most 65535")
    return found + _redis_contradictions(settings)


def _redis_contradictions(settings: Settings) -> list[str]:
    if not settings.redis_url:
        return []
    try:
        url = urls.parse(settings.redis_url.reveal())
    except ValueError as wrong:
        return [f"REDIS_URL: {wrong}"]
    found = []
    files = {name: getattr(settings, name.lower()) for name in ("REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE")}
    for name, path in files.items():
        if path and not os.access(path, os.R_OK):
            found.append(f"{name}: expected a readable file")
        if path and not url.tls:
            found.append(f"{name}: expected a REDIS_URL with TLS, such as rediss://")
    if settings.redis_key_file and not settings.redis_cert_file:
        found.append("REDIS_KEY_FILE: expected REDIS_CERT_FILE beside it")
    if settings.redis_password and url.password:
        found.append("REDIS_PASSWORD: expected no other password in REDIS_URL")
    if (settings.redis_sentinel_user or settings.redis_sentinel_password) and url.kind is not urls.Kind.SENTINEL:
        found.append("REDIS_SENTINEL_USER, REDIS_SENTINEL_PASSWORD: expected a REDIS_URL that names sentinels")
    return found


def service_manager(environ: Mapping[str, str] | None = None) -> tuple[str, float]:
    """Return where a service manager wants to be told how it goes, and the seconds within which it wants to hear more.

    These variables are the manager's (systemd's), not ours: empty and 0 where there is none, and where it means another
    process than this one.
    """
    told = os.environ if environ is None else environ
    meant = told.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    period = told.get("WATCHDOG_USEC", "")
    watchdog_s = int(period) / 1_000_000 if meant and period.isdecimal() else 0.0
    return told.get("NOTIFY_SOCKET", ""), watchdog_s


def effective(settings: Settings) -> dict[str, str]:
    """Return each variable's name and its value in force, secrets masked."""
    return {row.name.upper(): str(getattr(settings, row.name)) for row in fields(Settings)}


def variables() -> list[str]:
    """Return the name of each variable that is heeded, those that name a secret's file among them."""
    return [
        name
        for row in fields(Settings)
        for name in (row.name.upper(), *([f"{row.name.upper()}{_FILE}"] if isinstance(row.default, Secret) else []))
    ]


def example() -> str:
    """Return the text of `.env.example`: every variable with its meaning, range and default, all commented out."""
    lines = [
        "# Copy to .env and set what you need. Every line shows the default; an empty value counts as unset.",
        "# What is kept secret may stand in a file of one line instead: CTRL_TOKEN_FILE=/path, and so for each.",
        "",
    ]
    for row in fields(Settings):
        default = "" if isinstance(row.default, Secret) else row.default
        lines += [f"# {row.metadata['meaning']} ({row.metadata['expected']})", f"#{row.name.upper()}={default}", ""]
    return "\n".join(lines)

"""The table of all settings: name, default, range and meaning, a row for each. `bridge.settings` reads it.

A variable's name is its row's in capitals.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.values import Secret, choice, matching, seconds, secret, uri, whole

_HOST_PORT = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):[0-9]{1,5}"
_PATH = r"[^\0]*"
_LONGEST_S = 86_400


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
        "main",
        r"[A-Za-z0-9_.-]{1,32}",
        "1 to 32 of A-Z a-z 0-9 _ . -",
        "the account's name in the keys of orders, fills and positions",
    )

    ctrl_addr: str = matching(
        "0.0.0.0:8089",  # the default of the worker this replaces; without a token only this machine is answered
        _HOST_PORT,
        "host:port, such as 127.0.0.1:8089",
        "host:port of the control API; without CTRL_TOKEN it answers this machine only",
    )
    ctrl_token: Secret = secret("bearer token that callers of the control API must show")
    ctrl_changes_per_s: int = whole(
        50, 1, 100_000, "changes a second that one address may make by the control API, ten times as many at once"
    )
    ctrl_reads_per_s: int = whole(
        200, 1, 100_000, "requests a second that change nothing, which one address may make; ten times as many at once"
    )

    metrics_addr: str = matching(
        "",
        f"({_HOST_PORT})?",
        "host:port, such as 127.0.0.1:9108",
        "host:port of an ingester's /metrics and /health; who may call is as at CTRL_ADDR; unset: none",
    )

    redis_url: Secret = secret(
        "where Redis or Valkey is: redis://, rediss:// (TLS), unix://, redis+sentinel://host,host/service or"
        " redis+cluster://host,host (both also as rediss+...); unset: a server of our own"
    )
    redis_password: Secret = secret("password of Redis, instead of one in REDIS_URL")
    redis_sentinel_user: str = matching(
        "", r"[^\s:@/]{0,128}", "up to 128 characters without space : @ /", "user at the sentinels, if they want one"
    )
    redis_sentinel_password: Secret = secret("password of the sentinels, if they want one")
    redis_ca_file: str = matching(
        "", _PATH, "a path", "certificates (PEM) by which Redis's own is checked; unset: the system's"
    )
    redis_cert_file: str = matching("", _PATH, "a path", "our certificate (PEM), where Redis wants one")
    redis_key_file: str = matching(
        "", _PATH, "a path", "the key (PEM) to that certificate; unset: it is in the same file"
    )
    bridge_prefix: str = matching(
        "bitmart", r"[A-Za-z0-9_.:-]{1,64}", "1 to 64 of A-Z a-z 0-9 _ . : -", "what every key in Redis begins with"
    )
    data_dir: str = matching(
        "", _PATH, "a path", "where our own server keeps its data; unset: bitmart-bridge in the user's data directory"
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
        "",
        r"[A-Za-z0-9_.-]{0,64}",
        "up to 64 of A-Z a-z 0-9 _ . -",
        "ingesters that name the same share that budget; unset: the host's name",
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
        "",
        r"[A-Za-z0-9_.-]{0,64}",
        "up to 64 of A-Z a-z 0-9 _ . -",
        "this ingester's name; unset: host name, process id and a random part",
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

"""Settings: names, defaults, ranges, precedence, and that a wrong one is named before anything connects."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path

import pytest

from bridge.errors import SettingsError
from bridge.redis_url import parse
from bridge.settings import Settings, data_path, effective, example, load, service_manager, variables
from bridge.values import Secret

ROOT = Path(__file__).parent.parent
CREDENTIALS = {"BITMART_API_KEY": "the-key", "BITMART_API_SECRET": "the-secret", "BITMART_API_MEMO": "the-memo"}

# What the worker before this one read, and what it took for granted.
SEED = {
    "BITMART_PUBLIC_WS_URI": "wss://openapi-ws-v2.bitmart.com/api?protocol=1.1",
    "BITMART_PRIVATE_WS_URI": "wss://openapi-ws-v2.bitmart.com/user?protocol=1.1",
    "BITMART_API_KEY": "",
    "BITMART_API_SECRET": "",
    "BITMART_API_MEMO": "",
    "CTRL_ADDR": "0.0.0.0:8089",
    "SUBSCRIBE_BATCH": "20",
    "SUBSCRIBE_DELAY_MS": "200",
    "PING_INTERVAL_S": "15",
    "RECONNECT_DELAY_S": "5",
}

# Every row that holds a number, with the least and the most it takes.
RANGES = {
    "CTRL_CHANGES_PER_S": (1, 100_000),
    "CTRL_READS_PER_S": (1, 100_000),
    "EMBEDDED_PORT": (1, 65_535),
    "EMBEDDED_MEMORY_MB": (16, 1_048_576),
    "SUBSCRIBE_BATCH": (1, 100),
    "SUBSCRIBE_DELAY_MS": (0, 60_000),
    "PING_INTERVAL_S": (0.1, 60),
    "PONG_TIMEOUT_S": (0.1, 60),
    "CONNECT_TIMEOUT_S": (0.1, 120),
    "ACK_TIMEOUT_S": (0.1, 300),
    "RECONNECT_DELAY_S": (0.01, 300),
    "RECONNECT_MAX_S": (0.01, 3600),
    "LOGIN_RETRY_S": (0.1, 86_400),
    "REJECTED_RETRY_S": (0.1, 86_400),
    "CLOSE_GRACE_S": (0, 60),
    "CONNECT_DELAY_MS": (0, 60_000),
    "TOPICS_PER_CONNECTION": (1, 1_000),
    "MAX_CONNECTIONS": (2, 400),
    "CONTRACTS_REFRESH_S": (0.1, 86_400),
    "PROOF_TIMEOUT_S": (5, 3600),
    "PRIVATE_SYNC_S": (1, 86_400),
    "PRIVATE_LOOKBACK_S": (0, 89 * 86_400),
    "SEED_CANDLES": (1, 498),
    "REST_CALLS_PER_2S": (1, 1_000),
    "RECONCILE_INTERVAL_S": (0.05, 300),
    "HEARTBEAT_INTERVAL_S": (0.05, 60),
    "MEMBER_LIFETIME_S": (0.5, 300),
    "REPLICAS": (1, 100),
    "HANDOVER_S": (0, 3600),
    "GIVE_WAY_S": (0.5, 3600),
    "BUFFER_ENTRIES": (1_000, 10_000_000),
    "FLUSH_ENTRIES": (1, 10_000),
    "REDIS_TIMEOUT_S": (0.1, 120),
    "CAP_KLINES": (10, 10_000_000),
    "CAP_CLOSED_1M": (10, 10_000_000),
    "CAP_CLOSED": (10, 10_000_000),
    "CAP_ORDERS": (100, 10_000_000),
    "CAP_FILLS": (100, 10_000_000),
    "CAP_POSITIONS": (100, 10_000_000),
    "CAP_EVENTS": (100, 10_000_000),
}
# What keeps the other end of a range from contradicting another setting.
COMPANIONS = {
    "HEARTBEAT_INTERVAL_S": {"MEMBER_LIFETIME_S": "300"},
    "MEMBER_LIFETIME_S": {"HEARTBEAT_INTERVAL_S": "0.05"},
}
WORDS = [
    ("BITMART_ACCOUNT", ["a", "sub-1.x_Y", "x" * 32], ["a b", "{x}", "x" * 33, "a:b"]),
    (
        "CTRL_ADDR",
        [":0", "127.0.0.1:65535", "[::1]:80", "my-host.local:8089"],
        ["8089", "host", "host:", "h:p", "a b:1"],
    ),
    ("METRICS_ADDR", ["127.0.0.1:9108", ":0", "[::1]:80"], ["9108", "host:", "h:p"]),
    ("BRIDGE_PREFIX", ["b", "a.b:c_d-E", "x" * 64], ["{x}", "a b", "x" * 65, "é"]),
    ("INGESTER_ID", ["one", "host-1.example_2", "x" * 64], ["a/b", "x" * 65, "a:b"]),
    ("REST_ADDRESS", ["one", "host-1.example_2"], ["a/b", "x" * 65, "a:b"]),
    ("DATA_DIR", ["/var/lib/with space", "~/data"], ["/a\0b"]),
    ("LOG_LEVEL", ["debug", "info", "warning", "error", "INFO"], ["trace", "1"]),
    ("LOG_FORMAT", ["text", "json", "JSON"], ["xml"]),
    ("REDIS_SENTINEL_USER", ["bot"], ["a b", "a:b"]),
    ("REDIS_CA_FILE", [__file__], ["/a\0b"]),
    ("REDIS_CERT_FILE", [__file__], ["/a\0b"]),
    ("REDIS_KEY_FILE", [__file__], ["/a\0b"]),
    (
        "REDIS_URL",
        [
            "redis://h",
            "redis+sentinel://a,b:1/name/2",
            "rediss+cluster://a:1,b",
            "rediss://u:p@h:6380/1",
            "unix:///run/r.sock",
            "redis://:p%40@[::1]:1/0",
        ],
        [
            "http://h",
            "h:6379",
            "redis://h:port",
            "redis://h:0",
            "redis://h:70000",
            "redis://[::1/0",
            "redis+cluster://h/1",
        ],
    ),
    ("BITMART_PUBLIC_WS_URI", ["ws://localhost:1/api", "wss://h"], ["https://h", "wss://", "wss://h:x"]),
    ("BITMART_PRIVATE_WS_URI", ["ws://localhost:1/user", "wss://h"], ["https://h", "wss://u:p@h"]),
    ("BITMART_REST_URI", ["http://localhost:1", "https://h/base"], ["ws://h", "https://:p@h"]),
]


def read(given: dict[str, str]) -> Settings:
    return load(given, dotenv=None)


def problems(given: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as wrong:
        read(given)
    return wrong.value.problems


def written(number: float) -> str:
    return f"{number:.10g}"


@pytest.mark.parametrize(("name", "default"), SEED.items())
def test_the_names_of_the_worker_before_keep_their_defaults(name: str, default: str) -> None:
    assert effective(read({}))[name] == default


def test_the_names_of_the_worker_before_keep_working() -> None:
    given = SEED | CREDENTIALS | {"CTRL_ADDR": ":9000", "SUBSCRIBE_BATCH": "7", "PING_INTERVAL_S": "20"}
    settings = read(given)
    assert (settings.ctrl_addr, settings.subscribe_batch, settings.ping_interval_s) == (":9000", 7, 20)
    assert settings.has_credentials
    assert settings.bitmart_api_memo.reveal() == "the-memo"


def test_without_credentials_there_are_none() -> None:
    assert not read({}).has_credentials


@pytest.mark.parametrize("given", ["", "   ", "\t\n"])
def test_an_empty_value_counts_as_unset(given: str) -> None:
    assert effective(read(dict.fromkeys(effective(read({})), given))) == effective(read({}))


def test_values_are_stripped() -> None:
    assert read({"SUBSCRIBE_BATCH": " 7 ", "LOG_LEVEL": "debug\n"}).subscribe_batch == 7


def test_the_table_of_ranges_misses_no_number() -> None:
    numbers = {row.name.upper() for row in fields(Settings) if isinstance(row.default, int | float)}
    assert numbers == set(RANGES)


@pytest.mark.parametrize(("name", "ends"), RANGES.items())
def test_the_ends_of_a_range_are_accepted(name: str, ends: tuple[float, float]) -> None:
    for end in ends:
        settings = read(COMPANIONS.get(name, {}) | {name: written(end)})
        assert getattr(settings, name.lower()) == end


@pytest.mark.parametrize(("name", "ends"), RANGES.items())
def test_beyond_a_range_is_refused_by_name_with_what_was_expected(name: str, ends: tuple[float, float]) -> None:
    least, most = ends
    row = next(row for row in fields(Settings) if row.name.upper() == name)
    step = 1 if row.metadata["expected"].startswith("a whole") else 0.001
    for beyond in (least - step, most + step):
        told = [line for line in problems(COMPANIONS.get(name, {}) | {name: written(beyond)}) if line.startswith(name)]
        assert told[0] == f"{name}: expected {row.metadata['expected']}, not '{written(beyond)}'"


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, good, _ in WORDS for text in good])
def test_a_fitting_word_is_accepted(name: str, text: str) -> None:
    value = getattr(read({name: text}), name.lower())
    assert (value.reveal() if isinstance(value, Secret) else value.lower()) in (text, text.lower())


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, _, bad in WORDS for text in bad])
def test_an_unfitting_word_is_refused_by_name_with_what_was_expected(name: str, text: str) -> None:
    (told,) = problems({name: text})
    assert told.startswith(f"{name}: expected ")


def test_every_problem_is_told_at_once() -> None:
    told = problems({"SUBSCRIBE_BATCH": "0", "LOG_LEVEL": "loud", "BITMART_API_KEY": "k", "REDIS_URL": "h"})
    assert [line.partition(":")[0] for line in told] == [
        "SUBSCRIBE_BATCH",
        "LOG_LEVEL",
        "BITMART_API_KEY, BITMART_API_SECRET, BITMART_API_MEMO",
        "REDIS_URL",
    ]


def test_the_password_of_redis_may_stand_in_a_file(tmp_path: Path) -> None:
    url = read({"REDIS_URL": "redis://bot@h", "REDIS_PASSWORD_FILE": kept(tmp_path, b"p@ss\n")}).redis_url
    assert (parse(url.reveal()).user, parse(url.reveal()).password) == ("bot", "p@ss")


def test_all_that_is_said_of_redis_is_joined_into_its_url() -> None:
    given = {
        "REDIS_URL": "rediss+sentinel://bot@a,b/name",
        "REDIS_PASSWORD": "p@ss",
        "REDIS_SENTINEL_USER": "watcher",
        "REDIS_SENTINEL_PASSWORD": "word",
        "REDIS_CA_FILE": __file__,
        "REDIS_CERT_FILE": __file__,
    }
    url = parse(read(given).redis_url.reveal())
    assert (url.user, url.password) == ("bot", "p@ss")
    assert url.options == {
        "sentinel_username": "watcher",
        "sentinel_password": "word",
        "ssl_ca_certs": __file__,
        "ssl_certfile": __file__,
        "ssl_keyfile": __file__,
    }
    assert not {"p@ss", "word", "p%40ss"} & set(effective(read(given)).values())


@pytest.mark.parametrize("missing", CREDENTIALS)
def test_credentials_come_all_three_or_none(missing: str) -> None:
    (told,) = problems({name: text for name, text in CREDENTIALS.items() if name != missing})
    assert told == "BITMART_API_KEY, BITMART_API_SECRET, BITMART_API_MEMO: expected all three or none of them"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"HEARTBEAT_INTERVAL_S": "1.6"}, "MEMBER_LIFETIME_S: expected at least twice HEARTBEAT_INTERVAL_S"),
        (
            {"REDIS_URL": "redis://h", "REDIS_CA_FILE": __file__},
            "REDIS_CA_FILE: expected a REDIS_URL with TLS, such as rediss://",
        ),
        (
            {"REDIS_URL": "rediss://h", "REDIS_CA_FILE": "/nowhere/ca.pem"},
            "REDIS_CA_FILE: expected a readable file",
        ),
        (
            {"REDIS_URL": "rediss://h", "REDIS_KEY_FILE": __file__},
            "REDIS_KEY_FILE: expected REDIS_CERT_FILE beside it",
        ),
        (
            {"REDIS_URL": "redis://:one@h", "REDIS_PASSWORD": "two"},
            "REDIS_PASSWORD: expected no other password in REDIS_URL",
        ),
        (
            {"REDIS_URL": "redis://h", "REDIS_SENTINEL_PASSWORD": "two"},
            "REDIS_SENTINEL_USER, REDIS_SENTINEL_PASSWORD: expected a REDIS_URL that names sentinels",
        ),
        ({"MEMBER_LIFETIME_S": "0.9"}, "MEMBER_LIFETIME_S: expected at least twice HEARTBEAT_INTERVAL_S"),
        ({"CTRL_ADDR": ":65536"}, "CTRL_ADDR: expected a port of at most 65535"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, str], told: str) -> None:
    assert problems(given) == [told]


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SUBSCRIBE_BATCH=3\nSUBSCRIBE_DELAY_MS='40'\nexport LOG_LEVEL=debug # loud\n")
    settings = load({"SUBSCRIBE_BATCH": "9"}, tmp_path / ".env")
    assert (settings.subscribe_batch, settings.subscribe_delay_ms, settings.log_level) == (9, 40, "debug")


def test_an_empty_variable_of_the_environment_does_not_hide_the_files(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SUBSCRIBE_BATCH=3\n")
    assert load({"SUBSCRIBE_BATCH": ""}, tmp_path / ".env").subscribe_batch == 3


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    assert load({}, tmp_path / "none").subscribe_batch == 20


def test_a_name_without_a_value_in_the_file_counts_as_unset(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SUBSCRIBE_BATCH\nLOG_LEVEL=\n")
    assert load({}, tmp_path / ".env") == read({})


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"\.env: expected a readable text file"):
        load({}, tmp_path / ".env")


def test_the_process_environment_and_the_file_beside_it_are_read_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("SUBSCRIBE_BATCH=3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUBSCRIBE_DELAY_MS", "41")
    monkeypatch.delenv("SUBSCRIBE_BATCH", raising=False)
    settings = load()
    assert (settings.subscribe_batch, settings.subscribe_delay_ms) == (3, 41)


def test_no_secret_is_ever_shown() -> None:
    hidden = CREDENTIALS | {"CTRL_TOKEN": "the-token", "REDIS_URL": "redis://user:the-password@h:1"}
    settings = read(hidden)
    shown = " ".join([repr(settings), str(settings), f"{settings}", str(effective(settings))])
    assert not [text for text in ("the-", "redis://") if text in shown]
    assert {effective(settings)[name] for name in hidden} == {"********"}


def test_a_refused_secret_is_not_shown_either() -> None:
    assert "the-password" not in " ".join(problems({"REDIS_URL": "redis://u:the-password@h:port"}))


def kept(folder: Path, held: bytes) -> str:
    file = folder / "kept"
    file.write_bytes(held)
    return str(file)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b" \n\n"])
@pytest.mark.parametrize("name", ["BITMART_API_KEY", "BITMART_API_SECRET", "BITMART_API_MEMO", "CTRL_TOKEN"])
def test_a_secret_may_stand_in_a_file_whatever_ends_its_line(name: str, end: bytes, tmp_path: Path) -> None:
    file = kept(tmp_path, "gehe ím".encode() + end)
    given = (CREDENTIALS | {f"{name}_FILE": file}) | ({name: ""} if name in CREDENTIALS else {})
    assert getattr(read(given), name.lower()).reveal() == "gehe ím"


def test_the_url_of_redis_may_stand_in_a_file_and_is_checked_like_any(tmp_path: Path) -> None:
    assert read({"REDIS_URL_FILE": kept(tmp_path, b"redis://u:p@h:1\n")}).redis_url.reveal() == "redis://u:p@h:1"
    (told,) = problems({"REDIS_URL_FILE": kept(tmp_path, b"http://u:p@h:1\n")})
    assert told.startswith("REDIS_URL: expected a URL that begins with")


def test_a_secret_and_its_file_at_once_are_refused(tmp_path: Path) -> None:
    given = {"CTRL_TOKEN": "this", "CTRL_TOKEN_FILE": kept(tmp_path, b"that")}
    assert problems(given) == ["CTRL_TOKEN, CTRL_TOKEN_FILE: expected one of them, not both"]


@pytest.mark.parametrize("held", [b"", b" \n", b"one-1\ntwo-2\n", b"a\0secret", b"\xff\xfesecret", b"s" * 20_000])
def test_a_file_that_holds_no_single_line_is_named_without_what_it_holds(held: bytes, tmp_path: Path) -> None:
    file = kept(tmp_path, held)
    assert problems({"CTRL_TOKEN_FILE": file}) == [f"CTRL_TOKEN_FILE: expected one line of text in {file}"]


@pytest.mark.parametrize(("name", "reason"), [("none", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named_with_the_systems_reason(name: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / name
    assert problems({"CTRL_TOKEN_FILE": str(path)}) == [f"CTRL_TOKEN_FILE: cannot read {path}: {reason}"]


def test_a_secret_where_its_files_name_belongs_is_not_shown() -> None:
    (told,) = problems({"CTRL_TOKEN_FILE": "the-token-itself"})
    assert "itself" not in told


def test_only_secrets_have_files(tmp_path: Path) -> None:
    certificates = {"REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE"}  # which are settings themselves
    assert [name for name in variables() if name.endswith("_FILE") and name not in certificates] == [
        "BITMART_API_KEY_FILE",
        "BITMART_API_SECRET_FILE",
        "BITMART_API_MEMO_FILE",
        "CTRL_TOKEN_FILE",
        "REDIS_URL_FILE",
        "REDIS_PASSWORD_FILE",
        "REDIS_SENTINEL_PASSWORD_FILE",
    ]
    assert read({"LOG_LEVEL_FILE": kept(tmp_path, b"debug")}).log_level == "info"


def test_a_password_among_a_programs_arguments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--redis-url: expected no password: .*REDIS_URL_FILE") as wrong:
        load({}, None, redis_url="redis://user:the-password@h:1")
    assert "the-password" not in str(wrong.value)
    chosen = load({"REDIS_URL_FILE": kept(tmp_path, b"redis://elsewhere")}, None, redis_url="redis://h:1")
    assert chosen.redis_url.reveal() == "redis://h:1"


def test_the_effective_settings_name_every_variable() -> None:
    assert list(effective(read({}))) == [row.name.upper() for row in fields(Settings)]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        read({}).subscribe_batch = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("data_dir", "xdg", "expected"),
    [
        ("~/here", "/xdg", "/home/me/here"),
        ("", "/xdg", "/xdg/bitmart-bridge"),
        ("", "", "/home/me/.local/share/bitmart-bridge"),
    ],
)
def test_our_own_server_keeps_its_data_where_told_or_where_users_data_belongs(
    data_dir: str, xdg: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_DATA_HOME", xdg)
    assert data_path(read({"DATA_DIR": data_dir})) == Path(expected)


def test_the_example_lists_every_setting_with_its_default() -> None:
    shown = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", example(), re.MULTILINE))
    assert shown == effective(read({}))


def test_the_example_says_what_every_setting_means_and_takes() -> None:
    for row in fields(Settings):
        assert f"# {row.metadata['meaning']} ({row.metadata['expected']})\n#{row.name.upper()}=" in example()


def test_the_example_changes_nothing_and_works_with_every_line_uncommented(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(example())
    assert effective(load({}, file)) == effective(read({}))
    file.write_text(re.sub(r"^#([A-Z0-9_]+=)", r"\1", example(), flags=re.MULTILINE))
    assert effective(load({}, file)).keys() == effective(read({})).keys()


def test_the_example_file_is_up_to_date() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == example(), (
        "write it anew: python -c 'from bridge.settings import example; print(example(), end=\"\")' > .env.example"
    )


def test_a_service_manager_is_found_by_its_own_variables() -> None:
    told = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    assert service_manager(told) == ("/run/notify", 30.0)
    assert service_manager({}) == ("", 0.0)
    assert service_manager({**told, "WATCHDOG_PID": "1"}) == ("/run/notify", 0.0)
    assert service_manager({**told, "WATCHDOG_USEC": "soon"}) == ("/run/notify", 0.0)


def test_a_port_beyond_the_last_is_named_with_its_setting() -> None:
    assert problems({"METRICS_ADDR": "127.0.0.1:65536"}) == ["METRICS_ADDR: expected a port of at most 65535"]

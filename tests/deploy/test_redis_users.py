"""The users that Redis knows: each may do its work, and no more."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from bridge.store.keys import Keys
from bridge.store.scripts import HEARTBEAT
from tests.deploy.redis_users import ROOT, USERS, RedisWithUsers, made_secrets, redis_with_users

KEYS = Keys()
STREAM = KEYS.klines("BTCUSDT", "1m")
ONCE = Retry(NoBackoff(), 0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisWithUsers]:
    with redis_with_users(tmp_path_factory.mktemp("users")) as known:
        with known.client("admin") as admin:
            admin.xadd(STREAM, {"type": "kline"})
            admin.sadd(KEYS.desired, "futures/order")
            admin.hset(KEYS.ingester("one"), "host", "here")
            admin.set("somebody:elses", "1")
        yield known


def refused(store: RedisWithUsers, user: str, *command: str | int) -> bool:
    """Whether Redis refuses a command for want of permission."""
    with store.client(user) as client:
        try:
            client.execute_command(*command)
        except NoPermissionError:
            return True
        except redis.ResponseError as trouble:  # it was understood and allowed, unless a script ran into the same wall
            return "ACL failure in script" in str(trouble)
    return False


ALLOWED = [
    ("ingester", ("XADD", STREAM, "*", "type", "kline")),
    ("ingester", ("XADD", KEYS.events, "MAXLEN", "~", 10, "*", "type", "event")),
    ("ingester", ("SCRIPT", "LOAD", HEARTBEAT.text)),
    ("ingester", ("SET", KEYS.budget("here"), "1")),
    ("control", ("SADD", KEYS.desired, "futures/position")),
    ("control", ("INCR", KEYS.revision)),
    ("control", ("HSET", KEYS.ingester("one"), "stop", "1")),
    ("control", ("XREVRANGE", STREAM, "+", "-", "COUNT", 1)),
    ("control", ("HGETALL", KEYS.position("BTCUSDT", "long"))),
    ("consumer", ("XREAD", "STREAMS", STREAM, "0")),
    ("consumer", ("XRANGE", KEYS.closed_klines("BTCUSDT", "1m"), "-", "+")),
    ("consumer", ("HGETALL", KEYS.order("1"))),
    ("consumer", ("XGROUP", "CREATE", STREAM, "bots", "0")),
    ("consumer", ("XREADGROUP", "GROUP", "bots", "one", "STREAMS", STREAM, ">")),
    ("consumer", ("XACK", STREAM, "bots", "0-1")),
    ("consumer", ("HSET", "bitmart:reader:mine", STREAM, "0-1")),
    ("consumer", ("XADD", "bitmart:dead:events:bots", "*", "reason", "poison")),
    ("observer", ("SCAN", 0)),
    ("observer", ("HGETALL", KEYS.ingester("one"))),
    ("observer", ("SMEMBERS", KEYS.desired)),
    ("admin", ("CONFIG", "GET", "maxmemory")),
]
REFUSED = [
    ("ingester", ("GET", "somebody:elses")),
    ("ingester", ("PUBLISH", "elsewhere", "x")),
    ("control", ("XADD", STREAM, "*", "type", "kline")),
    ("control", ("XTRIM", STREAM, "MAXLEN", 0)),
    ("control", ("DEL", STREAM)),
    ("control", ("SET", KEYS.meta, "1")),
    ("control", ("HSET", KEYS.position("BTCUSDT", "long"), "size", "9")),
    ("control", ("EVAL", "return redis.call('DEL', KEYS[1])", 1, STREAM)),
    ("control", ("EVAL", f"return redis.call('DEL', '{STREAM}')", 0)),
    ("consumer", ("XADD", STREAM, "*", "type", "kline")),
    ("consumer", ("XTRIM", STREAM, "MAXLEN", 0)),
    ("consumer", ("XDEL", STREAM, "0-1")),
    ("consumer", ("DEL", STREAM)),
    ("consumer", ("EXPIRE", STREAM, 1)),
    ("consumer", ("HSET", KEYS.position("BTCUSDT", "long"), "size", "9")),
    ("consumer", ("SADD", KEYS.desired, "futures/order")),
    ("consumer", ("SMEMBERS", KEYS.desired)),
    ("consumer", ("HGETALL", KEYS.ingester("one"))),
    ("consumer", ("XGROUP", "DESTROY", STREAM, "bots")),
    ("consumer", ("XREADGROUP", "GROUP", "bots", "one", "STREAMS", "somebody:elses", ">")),
    ("consumer", ("EVAL", "return 1", 0)),
    ("consumer", ("PUBLISH", KEYS.wake, "x")),
    ("observer", ("XADD", STREAM, "*", "type", "kline")),
    ("observer", ("HSET", KEYS.ingester("one"), "stop", "1")),
    ("observer", ("GET", "somebody:elses")),
]


DANGEROUS = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "dir", "/etc"),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "me"),
    ("MONITOR",),
    ("SHUTDOWN",),
    ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "LIST"),
    ("REPLICAOF", "elsewhere", 1),
    ("SAVE",),
    ("SWAPDB", 0, 1),
]


def named(row: tuple[str, tuple[str | int, ...]]) -> str:
    return f"{row[0]}: {' '.join(str(word)[:30] for word in row[1][:3])}"


@pytest.mark.parametrize(("user", "command"), ALLOWED, ids=map(named, ALLOWED))
def test_a_user_may_do_its_work(store: RedisWithUsers, user: str, command: tuple[str | int, ...]) -> None:
    assert not refused(store, user, *command)


@pytest.mark.parametrize(("user", "command"), REFUSED, ids=map(named, REFUSED))
def test_a_user_may_do_no_more(store: RedisWithUsers, user: str, command: tuple[str | int, ...]) -> None:
    assert refused(store, user, *command)


@pytest.mark.parametrize("user", [user for user in USERS if user != "admin"])
def test_nobody_but_the_administrator_rules_the_server(store: RedisWithUsers, user: str) -> None:
    assert [command for command in DANGEROUS if not refused(store, user, *command)] == []


def test_nobody_gets_in_without_a_name_and_its_password(store: RedisWithUsers) -> None:
    with (
        redis.Redis(port=store.port, retry=ONCE) as nobody,
        pytest.raises(redis.AuthenticationError),
    ):
        nobody.ping()
    with (
        redis.Redis(port=store.port, username="admin", password=store.password("consumer"), retry=ONCE) as guesser,
        pytest.raises(redis.AuthenticationError),
    ):
        guesser.ping()


def test_the_servers_file_holds_no_password_and_no_blank_to_fill(store: RedisWithUsers) -> None:
    text = (store.secrets / "users.acl").read_text(encoding="utf-8")
    for user in USERS:
        password = store.password(user)
        assert re.fullmatch(r"[0-9a-f]{64}", password)
        assert password not in text
        assert f"user {user} on #{hashlib.sha256(password.encode()).hexdigest()} " in text
    assert "SHA256-OF" not in text


def test_the_secrets_are_kept_from_others_and_never_made_anew(tmp_path: Path) -> None:
    made = made_secrets(tmp_path / "secrets", "redis.example:6380", "rediss")
    assert made.returncode == 0
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    files = {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "secrets").iterdir()}
    assert set(files) == {*(f"redis-url-{user}" for user in USERS), "users.acl", "ctrl-token", "grafana-password"}
    assert re.fullmatch(r"rediss://control:[0-9a-f]{64}@redis\.example:6380/0\n", files["redis-url-control"])
    assert re.fullmatch(r"[0-9a-f]{64}", files["ctrl-token"])
    assert files["ctrl-token"] not in made.stdout + made.stderr
    again = made_secrets(tmp_path / "secrets")
    assert (again.returncode, "there already" in again.stderr) == (2, True)
    assert {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "secrets").iterdir()} == files


def test_the_template_names_the_keys_of_the_default_prefix() -> None:
    text = (ROOT / "deploy/redis/users.acl").read_text(encoding="utf-8")
    patterns = set(re.findall(r"[~&](\S+?)\)?(?= |$)", text, re.MULTILINE)) - {
        "*",
        "bitmart:reader:*",
        "bitmart:dead:*",
    }
    names = {KEYS.events, KEYS.desired, KEYS.wake, KEYS.revision, KEYS.ingester("x"), KEYS.cards, KEYS.meta}
    names |= {KEYS.orders}
    names |= {KEYS.fills, KEYS.positions, STREAM}
    for pattern in patterns:
        whole = re.escape(pattern).replace(r"\*", ".*")
        assert [name for name in names if re.fullmatch(whole, name)], f"{pattern} fits no key of ours"

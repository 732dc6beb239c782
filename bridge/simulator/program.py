"""The simulator as a program of its own: what to print, and how to run it until it is told to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.simulator.faults import Faults
from bridge.simulator.recorded.recording import Recording
from bridge.simulator.recorded.replay import Replay
from bridge.simulator.scenario import PositionMode, Scenario
from bridge.simulator.server import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


async def simulated(
    stop: asyncio.Event,
    say: Callable[[str], None],
    *,
    port: int,
    rate: float,
    symbols: int,
    seed: int,
    position_mode: PositionMode,
    ledger: Path | None,
    faults: Sequence[str],
) -> None:
    """Run until `stop` is set, and say how a bridge is pointed at it.

    Args:
        stop: Ends the run.
        say: Prints a line.
        port: Where to listen on 127.0.0.1; 0 takes a free port.
        rate: Market seconds per second.
        symbols: Contracts that trade.
        seed: Which story the market tells.
        position_mode: The account's mode.
        ledger: A file for the truth dealt.
        faults: Switches to turn on, each as `name=value`.

    Raises:
        ValueError: A fault's name or value is none.
        OSError: The port is taken.
    """
    switched = Faults()
    for fault in faults:
        name, _, value = fault.partition("=")
        switched.set(name, value or "true")
    scenario = Scenario(rate=rate, symbols=symbols, seed=seed, position_mode=position_mode)
    async with Simulator(scenario, faults=switched, port=port, ledger_path=ledger) as exchange:
        say("A simulated BitMart. Point a bridge at it with:")
        _introduce(exchange, say)
        await stop.wait()


async def replayed(
    stop: asyncio.Event, say: Callable[[str], None], *, paths: Sequence[Path], port: int, speed: float
) -> None:
    """Play recordings until `stop` is set, and say how a bridge is pointed at them.

    Args:
        stop: Ends the run.
        say: Prints a line.
        paths: The recordings, in their order.
        port: Where to listen on 127.0.0.1; 0 takes a free port.
        speed: Seconds of the recording per second.

    Raises:
        RecordingError: A file cannot be played.
        ValueError: The speed is not above zero.
        OSError: The port is taken.
    """
    recording = await asyncio.to_thread(Recording.open, paths)
    async with Replay(recording, speed=speed, port=port) as exchange:
        seconds = (recording.last - recording.first) / 1000
        say(f"{recording.frames} recorded frames of {seconds:.0f} s. Point a bridge at them with:")
        _introduce(exchange, say)
        say("The recording begins with the first request.")
        playing = asyncio.create_task(exchange.ended.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([playing, stopping], return_when=asyncio.FIRST_COMPLETED)
        playing.cancel()
        if not stop.is_set():
            say("The recording has ended; its candles can still be asked for.")
        await stopping


def _introduce(exchange: Simulator | Replay, say: Callable[[str], None]) -> None:
    say(f"BITMART_PUBLIC_WS_URI={exchange.public_ws_uri}")
    say(f"BITMART_PRIVATE_WS_URI={exchange.private_ws_uri}")
    say(f"BITMART_REST_URI={exchange.rest_uri}")
    say(f"BITMART_API_KEY={exchange.scenario.api_key}")
    say(f"BITMART_API_SECRET={exchange.scenario.api_secret}")
    say(f"BITMART_API_MEMO={exchange.scenario.api_memo}")
    say(f"Faults: curl {exchange.rest_uri}/simulator/faults")

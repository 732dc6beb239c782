"""Ingesters come, go, stand still and are cut off; every topic stays served, and the streams stay true."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.scenarios.crowd import Crowd, crowded, without_a_hole
from tests.scenarios.stage import Program
from tests.support import wait_until

FAILOVER_S = 5.0
# To notice soon that the exchange is out of reach.
WARY = {"PING_INTERVAL_S": "0.5", "PONG_TIMEOUT_S": "1", "CONNECT_TIMEOUT_S": "1"}


async def taken_over(crowd: Crowd, *, without: str = "") -> float:
    """Wait until all topics are active at the others; return how long that took."""
    began = time.monotonic()
    await wait_until(lambda: crowd.served(without=without), f"all is served without {without or 'the dead'}", 30)
    return time.monotonic() - began


async def test_ingesters_come_and_go_and_nothing_is_lost_or_doubled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dead ingester's topics are active elsewhere within 5 s."""
    holes: list[str] = []
    async with crowded(tmp_path, "a", "b", "c", "d") as crowd:
        await crowd.settled()

        crowd.remove(*[*crowd.ingesters][:2])
        failover_s = await taken_over(crowd)
        with capsys.disabled():
            print(  # noqa: T201 - a figure that is to be seen
                f"\nfailover: {failover_s:.1f} s from SIGKILL of two in four to all active elsewhere"
            )
        await crowd.settled()

        await crowd.add("e", "f")
        await crowd.settled()

        with without_a_hole(crowd.exchange, crowd.topics, holes):
            for name in tuple(crowd.ingesters):
                ingester = crowd.ingesters.pop(name)
                ingester.send(signal.SIGTERM)
                assert await ingester.ended() == 0
                assert await crowd.served(), f"{name} has handed over what it held before it went"
                crowd.ingesters[name] = ingester
                ingester.start()
                await crowd.settled()
        assert holes == [], "rolled one by one, no topic is without a socket for a moment"
        assert (await crowd.judged()).failures == []
        assert failover_s < FAILOVER_S


async def test_one_that_stands_still_or_is_cut_off_is_done_without_and_comes_back(tmp_path: Path) -> None:
    """Who stands still or is cut off is done without, and comes back."""
    async with crowded(tmp_path, "a", "b", "c", **WARY) as crowd:
        await crowd.settled()

        crowd.ingesters["a"].send(signal.SIGSTOP)
        await wait_until(lambda: gone(crowd, "a"), "a counts as gone", 20)
        await taken_over(crowd, without="a")
        crowd.ingesters["a"].send(signal.SIGCONT)
        await crowd.settled()

        crowd.ingesters["b"].redis.answering.clear()
        await wait_until(lambda: gone(crowd, "b"), "b counts as gone", 20)
        await taken_over(crowd, without="b")
        assert crowd.ingesters["b"].alive()
        crowd.ingesters["b"].redis.answering.set()
        await crowd.settled()

        crowd.ingesters["c"].exchange.answering.clear()
        await taken_over(crowd, without="c")
        assert "c" in await crowd.members.alive()
        crowd.ingesters["c"].exchange.answering.set()
        await crowd.settled()

        assert (await crowd.judged()).failures == []
        for ingester in crowd.ingesters.values():
            assert ingester.alive()


async def gone(crowd: Crowd, name: str) -> bool:
    return name not in await crowd.members.alive()


async def test_with_two_replicas_killing_one_leaves_no_topic_without_a_socket_for_a_moment(tmp_path: Path) -> None:
    holes: list[str] = []
    async with crowded(tmp_path, "a", "b", "c", REPLICAS="2") as crowd:
        await crowd.settled(replicas=2)
        with without_a_hole(crowd.exchange, crowd.topics, holes):
            crowd.remove("a")
            await crowd.settled(replicas=2)
        assert holes == []
        assert (await crowd.judged()).failures == []


async def test_a_second_ingester_of_the_same_name_refuses_to_start(tmp_path: Path) -> None:
    """A name belongs to one process."""
    async with crowded(tmp_path, "a") as crowd:
        await crowd.settled()
        first = crowd.ingesters["a"]
        second = Program("second", tmp_path, first.environment, "ingest")
        second.start()
        assert await second.ended() == 2
        assert "an ingester named 'a' is alive already" in second.text
        await crowd.settled()

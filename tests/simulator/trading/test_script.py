"""The account's own trading."""

from collections import Counter
from collections.abc import Mapping

import pytest

from bridge.simulator import Scenario, Simulator
from bridge.simulator.scenario import PositionMode
from tests.simulator.clients import STANDSTILL, START

Facts = list[dict[str, str | int | None]]


async def played(mode: PositionMode, seed: int = 1) -> Facts:
    """What the account did in the four hours before the start."""
    scenario = Scenario(start=START, rate=STANDSTILL, seed=seed, position_mode=mode, account_history_s=4 * 3600)
    async with Simulator(scenario) as simulator:
        return [fact for fact in simulator.ledger.facts if fact["fact"] != "candle"]


async def test_equal_scenarios_trade_alike() -> None:
    assert await played("hedge_mode") == await played("hedge_mode") != await played("hedge_mode", seed=2)


@pytest.mark.parametrize("mode", ["hedge_mode", "one_way_mode"])
async def test_it_does_everything_an_account_can_do(mode: PositionMode) -> None:
    facts = await played(mode)
    orders = [fact for fact in facts if fact["fact"] == "order"]
    seen = Counter((order["type"], order["action"], order["state"], order["deal_size"] == "0") for order in orders)
    assert {
        ("limit", 2, 2, True),
        ("limit", 1, 2, False),
        ("limit", 1, 4, False),
        ("limit", 3, 4, True),
        ("limit", 3, 4, False),
        ("market", 2, 1, True),
        ("market", 1, 4, False),
    } <= set(seen)
    volumes = [int(str(fact["volume"])) for fact in facts if fact["fact"] == "position"]
    assert min(volumes) < 0 < max(volumes)
    assert 0 in volumes


@pytest.mark.parametrize("mode", ["hedge_mode", "one_way_mode"])
async def test_positions_are_the_sum_of_the_fills(mode: PositionMode) -> None:
    facts = await played(mode)
    held: Counter[tuple[str, str]] = Counter()
    told: dict[tuple[str, str], int] = {}
    for fact in facts:
        if fact["fact"] == "fill":
            held[_key(fact, mode)] += int(str(fact["size"])) * (1 if fact["side"] in (1, 2) else -1)
        elif fact["fact"] == "position":
            told[str(fact["symbol"]), str(fact["position_side"])] = int(str(fact["volume"]))
    assert dict(held) == told


def _key(fill: Mapping[str, str | int | None], mode: PositionMode) -> tuple[str, str]:
    if mode == "one_way_mode":
        return str(fill["symbol"]), "both"
    return str(fill["symbol"]), "long" if fill["side"] in (1, 3) else "short"


async def test_trade_ids_are_never_used_twice() -> None:
    ids = [fact["trade_id"] for fact in await played("hedge_mode") if fact["fact"] == "fill"]
    assert len(ids) == len(set(ids))
    assert len(ids) > 400

"""Plan orders of the simulated exchange: what its sockets and its lists say of them."""

from __future__ import annotations

import pytest

from bridge.simulator import Simulator
from tests.simulator.clients import STANDSTILL, START, data, private, quiet

ORDER = "futures/order"


def still() -> Simulator:
    return Simulator(quiet(rate=STANDSTILL))


async def test_a_plan_order_waits_makes_another_order_and_is_history() -> None:
    async with still() as simulator, private(simulator, ORDER) as talk:
        plans = simulator.account.plans
        plan = plans.submit("BTCUSDT", 1, 10, "70000", price="70100", at=START)
        (told,) = (await talk.next())["data"]
        assert (told["action"], told["order"]["type"], told["order"]["state"]) == (2, "plan_order", 1)
        assert (told["order"]["trigger_price"], told["order"]["execution_price"]) == ("70000", "70100")
        (row,) = await data(simulator, "/contract/private/current-plan-order", symbol="BTCUSDT")
        assert (row["order_id"], row["type"], row["executive_price"], row["state"]) == (plan, "plan", "70100", 1)
        assert await data(simulator, "/contract/private/current-plan-order", symbol="ETHUSDT") == []

        made = plans.trigger(plan, at=START + 1000)
        (order,) = (await talk.next())["data"]
        assert (order["order"]["order_id"], order["order"]["plan_order_id"]) == (made, plan)
        (ended,) = (await talk.next())["data"]
        assert (ended["action"], ended["order"]["order_id"], ended["order"]["state"]) == (1, plan, 4)
        assert await data(simulator, "/contract/private/current-plan-order") == []
        (over,) = await data(simulator, "/contract/private/order-history", symbol="BTCUSDT", order_id=plan)
        assert (over["type"], over["state"], over["executive_order_id"]) == ("planorder", 4, made)


async def test_at_most_a_hundred_plan_orders_are_listed() -> None:
    async with still() as simulator:
        for _ in range(103):
            simulator.account.plans.submit("BTCUSDT", 1, 1, "100")
        assert len(await data(simulator, "/contract/private/current-plan-order")) == 100


async def test_what_is_unknown_of_plan_orders_can_be_switched() -> None:
    async with still() as simulator, private(simulator, ORDER) as talk:
        plans = simulator.account.plans
        simulator.faults.plan_silent = True
        unheard = plans.submit("BTCUSDT", 1, 10, "70000")
        simulator.faults.plan_silent = False
        simulator.faults.plan_ends_canceled = True
        plan = plans.submit("ETHUSDT", 1, 10, "3000")
        assert (await talk.next())["data"][0]["order"]["order_id"] == plan
        plans.trigger(plan)
        assert [(await talk.next())["data"][0]["action"] for _ in range(2)] == [2, 3]
        simulator.faults.plan_by_name = True
        row = await data(simulator, "/contract/private/order", symbol="BTCUSDT", order_id=unheard)
        assert (row["type"], row["state"]) == ("planorder", 1)
        plans.cancel(unheard)
        simulator.faults.plan_untold = True
        assert await data(simulator, "/contract/private/order-history", symbol="BTCUSDT") == []


async def test_what_cannot_be_is_refused() -> None:
    async with still() as simulator:
        plans = simulator.account.plans
        with pytest.raises(ValueError, match="cannot plan 0 contracts"):
            plans.submit("BTCUSDT", 1, 0, "100")
        plan = plans.submit("BTCUSDT", 1, 1, "100")
        plans.cancel(plan)
        with pytest.raises(ValueError, match=f"no plan order {plan} waits"):
            plans.trigger(plan)

"""Names are read once, wrong ones included."""

from __future__ import annotations

import pytest

from bridge.errors import InvalidTopicError
from bridge.ingest.members.names import Names
from tests.ingest.rig import BTC, ETH, ORDERS, exchange_of, market, quick


async def test_a_name_means_what_the_exchange_says_and_is_read_once() -> None:
    exchange = exchange_of(quick(market()))
    names = Names(exchange)
    await names.learn([BTC, ORDERS])
    assert names.topic(BTC) == exchange.topic(BTC)
    assert names.topic(BTC) is names.topic(BTC)
    assert names.topic(ETH) == exchange.topic(ETH), "one that was not learned is read all the same"
    names.forget_all_but([ORDERS])
    assert names.topic(BTC) is not names.topic(BTC)


async def test_a_wrong_name_stays_wrong() -> None:
    names = Names(exchange_of(quick(market())))
    await names.learn(["nonsense"])
    for _ in range(2):
        with pytest.raises(InvalidTopicError, match="no BitMart futures topic"):
            names.topic("nonsense")
    names.forget_all_but([])
    with pytest.raises(InvalidTopicError):
        names.topic("nonsense")

"""What is listed."""

from bridge.simulator import Scenario
from bridge.simulator.market.contracts import Life, listing


def test_well_known_names_come_first_then_invented_ones_then_delisted_ones() -> None:
    contracts = listing(Scenario(symbols=10, delisted=1))
    assert list(contracts) == [
        "BTCUSDT",
        "ETHUSDT",
        "SOLUSDT",
        "XRPUSDT",
        "DOGEUSDT",
        "LTCUSDT",
        "ADAUSDT",
        "LINKUSDT",
        "SIM009USDT",
        "SIM010USDT",
        "DEL001USDT",
    ]


def test_the_quiet_share_is_half_sparse_half_dead() -> None:
    lives = [contract.life for contract in listing(Scenario(symbols=8, quiet_share=0.5, delisted=0)).values()]
    assert lives == [Life.ACTIVE] * 4 + [Life.SPARSE, Life.DEAD] * 2


def test_prices_are_written_without_trailing_zeros() -> None:
    bitcoin = listing(Scenario())["BTCUSDT"]
    assert [bitcoin.text(396_360), bitcoin.text(396_297), bitcoin.text(5), bitcoin.tick] == [
        "39636",
        "39629.7",
        "0.5",
        "0.1",
    ]

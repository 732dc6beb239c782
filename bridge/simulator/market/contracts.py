"""The contracts the exchange lists."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.simulator.scenario import Scenario

# Symbol, price decimals, contract size, price in ticks: of the order seen on the exchange in 2026.
_KNOWN = (
    ("BTCUSDT", 1, "0.001", 630_909),
    ("ETHUSDT", 2, "0.001", 186_312),
    ("SOLUSDT", 3, "0.01", 142_650),
    ("XRPUSDT", 4, "1", 21_734),
    ("DOGEUSDT", 5, "10", 16_472),
    ("LTCUSDT", 2, "0.01", 8_431),
    ("ADAUSDT", 4, "1", 6_120),
    ("LINKUSDT", 3, "0.1", 13_905),
)
_INVENTED_PRICES = (98_340, 11_517, 4_205, 730_012, 56_001, 2_870)
_DELISTED_AT_S = 1_745_830_379


class Life(Enum):
    """How lively a contract trades."""

    ACTIVE = auto()
    SPARSE = auto()
    DEAD = auto()
    DELISTED = auto()


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract. A price is a whole number of ticks of 10**-decimals.

    Attributes:
        symbol: Without a separator, as everywhere on the futures wire.
        base: The coin bought and sold.
        decimals: Decimals of a price.
        size: Coins per contract, a decimal string.
        price: The price its trades wander around, in ticks.
        life: How lively it trades.
        delist_time: Unix seconds; 0 while listed.
    """

    symbol: str
    base: str
    decimals: int
    size: str
    price: int
    life: Life
    delist_time: int = 0

    def text(self, ticks: int) -> str:
        """A price as on the wire: a decimal string without trailing zeros ("39636", "0.098")."""
        whole, rest = divmod(ticks, 10**self.decimals)
        return f"{whole}.{rest:0{self.decimals}}".rstrip("0") if rest else str(whole)

    @property
    def tick(self) -> str:
        """The smallest price step as a decimal string, such as "0.1"."""
        return self.text(1)


def listing(scenario: Scenario) -> dict[str, Contract]:
    """All contracts by symbol, `Trading` ones first."""
    contracts = [_trading(number, scenario) for number in range(scenario.symbols)]
    contracts += [_delisted(number) for number in range(scenario.delisted)]
    return {contract.symbol: contract for contract in contracts}


def _trading(number: int, scenario: Scenario) -> Contract:
    life = _life(number, scenario)
    if number < len(_KNOWN):
        symbol, decimals, size, price = _KNOWN[number]
        return Contract(symbol, symbol.removesuffix("USDT"), decimals, size, price, life)
    base = f"SIM{number + 1:03}"
    price = _INVENTED_PRICES[number % len(_INVENTED_PRICES)]
    return Contract(f"{base}USDT", base, 1 + number % 5, "1", price, life)


def _life(number: int, scenario: Scenario) -> Life:
    from_end = scenario.symbols - number
    if from_end > round(scenario.symbols * scenario.quiet_share):
        return Life.ACTIVE
    return Life.DEAD if from_end % 2 else Life.SPARSE


def _delisted(number: int) -> Contract:
    base = f"DEL{number + 1:03}"
    return Contract(f"{base}USDT", base, 3, "1", 1_234, Life.DELISTED, _DELISTED_AT_S + number)

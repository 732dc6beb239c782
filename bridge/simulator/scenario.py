"""What the simulated exchange trades, for whom, and how fast its time runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PositionMode = Literal["hedge_mode", "one_way_mode"]
WeekStart = Literal["monday", "thursday"]

DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One market and one account. Two simulators with equal scenarios tell the same story at the same market time.

    Attributes:
        seed: Chooses the whole story: every trade is a function of the seed, the symbol and the market time.
        symbols: How many contracts are `Trading`. The first eight have well-known names (BTCUSDT, ETHUSDT, ...), the
            others are called SIM009USDT, SIM010USDT, ...
        quiet_share: Share of those contracts, taken from the end of the list, that are quiet. They alternate between
            *dead* ones, which never trade, and *sparse* ones, which have many minutes without a trade.
        delisted: How many contracts with status `Delisted` the details list in addition (DEL001USDT, ...).
        rate: Market seconds per wall second. 60 plays an hour in a minute.
        start: Market time in Unix milliseconds when the simulator first starts; None means the host's time then.
        history_s: How many seconds of trading before `start` the REST candles know. Nothing existed before.
        week_starts_on: Where weekly candles open, at 00:00 UTC. Unknown on the wire: "monday" is our choice,
            "thursday" is what plain division of Unix time gives.
        position_mode: The account's mode.
        api_key: The account's key, as sent in the login and in the X-BM-KEY header.
        api_secret: Signs the login.
        api_memo: The third credential, part of the signed text.
        trading: Whether the account trades on its own, without being told.
        order_interval_s: Market seconds between two of its own orders, on average.
        account_history_s: How many market seconds before `start` the account began to trade, so that REST has
            orders, trades and positions to show from the first moment.
        balance: USDT in the account before its first trade.
        limits: Whether REST requests are limited.
        ban_after: Refused requests (429) within ten wall seconds after which an address is banned (418).
        ban_s: Wall seconds such a ban lasts. The real length is unknown.
        ping_interval_s: Wall seconds between two WebSocket pings of the server. The first one was observed 54.4 s
            after a socket opened (2026-09); that they repeat is our choice.
        close_code: The code with which the server closes after a failed login and for the idle and lifeless faults.
            Unknown on the wire.
    """

    seed: int = 1
    symbols: int = 8
    quiet_share: float = 0.25
    delisted: int = 2
    rate: float = 1.0
    start: int | None = None
    history_s: int = 3 * DAY_S
    week_starts_on: WeekStart = "monday"
    position_mode: PositionMode = "hedge_mode"
    api_key: str = "simulator-key"
    api_secret: str = "simulator-secret"  # noqa: S105 - the well-known secret of an account that does not exist
    api_memo: str = "simulator-memo"
    trading: bool = True
    order_interval_s: float = 20.0
    account_history_s: int = 600
    balance: int = 100_000
    limits: bool = True
    ban_after: int = 20
    ban_s: float = 10.0
    ping_interval_s: float = 54.4
    close_code: int = 1008

    def __post_init__(self) -> None:
        """Refuse a scenario that cannot be played.

        Raises:
            ValueError: The message names the field and what it must be.
        """
        for name in ("rate", "history_s", "order_interval_s", "ban_s", "ping_interval_s", "symbols", "ban_after"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above zero, not {getattr(self, name)!r}")
        if not 0 <= self.quiet_share <= 1:
            raise ValueError(f"quiet_share must lie between 0 and 1, not {self.quiet_share!r}")
        if self.position_mode not in ("hedge_mode", "one_way_mode"):
            raise ValueError(f"position_mode must be hedge_mode or one_way_mode, not {self.position_mode!r}")
        if self.week_starts_on not in ("monday", "thursday"):
            raise ValueError(f"week_starts_on must be monday or thursday, not {self.week_starts_on!r}")

"""The switches that make the exchange misbehave. All are off by default and may be turned at any time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import cast

FaultValue = bool | int | float | str | Collection[str]

_CHOICES = {"position_data": ("", "null", "empty")}
_TRUE, _FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no", "")


@dataclass(slots=True, kw_only=True)
class Faults:
    """One attribute per fault; its default means "off". Assigning, `set` and the constructor check name and type.

    Attributes:
        stall: Sockets stay open and pings are answered, but no data frame is sent.
        freeze: Sockets stay open while the server neither reads nor sends anything: no pong of either kind.
        mute_topics: These topics never push.
        kline_snapshot: A kline topic pushes its candle at once on subscribing (unknown on the wire; off: the first
            change after subscribing comes first).
        private_snapshot: Orders, positions and balances are pushed on subscribing (unknown on the wire).
        flat_klines: Kline data as documented, without `items`. Never seen on the wire.
        ts_plus_1s: Kline `ts` is the open plus one second, as in the captures of 2023 and 2024.
        two_items: Kline frames carry the previous candle in front of the current one.
        late_updates: After a candle was superseded its final state is pushed once more (never seen on the wire).
        group_suffix: This text, such as "@100ms", ends the `group` of kline frames, as seen on tickers.
        withhold_last: Market seconds at the end of each candle that are never pushed.
        newline: Every frame ends with a newline.
        deflate: Every frame is binary raw deflate, as documented for spot only.
        duplicate_frames: Every n-th data frame is sent twice.
        lose_frames: Every n-th data frame is not sent.
        delay_frames: Wall seconds each data frame is held back.
        malformed_frames: After every n-th data frame an odd one follows (broken JSON, wrong types, null data, ...).
        cut_once: The next data frame is the last: its sockets are cut without a close frame. Resets itself.
        cut_every_frames: The same for every n-th data frame.
        no_pong: `{"action":"ping"}` is not answered.
        pong_plain: The pong is `{"group":"System","data":"pong"}`, as in older notes.
        pong_text: The pong is the text `pong`, as documented; the text `ping` is answered too.
        idle_close_20s: A socket that sent no message for 20 wall seconds is closed (documented, not seen).
        lifeless_close_5s: A socket without a subscription 5 wall seconds after opening is closed (documented).
        connection_limit: More sockets than this are refused; 0 is no limit.
        http_403_on_connect: Opening a socket is answered with an HTML page and status 403, as by the CDN.
        refuse_login: Every login fails.
        login_silent: Logins are not answered.
        ack_silent: Subscriptions take effect without an acknowledgement.
        ack_own_request: An acknowledgement echoes its own topic instead of the whole request.
        docs_error_text: Refused topics are told `group [..] not exist`, as documented.
        auth_unavailable: Private topics are refused with `authentication is temporarily unavailable` (documented).
        refuse_topics: These topics are refused although they exist.
        approval_first: Limit orders are pushed with state 1 before they are pushed with state 2.
        position_first: After a fill the position and the balance are pushed before the order.
        position_full: Each position push carries all open positions instead of the changed one.
        position_data: Position pushes carry "null" or "empty" data.
        one_way_signed: In one-way mode a short position's `hold_volume` is negative.
        old_private_shape: Orders and positions without the members added since 2024 (position_mode, trigger_price...).
        plan_silent: The socket tells nothing of plan orders themselves; REST does.
        plan_ends_canceled: The socket tells a plan order whose price came like one that was cancelled (unknown).
        plan_by_name: `/contract/private/order` knows plan orders, too; it is documented for other types alone.
        plan_untold: The order history leaves plan orders out.
        rest_429: Every REST request is refused as too many.
        rest_418: Every REST request is refused as banned.
        rest_403: Every REST request gets the CDN's HTML page with status 403.
        rest_500: Every REST request fails with status 500.
        rest_gateway: Every REST request gets this gateway error code with a `msg` body (30000, 30014, 30016, 30030).
        rest_rubbish: Every REST request gets HTML with status 200.
        rest_slow_s: Wall seconds every REST request takes.
        rest_empty: `data` is an empty list.
        rest_null: `data` is null.
        rest_descending: Kline rows come newest first.
        rest_early: Kline rows are this many market seconds behind what the sockets showed.
        rest_empty_rows: Kline rows include periods without a trade, flat and with volume 0.
        rest_start_exclusive: A kline row that opens exactly at start_time is left out.
        rest_truncate: A kline window of more than 500 candles is cut to its first 500 instead of being refused.
        rest_odd_bounds: Kline rows whose close lies above their high, as one client reported.
        rest_unknown: Public REST knows no contracts of these names, as before they are listed.
        rest_trade_ids: REST names executions by other numbers than the socket does; nothing documents that they are the
            same, and no capture shows both.
        gateway_message: Gateway errors (30xxx) use `message` instead of `msg`.
        maintenance: `/system/service` announces a contract maintenance that is going on.
    """

    stall: bool = False
    freeze: bool = False
    mute_topics: Collection[str] = ()
    kline_snapshot: bool = False
    private_snapshot: bool = False
    flat_klines: bool = False
    ts_plus_1s: bool = False
    two_items: bool = False
    late_updates: bool = False
    group_suffix: str = ""
    withhold_last: float = 0.0
    newline: bool = False
    deflate: bool = False
    duplicate_frames: int = 0
    lose_frames: int = 0
    delay_frames: float = 0.0
    malformed_frames: int = 0
    cut_once: bool = False
    cut_every_frames: int = 0
    no_pong: bool = False
    pong_plain: bool = False
    pong_text: bool = False
    idle_close_20s: bool = False
    lifeless_close_5s: bool = False
    connection_limit: int = 0
    http_403_on_connect: bool = False
    refuse_login: bool = False
    login_silent: bool = False
    ack_silent: bool = False
    ack_own_request: bool = False
    docs_error_text: bool = False
    auth_unavailable: bool = False
    refuse_topics: Collection[str] = ()
    approval_first: bool = False
    position_first: bool = False
    position_full: bool = False
    position_data: str = ""
    one_way_signed: bool = False
    old_private_shape: bool = False
    plan_silent: bool = False
    plan_ends_canceled: bool = False
    plan_by_name: bool = False
    plan_untold: bool = False
    rest_429: bool = False
    rest_418: bool = False
    rest_403: bool = False
    rest_500: bool = False
    rest_gateway: int = 0
    rest_rubbish: bool = False
    rest_slow_s: float = 0.0
    rest_empty: bool = False
    rest_null: bool = False
    rest_descending: bool = False
    rest_early: float = 0.0
    rest_empty_rows: bool = False
    rest_start_exclusive: bool = False
    rest_truncate: bool = False
    rest_odd_bounds: bool = False
    rest_unknown: Collection[str] = ()
    rest_trade_ids: bool = False
    gateway_message: bool = False
    maintenance: bool = False

    def __setattr__(self, name: str, value: FaultValue) -> None:
        """Assign a checked value.

        Raises:
            ValueError: No fault has this name, or the value has the wrong type.
        """
        object.__setattr__(self, name, _checked(name, value))

    def set(self, name: str, value: FaultValue) -> None:
        """Turn one switch by name. A text is read as the switch's type ("true", "3", "0.5", "topic,topic").

        Raises:
            ValueError: No fault has this name, or the value cannot be what this fault needs.
        """
        if isinstance(value, str) and not isinstance(_default(name), str):
            value = _read(name, value)
        setattr(self, name, value)

    def reset(self) -> None:
        """Turn every switch off."""
        for name, default in _DEFAULTS.items():
            setattr(self, name, default)

    def as_dict(self) -> dict[str, FaultValue]:
        """All faults and their present values."""
        return {name: getattr(self, name) for name in _DEFAULTS}

    def active(self) -> dict[str, FaultValue]:
        """Only those that are on."""
        return {name: value for name, value in self.as_dict().items() if value}


_DEFAULTS: dict[str, FaultValue] = {field.name: cast("FaultValue", field.default) for field in fields(Faults)}


def _default(name: str) -> FaultValue:
    if name not in _DEFAULTS:
        raise ValueError(f"there is no fault named {name!r}; the faults are {', '.join(sorted(_DEFAULTS))}")
    return _DEFAULTS[name]


def _checked(name: str, value: FaultValue) -> FaultValue:
    default = _default(name)
    if isinstance(default, bool):
        return _fitting(name, value, fits=isinstance(value, bool), need="true or false")
    if isinstance(default, str):
        choices = _CHOICES.get(name)
        fits = isinstance(value, str) and (choices is None or value in choices)
        return _fitting(name, value, fits=fits, need=f"one of {choices}" if choices else "a text")
    if isinstance(default, int | float):
        return _checked_number(name, value, whole=isinstance(default, int))
    fits = isinstance(value, list | tuple | set | frozenset) and all(isinstance(item, str) for item in value)
    _fitting(name, value, fits=fits, need="a list of topics")
    return tuple(value) if isinstance(value, Collection) else ()


def _checked_number(name: str, value: FaultValue, *, whole: bool) -> FaultValue:
    number = not isinstance(value, bool) and isinstance(value, int if whole else int | float)
    fits = number and isinstance(value, int | float) and value >= 0
    need = "a whole number of at least 0" if whole else "a number of at least 0"
    value = _fitting(name, value, fits=fits, need=need)
    return float(value) if not whole and isinstance(value, int) else value


def _fitting(name: str, value: FaultValue, *, fits: bool, need: str) -> FaultValue:
    if not fits:
        raise ValueError(f"{name} must be {need}, not {value!r}")
    return value


def _read(name: str, text: str) -> FaultValue:
    default = _default(name)
    if isinstance(default, bool):
        word = text.lower()
        return word in _TRUE if word in (*_TRUE, *_FALSE) else text
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            return text
    return tuple(part for part in text.split(",") if part)

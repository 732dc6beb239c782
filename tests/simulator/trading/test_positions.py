"""The arithmetic of a position."""

from decimal import Decimal

from bridge.simulator.trading.orders import plain
from bridge.simulator.trading.positions import LONG, SHORT, Position


def flat() -> Position:
    return Position("BTCUSDT", "both", Decimal("0.001"))


def test_adding_averages_the_price_with_eighteen_decimals() -> None:
    position = flat()
    position.apply(5, Decimal("71.5"), 1)
    position.apply(1, Decimal("72.0"), 2)
    assert (position.volume, plain(position.entry)) == (6, "71.583333333333333333")
    assert (position.opened_at, position.updated_at) == (1, 2)


def test_closing_realises_and_keeps_the_entry() -> None:
    position = flat()
    position.apply(-10, Decimal(60_000), 1)
    assert position.apply(4, Decimal(59_000), 2) == Decimal(4)
    assert (position.volume, position.closed, plain(position.entry)) == (-6, 4, "60000")
    assert (plain(position.closed_average), position.type) == ("59000", SHORT)


def test_closing_everything_leaves_a_flat_position_of_its_type() -> None:
    position = flat()
    position.apply(3, Decimal(100), 1)
    position.apply(-3, Decimal(110), 2)
    assert (position.volume, position.type, position.realised) == (0, LONG, Decimal("0.030"))


def test_selling_more_than_held_turns_around() -> None:
    position = flat()
    position.apply(3, Decimal(100), 1)
    assert position.apply(-8, Decimal(90), 2) == Decimal("-0.030")
    assert (position.volume, plain(position.entry), position.type, position.opened_at) == (-5, "90", SHORT, 2)

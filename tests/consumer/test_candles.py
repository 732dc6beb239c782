"""The history of closed candles, as a list and as frames."""

from __future__ import annotations

import sys

import pytest

from bridge.consumer import ConsumerError, MissingPackageError, Reader, as_pandas, as_polars, connect_async, history
from bridge.consumer import history_async as asked
from bridge.errors import UnknownTimeframeError
from tests.consumer.support import CLOSED, MINUTE_MS, OPEN_TIME, connected, minutes, put_closed, taken


def test_the_last_closed_candles_come_oldest_first_and_a_reader_goes_on_after_them(valkey_url: str) -> None:
    with connected(valkey_url) as client:
        put_closed(client, 1, 2, 3, 4)
        candles = history(client, "BTCUSDT", "1M".lower(), 3)
        assert [(candle.open_time - OPEN_TIME) // MINUTE_MS for candle in candles] == [2, 3, 4]
        assert len(history(client, "BTCUSDT", "1m", 100)) == 4
        assert history(client, "BTCUSDT", "1m", 0) == history(client, "ETHUSDT", "1h", 5) == []
        put_closed(client, 5)
        assert minutes(taken(Reader(client, CLOSED, start=f"{candles[-1].open_time}-0"), 1)) == [5]


async def test_it_is_there_for_asyncio_too(valkey_url: str) -> None:
    with connected(valkey_url) as client:
        put_closed(client, 1)
    waiting = connect_async(valkey_url)
    assert [candle.close for candle in await asked(waiting, "BTCUSDT", "1m", 5)] == ["11"]
    await waiting.aclose()


def test_what_is_no_candle_is_refused(valkey_url: str) -> None:
    with connected(valkey_url) as client:
        put_closed(client, 1, v="7")
        with pytest.raises(ConsumerError, match="schema version '7'"):
            history(client, "BTCUSDT", "1m", 5)
        with pytest.raises(UnknownTimeframeError):
            history(client, "BTCUSDT", "3m", 5)


def test_frames_have_timestamps_and_floats_and_no_figure_for_a_lost_candle(valkey_url: str) -> None:
    with connected(valkey_url) as client:
        put_closed(client, 1)
        put_closed(client, 2, open="", high="", low="", close="", volume="", source="lost")
        candles = history(client, "BTCUSDT", "1m", 5)
    pandas, polars = as_pandas(candles), as_polars(candles)
    assert pandas.index[0].isoformat() == "2026-08-03T03:23:00+00:00"
    assert polars["open_time"][1].isoformat() == "2026-08-03T03:24:00+00:00"
    assert pandas["close"].iloc[0] == polars["close"][0] == 11.0
    assert pandas["close"].isna().tolist() == polars["close"].is_null().to_list() == [False, True]
    assert pandas["source"].tolist() == polars["source"].to_list() == ["ws", "lost"]


def test_frames_of_nothing_have_their_columns() -> None:
    assert (
        as_pandas([]).columns.tolist()
        == as_polars([]).columns[1:]
        == [*("open", "high", "low", "close", "volume", "source")]
    )


@pytest.mark.parametrize(("frame", "package"), [(as_pandas, "pandas"), (as_polars, "polars")])
def test_without_the_package_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, frame: type, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=f"pip install {package}"):
        frame([])

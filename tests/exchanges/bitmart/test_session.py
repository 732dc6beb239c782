"""Conversations with BitMart, as transcripts: what we send, what comes, what it means."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.exchanges.base import (
    Acknowledged,
    Action,
    Credentials,
    LoggedIn,
    LoginRefused,
    Malformed,
    Notice,
    Pong,
    Refused,
    ServerError,
)
from bridge.exchanges.bitmart.session import FRAME_BYTES, INFLATED_BYTES, BitMartSession
from bridge.records import Kline, Order, Position, Record, fields_of
from bridge.values import Secret

KLINES = "futures/klineBin1m:BTCUSDT"
DATA = (
    '{"group":"futures/klineBin1m:BTCUSDT","data":{"symbol":"BTCUSDT","items":[{"o":"63090.9","h":"63090.9",'
    '"l":"63075.2","c":"63075.2","v":"19672","ts":1785727320}]}}'
)
POSITION = '{"group":"futures/position","data":[{"symbol":"LTCUSDT","hold_volume":"5","position_type":2}]}'
BAD_KEY = "access failed: openapi auth: apiKey 880d5edecs**** failed: openapi auth failed"
NEVER_RAISES = tuple(get_args(Record) + get_args(Notice))


@pytest.fixture
def session() -> BitMartSession:
    return BitMartSession(Credentials(Secret("k"), Secret("s"), Secret("m")), batch=20)


def told(session: BitMartSession, frame: str | bytes) -> list[Any]:
    topic, notices = session.receive(frame, 1)
    assert topic == ""
    return [*notices]


def one_malformed(notices: Sequence[object]) -> Malformed:
    (notice,) = notices
    assert isinstance(notice, Malformed)
    return notice


def deflated(text: str) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text.encode()) + packer.flush()


def test_a_public_conversation(session: BitMartSession) -> None:
    (request,) = session.requests(Action.SUBSCRIBE, [KLINES, "futures/klineBin1H:NOPEUSDT"])
    assert request.frame == (
        '{"action":"subscribe","args":["futures/klineBin1m:BTCUSDT","futures/klineBin1H:NOPEUSDT"]}'
    )
    assert request.topics == (KLINES, "futures/klineBin1H:NOPEUSDT")
    echo = f'"request":{request.frame}'

    ack = f'{{"action":"subscribe","group":"{KLINES}","success":true,{echo}}}'
    assert told(session, ack) == [Acknowledged(Action.SUBSCRIBE, KLINES)]

    refusal = "Invalid channel: not found futures/klineBin1H:NOPEUSDT"
    refused = (
        f'{{"action":"subscribe","group":"futures/klineBin1H:NOPEUSDT","success":false,"error":"{refusal}",{echo}}}'
    )
    assert told(session, refused) == [Refused(Action.SUBSCRIBE, "futures/klineBin1H:NOPEUSDT", refusal)]

    topic, (kline,) = session.receive(DATA, 1_785_727_333_123)
    assert topic == KLINES
    assert isinstance(kline, Kline)
    assert (kline.symbol, kline.close, kline.received_at) == ("BTCUSDT", "63075.2", 1_785_727_333_123)

    assert session.ping() == '{"action":"ping"}'
    assert told(session, '{"group":"System","data":"pong+e0d8adb4-bf87-440b-b7e1-6cf4e88ecd4f"}') == [Pong()]

    (request,) = session.requests(Action.UNSUBSCRIBE, [KLINES])
    assert request.frame == '{"action":"unsubscribe","args":["futures/klineBin1m:BTCUSDT"]}'
    ack = f'{{"action":"unsubscribe","group":"{KLINES}","success":true,"request":{request.frame}}}'
    assert told(session, ack) == [Acknowledged(Action.UNSUBSCRIBE, KLINES)]


def test_a_private_conversation(session: BitMartSession) -> None:
    assert json.loads(session.login(1_589_267_764_859))["action"] == "access"
    assert told(session, '{"action":"access","success":true}\n') == [LoggedIn()]

    (request,) = session.requests(Action.SUBSCRIBE, ["futures/order", "futures/position"])
    for name in request.topics:
        echo = f'{{"action":"subscribe","args":["{name}"]}}'
        ack = f'{{"action":"subscribe","group":"{name}","success":true,"request":{echo}}}'
        assert told(session, ack) == [Acknowledged(Action.SUBSCRIBE, name)]

    topic, (position,) = session.receive(POSITION, 1)
    assert topic == "futures/position"
    assert isinstance(position, Position)
    assert (position.symbol, position.side, position.size) == ("LTCUSDT", "short", "5")


def test_a_refused_login_is_told_in_bitmarts_words(session: BitMartSession) -> None:
    frame = f'{{"action":"access","success":false,"error":"{BAD_KEY}"}}'
    assert told(session, frame) == [LoginRefused(BAD_KEY)]


def test_a_login_that_bitmart_cannot_judge_now_is_passing(session: BitMartSession) -> None:
    text = "authentication is temporarily unavailable"
    frame = f'{{"action":"access","success":false,"error":"{text}"}}'
    assert told(session, frame) == [LoginRefused(text, passing=True)]


def test_a_login_refused_without_a_word_is_still_refused(session: BitMartSession) -> None:
    assert told(session, '{"action":"access"}') == [LoginRefused("refused without a reason")]


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("futures/depthIncrease50:NOPEUSDT", "Invalid channel: not found futures/depthIncrease50:NOPEUSDT@100ms"),
        ("spot/ticker:BTCUSDT", "Invalid channel: not found spot/ticker:BTCUSDT"),
        ("futures/klineBin1h:BTCUSDT", "Invalid channel: not found futures/klineBin1h:BTCUSDT"),
        ("sfutures/depth50:BTCUSDT", "group [sfutures/depth50:BTCUSDT] not exist"),
        ("futures/order", "futures/order need authenication"),
        ("Depth:1", "authentication is temporarily unavailable"),
    ],
)
@pytest.mark.parametrize("action", Action)
def test_a_refused_topic_is_told_in_bitmarts_words(
    session: BitMartSession, action: Action, group: str, text: str
) -> None:
    members = {"action": action, "group": group, "success": False, "request": {"args": [group]}, "error": text}
    assert told(session, json.dumps(members)) == [Refused(action, group, text)]
    reversed_members = dict(reversed(members.items()))
    assert told(session, json.dumps(reversed_members)) == [Refused(action, group, text)]


def test_a_topic_refused_without_a_word_is_still_refused(session: BitMartSession) -> None:
    frame = '{"action":"subscribe","group":"futures/order","success":false}'
    assert told(session, frame) == [Refused(Action.SUBSCRIBE, "futures/order", "refused without a reason")]


@pytest.mark.parametrize("speed", ["@100ms", "@200ms", ""])
def test_a_speed_that_was_not_asked_for_is_no_part_of_a_topic(session: BitMartSession, speed: str) -> None:
    topic, (kline,) = session.receive(DATA.replace("BTCUSDT", f"BTCUSDT{speed}", 1), 1)
    assert topic == KLINES
    assert isinstance(kline, Kline)
    ack = f'{{"action":"subscribe","group":"{KLINES}{speed}","success":true}}'
    assert told(session, ack) == [Acknowledged(Action.SUBSCRIBE, KLINES)]


@pytest.mark.parametrize(
    "frame",
    [
        '{"group":"System","data":"pong+8f0547ab-3f55-455f-90d5-602ca741517e"}',
        '{"data":"pong+8f0547ab","group":"System"}',
        '{"group":"System","data":"pong"}',
        '{"action":"pong"}',
        "pong",
        "pong\n",
        b"pong",
        b" pong\r\n",
        deflated('{"group":"System","data":"pong"}'),
        deflated("pong"),
    ],
)
def test_every_shape_of_a_pong_is_one(session: BitMartSession, frame: str | bytes) -> None:
    assert told(session, frame) == [Pong()]


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (
            '{"success":false,"error":"Invalid message: message must be JSON: ping"}',
            "Invalid message: message must be JSON: ping",
        ),
        (
            '{"action":"","group":"futures/trade:X","success":false,"error":"Invalid action [] for group [X]"}',
            "Invalid action [] for group [X]",
        ),
        ('{"action":"subscribe","success":false,"error":"too many"}', "too many"),
        ('{"error":"maintenance"}', "maintenance"),
        ('{"success":false}', "an error without a text"),
    ],
)
def test_an_error_that_belongs_to_no_topic_is_the_servers(session: BitMartSession, frame: str, text: str) -> None:
    assert told(session, frame) == [ServerError(text)]


@pytest.mark.parametrize(
    "frame", ['{"group":"System","data":"welcome"}', "{}", '{"success":true}', '{"group":"futures/order"}']
)
def test_a_frame_of_no_known_kind_is_told_with_its_beginning(session: BitMartSession, frame: str) -> None:
    assert told(session, frame) == [Malformed("a frame of no known kind", ascii(frame))]


def test_a_frame_may_end_with_a_newline_and_come_as_bytes(session: BitMartSession) -> None:
    expected = session.receive(DATA, 1)
    assert session.receive(DATA + "\n", 1) == expected
    assert session.receive(DATA.encode(), 1) == expected


def test_a_number_in_the_action_of_a_data_frame_is_no_matter(session: BitMartSession) -> None:
    assert session.receive('{"action":2,' + DATA[1:], 1) == session.receive(DATA, 1)


def test_a_binary_frame_may_be_deflated(session: BitMartSession) -> None:
    assert session.receive(deflated(DATA), 1) == session.receive(DATA, 1)


@pytest.mark.parametrize(
    "frame",
    [
        deflated(DATA)[:-3],
        deflated(DATA)[:20] + b"\xff" * 20,
        zlib.compress(DATA.encode()),
        deflated('{"action":"pong"}' + " " * INFLATED_BYTES),
        deflated(""),
        b"\x00\x01\x02",
        b"",
        "",
    ],
    ids=["cut", "damaged", "zlib header", "bomb", "nothing", "noise", "empty", "empty text"],
)
def test_what_cannot_be_inflated_is_malformed(session: BitMartSession, frame: str | bytes) -> None:
    one_malformed(told(session, frame))


def test_a_bomb_is_not_unfolded_beyond_its_bound(session: BitMartSession) -> None:
    bomb = deflated(json.dumps({"group": "System", "data": "pong" + "x" * 20_000_000}))
    assert len(bomb) < 40_000
    one_malformed(told(session, bomb))


@pytest.mark.parametrize(
    "frame",
    [
        "ping",
        "null",
        "[]",
        '"text"',
        "1",
        DATA[:-1],
        DATA + DATA,
        '{"group":1}',
        '{"group":"futures/order","data":',
        '{"action":[],"success":true}',
        '{"action":"access","success":"true"}',
        '{"action":"subscribe","group":"futures/order","success":false,"error":{}}',
        "\ud800",
        '{"group":"\\ud800"}',
        "[" * 100_000,
        '{"data":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"group":"futures/order","data":' + '{"a":' * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda frame: str(frame[:12]).encode("ascii", "replace").decode(),
)
def test_nonsense_is_malformed_and_its_sample_is_short_and_plain(session: BitMartSession, frame: str | bytes) -> None:
    notice = one_malformed(told(session, frame))
    assert notice.reason.isascii()
    assert notice.sample.isascii()
    assert notice.sample.isprintable()
    assert len(notice.sample) < 2_500


@pytest.mark.parametrize(
    "group",
    [
        "futures/ticker:BTCUSDT",
        "futures/markPriceKlineBin1m:BTCUSDT",
        "futures/klineBin1h:BTCUSDT",
        "futures/klineBin1m:*",
        "futures/klineBin1m:btc usdt",
        "futures/asset:USDT",
    ],
)
def test_data_of_a_topic_that_is_none_of_ours_is_malformed(session: BitMartSession, group: str) -> None:
    notice = one_malformed(told(session, json.dumps({"group": group, "data": {}})))
    assert notice.reason.startswith(f"{group}: ")


@pytest.mark.parametrize("group", ["futures/order", "futures/position"])
def test_private_frames_without_data_say_nothing(session: BitMartSession, group: str) -> None:
    assert session.receive(f'{{"group":"{group}","data":null}}', 1) == ("", [])
    assert session.receive(f'{{"group":"{group}","data":[]}}', 1) == (group, [])


@pytest.mark.parametrize("data", ["null", "[]", "{}", "1", '"x"', '{"items":null}', '{"items":[[]]}', '{"items":[1]}'])
def test_a_kline_frame_of_another_shape_is_malformed_and_names_its_topic(session: BitMartSession, data: str) -> None:
    topic, notices = session.receive(f'{{"group":"{KLINES}","data":{data}}}', 1)
    assert topic == KLINES
    assert one_malformed(notices).reason.startswith(KLINES)


@pytest.mark.parametrize("data", ["{}", "1", '"x"', "true"])
def test_a_private_frame_of_another_shape_is_malformed(session: BitMartSession, data: str) -> None:
    one_malformed(told(session, f'{{"group":"futures/order","data":{data}}}'))


@pytest.mark.parametrize("element", ["null", "1", "[]", "{}", '"x"', '{"symbol":1}', '{"symbol":"X","hold_volume":7}'])
def test_elements_around_a_malformed_one_survive(session: BitMartSession, element: str) -> None:
    good = POSITION[POSITION.index("[") + 1 : -2]
    topic, (first, broken, last) = session.receive(
        f'{{"group":"futures/position","data":[{good},{element},{good}]}}', 1
    )
    assert topic == "futures/position"
    assert isinstance(first, Position)
    assert first == last
    assert one_malformed([broken]).sample == ascii(element)


def test_frames_after_a_malformed_one_are_read(session: BitMartSession) -> None:
    before = session.receive(DATA, 1)
    one_malformed(told(session, "{" * 100_000))
    assert session.receive(DATA, 1) == before


def test_requests_are_cut_by_number(session: BitMartSession) -> None:
    names = [f"futures/klineBin1m:C{number}" for number in range(45)]
    assert [len(request.topics) for request in session.requests(Action.SUBSCRIBE, names)] == [20, 20, 5]


def test_no_topics_are_no_requests(session: BitMartSession) -> None:
    assert session.requests(Action.SUBSCRIBE, []) == []


def test_requests_are_filled_to_the_last_byte_that_fits() -> None:
    head = len('{"action":"subscribe","args":[]}')
    fits = "X" * (FRAME_BYTES - 1 - head - 2)
    (request,) = BitMartSession(None, 100).requests(Action.SUBSCRIBE, [fits[:-4], "X"])
    assert len(request.frame) == FRAME_BYTES - 1
    assert len(BitMartSession(None, 100).requests(Action.SUBSCRIBE, [fits[:-3], "X"])) == 2


@given(
    names=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map("futures/klineBin1m:".__add__)),
    batch=st.integers(1, 100),
    action=st.sampled_from(Action),
)
@example(names=["futures/klineBin1m:" + "人" * 40] * 100, batch=100, action=Action.UNSUBSCRIBE)
@example(names=["futures/klineBin1m:" + '"\\' * 20] * 100, batch=100, action=Action.SUBSCRIBE)
def test_requests_ask_for_all_topics_once_in_order_within_the_limits(
    names: list[str], batch: int, action: Action
) -> None:
    requests = BitMartSession(None, batch).requests(action, names)
    for request in requests:
        assert len(request.frame.encode()) < 2_000
        assert 1 <= len(request.topics) <= batch
        assert json.loads(request.frame) == {"action": action, "args": [*request.topics]}
    assert [name for request in requests for name in request.topics] == names


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["", "0", "1", "-", "nan"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(["items", "o", "h", "l", "c", "v", "ts", "symbol", "order", "action"]),
            inner,
            max_size=8,
        )
    ),
    max_leaves=12,
)
GROUPS = st.sampled_from(
    ["futures/order", "futures/position", KLINES, f"{KLINES}@100ms", "futures/klineBin1M:X", "System", ""]
)
CANDLES = st.fixed_dictionaries(
    {name: st.text(max_size=6) | st.just("1.5") for name in "ohlcv"} | {"ts": st.integers()}
)
TRADES = st.none() | st.fixed_dictionaries(
    {"lastTradeID": st.integers() | st.text(), "fillQty": st.text(max_size=4) | st.just("1"), "fillPrice": st.just("2")}
)
ORDERS = st.fixed_dictionaries(
    {"order_id": st.integers() | st.text(), "symbol": st.text(), "size": st.sampled_from(["1", "2.5", "-", ""])}
    | {"state": st.integers(-1, 5), "side": st.integers(-1, 6), "deal_size": st.text(max_size=3) | st.just("1")}
    | {"client_order_id": st.text(), "last_trade": TRADES}
).map(lambda order: {"action": 1, "order": order})
FRAMES = st.fixed_dictionaries(
    {},
    optional={
        "group": GROUPS | JSON,
        "data": st.builds(lambda items: {"items": items}, st.lists(CANDLES)) | st.lists(ORDERS) | JSON,
        "action": st.sampled_from(["subscribe", "unsubscribe", "access", "pong", ""]) | JSON,
        "success": st.booleans() | JSON,
        "error": st.text() | JSON,
    },
)


@given(frame=st.binary() | st.text(st.characters()) | FRAMES.map(json.dumps) | FRAMES.map(json.dumps).map(deflated))
def test_whatever_comes_is_told_and_never_raises(frame: str | bytes) -> None:
    topic, notices = BitMartSession(None, 20).receive(frame, 1)
    assert isinstance(topic, str)
    assert isinstance(notices, list)
    for notice in notices:
        assert isinstance(notice, NEVER_RAISES)
        if isinstance(notice, Kline | Order | Position):
            assert topic
            "".join(fields_of(notice)).encode()  # what cannot be encoded would stop the writer


CANDLE_FRAMES = st.fixed_dictionaries(
    {"group": GROUPS, "data": st.builds(lambda items: {"items": items}, st.lists(CANDLES, min_size=1, max_size=3))},
    optional={"action": st.sampled_from(["subscribe", "", 2]), "success": st.booleans()},
)


@given(frames=st.lists(CANDLE_FRAMES.map(json.dumps), max_size=4))
def test_a_candle_says_the_same_whether_it_is_read_at_one_go_or_piece_by_piece(frames: list[str]) -> None:
    quick, careful = BitMartSession(None, 20), BitMartSession(None, 20)
    for frame in [*frames, DATA, *frames]:
        assert quick.receive(frame.encode(), 1) == careful._receive_any(frame, 1)  # noqa: SLF001 - else unreachable


@pytest.mark.parametrize("group", ["futures/order", "futures/klineBin1m:*", "futures/klineBin3m:BTCUSDT"])
def test_candles_of_what_brings_none_are_not_understood(session: BitMartSession, group: str) -> None:
    frame = DATA.replace(f'"group":"{KLINES}"', f'"group":"{group}","note":"{KLINES}"')
    assert isinstance(one_malformed(told(session, frame.encode())), Malformed)


def test_a_new_period_is_seen_at_its_first_frame(session: BitMartSession) -> None:
    times = []
    for ts in (1785727320, 1785727320, 1785727380, 1785727381, 1785727320):
        _, (kline,) = session.receive(DATA.replace("1785727320", str(ts)).encode(), 1)
        assert isinstance(kline, Kline)
        times.append((kline.open_time, kline.close_time))
    first, second = (1785727320000, 1785727379999), (1785727380000, 1785727439999)
    assert times == [first, first, second, second, first]

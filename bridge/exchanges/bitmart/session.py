"""One conversation with BitMart over one socket, sans I/O.

Rules, and where they come from:

* A request is `{"action": ..., "args": [...]}`; `access` logs in (docs also say `login`; every client sends `access`).
* Each topic of a request is answered on its own; a refused one stops neither the others nor the socket (wire 2026-09).
* A message too long closes the socket with code 1009: 2,020 bytes passed, 2,186 did not (wire 2026-09). We stay under
  2,000.
* `{"action":"ping"}` is answered by a `System` frame whose data begins with `pong` (wire 2026-08, 2026-09); older notes
  have `{"action":"pong"}`, the docs a bare `pong`. The text `ping` is refused as not JSON (wire).
* Frames are text; a binary one may be raw deflate, as on BitMart's spot service. A frame may end with a newline.
* `group` may come back with a speed that was not asked for, such as `@100ms` (wire 2025-02, 2026-07).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from bridge.errors import InvalidTopicError, ProtocolError
from bridge.exchanges.base import (
    EVERY_SYMBOL,
    Acknowledged,
    Action,
    Credentials,
    LoggedIn,
    LoginRefused,
    Malformed,
    Notice,
    Pong,
    Refused,
    Request,
    ServerError,
    Topic,
)
from bridge.exchanges.bitmart import topics
from bridge.exchanges.bitmart.signing import login_signature
from bridge.exchanges.bitmart.wire import Frame, KlineFrame
from bridge.records import Record

FRAME_BYTES: Final = 2_000
INFLATED_BYTES: Final = 1 << 20
_SAMPLE_CHARACTERS: Final = 200
_KNOWN_TOPICS: Final = 20_000
_PING: Final = '{"action":"ping"}'
_DEVICE: Final = "web"  # docs; everybody sends it

_read_frame: Final = msgspec.json.Decoder(Frame).decode
_read_candles: Final = msgspec.json.Decoder(KlineFrame).decode
_encode: Final = msgspec.json.Encoder().encode

# msgspec's errors and broken UTF-8 are both ValueErrors; nesting without end is a RecursionError.
_UNREADABLE: Final = (ValueError, RecursionError)
_NO_CANDLES: Final = (InvalidTopicError, *_UNREADABLE)


class BitMartSession:
    """See the rules above. It keeps no subscriptions: what is held is the connection's affair."""

    def __init__(self, credentials: Credentials | None, batch: int) -> None:
        """Begin; `batch` is the greatest number of topics in one frame."""
        self._credentials = credentials
        self._batch = batch
        self._known: dict[str, Topic] = {}
        self._candle_topics: dict[str, topics.CandleTopic] = {}

    def login(self, now_ms: int) -> str:
        """Return the login frame; the signature is good for 60 s of BitMart's time (docs)."""
        if self._credentials is None:
            raise ProtocolError("a login needs credentials")
        signature = login_signature(self._credentials, now_ms)
        return _text("access", [self._credentials.key.reveal(), str(now_ms), signature, _DEVICE])

    def ping(self) -> str:
        """Return the frame that is answered by a pong."""
        return _PING

    def requests(self, action: Action, names: Iterable[str]) -> list[Request]:
        """Cut the topics into frames, each under 2,000 bytes and of at most `batch` topics."""
        cut: list[Request] = []
        batch: list[str] = []
        size = empty = len(_text(action, []))
        for name in names:
            cost = len(_encode(name)) + 1
            if batch and (len(batch) == self._batch or size + cost > FRAME_BYTES):
                cut.append(_request(action, batch))
                batch, size = [], empty
            batch.append(name)
            size += cost
        return [*cut, _request(action, batch)] if batch else cut

    def receive(self, frame: str | bytes, received_at: int) -> tuple[str, Sequence[Record | Notice]]:
        """Return whose data a frame brings, if it brings any, and what it says. Never raises."""
        try:
            # Nearly all frames there are, and nearly all as they should be: the others are looked at closely.
            candles = _read_candles(frame)
            topic = self._candle_topics.get(candles.group) or self._learn_candles(candles.group)
            items = candles.data.items
            if len(items) == 1:
                return topic.name, [topic.kline(items[0], received_at)]
            return topic.name, [topic.kline(candle, received_at) for candle in items]
        except _NO_CANDLES:
            return self._receive_any(frame, received_at)

    def _receive_any(self, frame: str | bytes, received_at: int) -> tuple[str, Sequence[Record | Notice]]:
        try:
            parsed = _read_frame(frame)
        except _UNREADABLE as wrong:
            return self._receive_odd(frame, received_at, str(wrong))
        if parsed.data and parsed.group and parsed.group != "System":
            return self._data(parsed, received_at)
        return "", [_answer(parsed, frame)]

    def _receive_odd(self, frame: str | bytes, received_at: int, reason: str) -> tuple[str, Sequence[Record | Notice]]:
        if frame.strip() in ("pong", b"pong"):
            return "", [Pong()]
        inflated = _inflate(frame) if isinstance(frame, bytes) else b""
        if inflated:
            return self.receive(inflated.decode(errors="replace"), received_at)
        return "", [_malformed(reason, frame)]

    def _data(self, frame: Frame, received_at: int) -> tuple[str, Sequence[Record | Notice]]:
        data = bytes(frame.data)
        try:
            topic = self._known.get(frame.group) or self._learn(frame.group)
            row = topics.row_of(topic)
            elements = row.elements(data)
        except (InvalidTopicError, *_UNREADABLE) as wrong:
            # Clients report private frames whose data is null: nothing to say, nothing wrong.
            return "", [] if data == b"null" else [_malformed(f"{frame.group}: {wrong}", data)]
        said: list[Record | Notice] = []
        for element in elements:
            try:
                said += row.records(element, topic, received_at)
            except _UNREADABLE as wrong:
                said.append(_malformed(f"{frame.group}: {wrong}", bytes(element)))
        return topic.name, said

    def _learn_candles(self, group: str) -> topics.CandleTopic:
        topic = topics.CandleTopic(self._known.get(group) or self._learn(group))
        if len(self._candle_topics) < _KNOWN_TOPICS:
            self._candle_topics[group] = topic
        return topic

    def _learn(self, group: str) -> Topic:
        topic = topics.parse(_plain(group))
        if topic.symbol == EVERY_SYMBOL:
            raise InvalidTopicError("data of every symbol at once is not known to exist")
        if len(self._known) < _KNOWN_TOPICS:
            self._known[group] = topic
        return topic


def _answer(frame: Frame, raw: str | bytes) -> Notice:
    if frame.action in (Action.SUBSCRIBE, Action.UNSUBSCRIBE) and frame.group:
        action, topic = Action(frame.action), _plain(frame.group)
        if frame.success:
            return Acknowledged(action, topic)
        return Refused(action, topic, frame.error or "refused without a reason")
    if frame.action == "access":
        text = frame.error or "refused without a reason"
        return LoggedIn() if frame.success else LoginRefused(text, passing="unavailable" in text)
    if frame.action == "pong" or bytes(frame.data).startswith(b'"pong'):
        return Pong()
    if frame.error or frame.success is False:
        return ServerError(frame.error or "an error without a text")
    return _malformed("a frame of no known kind", raw)


def _plain(group: str) -> str:
    return group.partition("@")[0]


def _request(action: Action, batch: list[str]) -> Request:
    return Request(_text(action, batch), tuple(batch))


def _text(action: str, arguments: list[str]) -> str:
    return _encode({"action": action, "args": arguments}).decode()


def _inflate(frame: bytes) -> bytes:
    # Bounded, so that a few bytes cannot unfold into all the memory there is.
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        text = inflater.decompress(frame, INFLATED_BYTES)
    except zlib.error:
        return b""
    return text if inflater.eof and not inflater.unconsumed_tail else b""


def _malformed(reason: str, frame: str | bytes) -> Malformed:
    sample = frame[:_SAMPLE_CHARACTERS]
    text = sample.decode(errors="replace") if isinstance(sample, bytes) else sample
    return Malformed(ascii(reason[:_SAMPLE_CHARACTERS])[1:-1], ascii(text))

"""Protections taken out: each function breaks one of the product's, until the patch is undone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from typing import Final, Protocol

import msgspec
from redis.exceptions import RedisError

from bridge.ingest.account.folding import Folding
from bridge.ingest.account.sweep import Sweep
from bridge.ingest.candles import series
from bridge.ingest.candles.closed import Closed, Window
from bridge.ingest.watch import Watch
from bridge.records import Kline
from bridge.store import scripts
from bridge.store.writing.appends import Append, KlineAppends
from bridge.store.writing.lane import Answer, Lane


class Patch(Protocol):
    """Replaces attributes until the trial is over; `pytest.MonkeyPatch` is one."""

    def setattr(self, target: object, name: str, value: object) -> None:
        """Replace an attribute of `target`."""


class Patches:
    """Replaces attributes, and puts them back."""

    def __init__(self) -> None:
        """Begin with nothing replaced."""
        self._sound: list[tuple[object, str, object]] = []

    def setattr(self, target: object, name: str, value: object) -> None:
        """Replace an attribute of `target`."""
        self._sound.append((target, name, getattr(target, name)))
        setattr(target, name, value)

    def undo(self) -> None:
        """Put back what was replaced."""
        while self._sound:
            setattr(*self._sound.pop())


@contextmanager
def patching() -> Iterator[Patches]:
    """Replace attributes for a while."""
    patches = Patches()
    try:
        yield patches
    finally:
        patches.undo()


def script(name: str, *changes: tuple[str, str]) -> Callable[[Patch], None]:
    """Replace parts of a script; the whole of it where a part is empty."""

    def broken(patch: Patch) -> None:
        sound: scripts.Script = getattr(scripts, name)
        text = sound.text
        for part, other in changes:
            if part not in text:
                raise AssertionError(f"the script {name} lacks {part!r}, which this trial replaces")
            text = text.replace(part, other) if part else other
        unsound = scripts.Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())
        patch.setattr(scripts, name, unsound)
        patch.setattr(scripts, "APPENDS", tuple(unsound if one is sound else one for one in scripts.APPENDS))

    return broken


LAST_FRAME: Final = """
local entry, said = {}, {}
for i = 2, #ARGV do entry[#entry + 1] = ARGV[i] end
for i = 2, #ARGV, 2 do said[ARGV[i]] = ARGV[i + 1] end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(entry))
redis.call('HSET', KEYS[2], unpack(entry))
if said.status == 'filled' or said.status == 'canceled' then redis.call('SREM', KEYS[3], said.order_id)
else redis.call('SADD', KEYS[3], said.order_id) end
return 1
"""


def every(*parts: Callable[[Patch], None]) -> Callable[[Patch], None]:
    def broken(patch: Patch) -> None:
        for part in parts:
            part(patch)

    return broken


def asks_early(patch: Patch) -> None:
    patch.setattr(series, "ROW_AFTER_MS", -20_000)


def believes_rest(patch: Patch) -> None:
    patch.setattr(series, "behind", lambda _row, _shown: False)


def trusts_empty_replies(patch: Patch) -> None:
    sound = series.Series.prove

    def prove(self: series.Series, rows: Sequence[Kline], window: Window, sent_ms: int, now_ms: int) -> list[Closed]:
        if rows or self.tail is None:
            return sound(self, rows, window, sent_ms, now_ms)
        proven = []
        while self._written.next_end + series.EMPTY_AFTER_MS <= sent_ms:
            proven.append(self._write(self._written.empty()))
        return proven

    patch.setattr(series.Series, "prove", prove)


def folds_nothing(patch: Patch) -> None:
    patch.setattr(Folding, "add", lambda _self, _record: None)


def looks_nowhere(patch: Patch) -> None:
    async def look(self: Sweep, symbol: str) -> None:
        self._read_until[symbol] = self._clock.now_ms()

    patch.setattr(Sweep, "_look", look)


def drops_flushes(patch: Patch) -> None:
    sound = Lane.send

    async def send(self: Lane, batch: Sequence[Append]) -> Sequence[Answer]:
        try:
            return await sound(self, batch)
        except (RedisError, OSError):
            await asyncio.sleep(0.02)
            return [1] * len(batch)

    patch.setattr(Lane, "send", send)
    # Reading the account after each loss of the connection would make good for it.
    tells_no_losses(patch)


def tells_no_losses(patch: Patch) -> None:
    patch.setattr(Watch, "_tell_losses", lambda _self: None)


def conflates_periods(patch: Patch) -> None:
    sound = KlineAppends.of

    def of(self: KlineAppends, kline: Kline) -> Append:
        append = sound(self, kline)
        return msgspec.structs.replace(append, slot=append.stream, final=False)

    patch.setattr(KlineAppends, "of", of)

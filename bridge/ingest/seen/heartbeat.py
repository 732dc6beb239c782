"""What an ingester tells the others: that it is alive, how it is, and how far each topic has come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Final

from bridge.store.client import Unreachable, described
from bridge.store.members import TopicState

if TYPE_CHECKING:
    from bridge.store.members import Beat, Card, Members

log = logging.getLogger(__name__)

# How old the published stamp of a topic's last data may get, and how close together two reports may come.
_DATA_AGE_MS: Final = 5_000
_GAP_S: Final = 0.05
# Every so many beats the topics are looked through, though nobody said that one changed: thousands take a while.
_BEATS: Final = 4


class Heartbeat:
    """Reports at every interval, and soon after something changed."""

    def __init__(
        self,
        *,
        members: Members,
        name: str,
        interval_s: float,
        card: Callable[[], Card],
        state: Callable[[], Mapping[str, str | int]],
        topics: Callable[[], Mapping[str, TopicState]],
        on_beat: Callable[[Beat], None],
        on_stop: Callable[[], None],
    ) -> None:
        """Report as `name` what `card`, `state` and `topics` return.

        `on_beat` is called with what each heartbeat brings, `on_stop` when we are asked to stop.
        """
        self._members = members
        self._name = name
        self._interval_s = interval_s
        self._card = card
        self._state = state
        self._on_beat = on_beat
        self._topics = topics
        self._on_stop = on_stop
        self._stirred = asyncio.Event()
        self._published: dict[str, TopicState] = {}
        self._doubtful: set[str] = set()
        self.trouble = ""
        self.turned_at = 0.0

    def stir(self) -> None:
        """Make the next report come soon."""
        self._stirred.set()

    def forget(self) -> None:
        """Say everything again: what Redis still holds of us is unknown."""
        self._published.clear()
        self._stirred.set()

    async def run(self) -> None:
        """Report for ever."""
        loop = asyncio.get_running_loop()
        for beat in count():
            changed = self._stirred.is_set() or bool(self._doubtful) or beat % _BEATS == 0
            self._stirred.clear()
            began = loop.time()
            try:
                await self.report(topics=changed)
                self.trouble = ""
            except Unreachable as trouble:
                self._note(described(trouble))
            self.turned_at = loop.time()
            # Thousands of topics on their way stir all the time, and take a while to look through.
            await asyncio.sleep(max(_GAP_S, min(loop.time() - began, self._interval_s)))
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    async def report(self, *, topics: bool = True) -> None:
        """Report once; topics first, so that whoever sees a revision applied sees its topics too."""
        try:
            beat = await self._report(topics=topics)
        except Unreachable:
            # What Redis still holds of us is unknown now: say everything again, and take back all that may be there.
            self._doubtful |= self._published.keys()
            self._published.clear()
            raise
        if beat.returned:
            # We counted as gone for a while: what was known of our topics may be gone as well.
            self.forget()
        self._on_beat(beat)
        if beat.stop:
            self._on_stop()

    async def _report(self, *, topics: bool) -> Beat:
        state = self._state()
        if topics:
            await self._report_topics()
        return await self._members.beat(self._name, self._card(), state)

    async def _report_topics(self) -> None:
        current = self._topics()
        changed = {topic: fresh for topic, said in current.items() if (fresh := self._fresh(topic, said))}
        gone = (self._published.keys() | self._doubtful) - current.keys()
        if changed or gone:
            self._doubtful |= changed.keys()
            await self._members.publish(self._name, changed, gone)
        self._published = {topic: changed.get(topic) or self._published[topic] for topic in current}
        self._doubtful.clear()

    def _fresh(self, topic: str, said: TopicState) -> TopicState | None:
        before = self._published.get(topic)
        if before is None or (before.state, before.reason) != (said.state, said.reason):
            return said
        if said.data_at - before.data_at >= _DATA_AGE_MS or (said.data_at and not before.data_at):
            return TopicState(said.state, before.since, said.reason, said.data_at)
        return None

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("heartbeat: %s", trouble)
        self.trouble = trouble

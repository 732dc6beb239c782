"""Our place among the ingesters: what we say of ourselves, whom we see, and which topics are therefore ours."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from bridge.errors import NamesakeError
from bridge.ingest.members.handover import Handover
from bridge.ingest.members.roster import Roster
from bridge.ingest.members.sharing import Sharing
from bridge.records import EventName
from bridge.store.members import Beat, Card, Members

if TYPE_CHECKING:
    from bridge.ingest.sockets.pool import Pool
    from bridge.settings import Settings

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.1
_HAND_OVER_S: Final = 5.0


def named(settings: Settings) -> str:
    """Return an ingester's name: as set, or one that no other has."""
    return settings.ingester_id or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


class Membership:
    """One ingester among its like.

    Attributes:
        name: ours.
        roster: whom we see.
        public: our part of the public topics.
        private: our part of the private topics.
        leaving: whether the others are to take everything over.
        entered: whether we are a member, and with that the store is known to be ours.
        returns: how often we found ourselves counted as gone, though we weren't.
    """

    def __init__(
        self,
        *,
        name: str,
        settings: Settings,
        members: Members,
        public: Pool,
        private: Pool,
        happened: Callable[[EventName, str, str], None],
        on_change: Callable[[], None],
    ) -> None:
        """Be called `name`, and say of ourselves what the pools are able to.

        `on_change` is called when the shares may be others now, `happened` with what the members should be told of.
        """
        self.name = name
        self.roster = Roster(self.name, settings.member_lifetime_s)
        self.leaving = False
        self.entered = False
        self.returns = 0
        self._settings = settings
        self._members = members
        self._pools = (public, private)
        self._happened = happened
        self._on_change = on_change
        self._token = secrets.token_hex(8)
        self._where = f"{socket.gethostname()}, process {os.getpid()}"
        self.public, self.private = self._sharing(private=False), self._sharing(private=True)

    @property
    def alone(self) -> bool:
        """Whether there is nobody who could take over from us."""
        return all(card.leaving for name, card in self.roster.cards.items() if name != self.name)

    async def enter(self) -> None:
        """Become a member.

        Raises:
            NamesakeError: an ingester of our name is alive. One that has died is waited for until it counts as gone.
        """
        first_seen = ""
        while True:
            try:
                self.hear(await self._members.enter(self.name, self.card()))
            except NamesakeError as rival:
                if first_seen and rival.last_beat != first_seen:
                    raise
                if not first_seen:
                    log.warning("an ingester named %s was alive a moment ago: waiting for its end", self.name)
                first_seen = rival.last_beat
                await asyncio.sleep(_LOOK_S)
            else:
                self.entered = True
                return

    async def hand_over(self) -> None:
        """Let the others take everything over, if there are any; not for longer than they may need."""
        self.leaving = True
        self._on_change()
        if self.alone:
            return
        log.info("handing over")
        try:
            async with asyncio.timeout(_HAND_OVER_S):
                while any(pool.wanted for pool in self._pools):  # noqa: ASYNC110 - several parts bring it about
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            log.warning("the other ingesters did not take over in time")

    def card(self) -> Card:
        """Return what the others have to know of us."""
        now = asyncio.get_running_loop().time()
        public, private = (pool.able(now) for pool in self._pools)
        return Card(
            self._token,
            where=self._where,
            public=public,
            private=private,
            credentials=self._settings.has_credentials,
            leaving=self.leaving,
        )

    def hear(self, beat: Beat) -> None:
        """Take what a heartbeat brought."""
        before = self.roster.cards
        gone = self.roster.hear(beat.cards, asyncio.get_running_loop().time(), returned=beat.returned)
        if beat.returned and self.name in before:
            self.returns += 1
            log.warning("we were counted as gone for a while")
        for name in gone:
            log.warning("ingester %s is gone", name)
            if self.roster.first():
                self._happened(EventName.MEMBER_LOST, name, f"silent for {self._settings.member_lifetime_s:g} s")
        if self.roster.cards != before:
            self._on_change()

    def figures(self) -> Mapping[str, int]:
        """Return how the topics are shared, in numbers."""
        both = (self.public, self.private)
        return {
            "members": len(self.roster.cards),
            "target": sum(len(one.target) for one in both),
            "serving": sum(len(one.serving) for one in both),
            "taken_over": sum(one.taken_over for one in both),
            "handed_over": sum(one.handover.handed_over for one in both),
            "let_go": sum(one.handover.let_go for one in both),
            "returns": self.returns,
        }

    def _sharing(self, *, private: bool) -> Sharing:
        return Sharing(
            name=self.name,
            private=private,
            replicas=self._settings.replicas,
            roster=self.roster,
            handover=Handover(self._settings.handover_s),
            members=self._members,
        )

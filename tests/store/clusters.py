"""Servers that belong together: a cluster, and a primary with its replica and sentinels."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bridge.store.servers.topology import slot_of
from tests.store.certificates import Certificates
from tests.store.processes import HOST, Server, own_port, raw, settled

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

SLOTS = 16_384
# Long enough for a busy machine not to fail over without cause, short enough for tests that wait for it.
NODE_TIMEOUT_MS = 4_000
DOWN_AFTER_MS = 3_000
SERVICE = "the-service"


class SentinelServer(Server):
    """A server that watches others."""

    def _words(self) -> list[str]:
        return ["--sentinel"]


class Cluster:
    """Three primaries, each with a replica."""

    def __init__(self, folder: Path, tls: Certificates | None = None) -> None:
        """Describe it; with certificates its nodes speak TLS too, and nothing else among themselves."""
        common = {
            "cluster_enabled": "yes",
            "cluster_node_timeout": str(NODE_TIMEOUT_MS),
            "cluster_replica_validity_factor": "0",
            "repl_diskless_sync_delay": "0",
            "appendonly": "no",
            **(_by_tls(tls) if tls else {}),
        }
        self._closing = ExitStack()
        self.tls_ports = [str(own_port()) if tls else "" for _ in range(6)]
        self.nodes = []
        for number, port in enumerate(self.tls_ports):
            own = {"cluster_port": str(own_port()), **({"tls_port": port} if port else {})}
            self.nodes.append(Server(folder / str(number), **own, **common))

    def __enter__(self) -> Self:
        """Start the nodes, join them, and wait until all agree; leave nothing running if that fails."""
        try:
            self._start()
        except BaseException:
            self._closing.close()
            raise
        return self

    def _start(self) -> None:
        for node in self.nodes:
            self._closing.enter_context(node)
        first, *others = self.nodes
        for number, node in enumerate(self.nodes):
            node.control.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in others:
            bus = node._options["cluster_port"]  # noqa: SLF001 - a cluster and its nodes are one
            first.control.execute_command("CLUSTER", "MEET", HOST, node.port, bus)
        bounds = [0, SLOTS // 3, 2 * SLOTS // 3, SLOTS]
        for node, start, end in zip(self.nodes, bounds, bounds[1:], strict=False):
            node.control.execute_command("CLUSTER", "ADDSLOTSRANGE", start, end - 1)
        settled(lambda: all(len(known(node)) == len(self.nodes) for node in self.nodes), "nodes that know each other")
        for primary, replica in zip(self.nodes, self.nodes[3:], strict=False):
            replica.control.execute_command("CLUSTER", "REPLICATE", own_id(primary))
        settled(lambda: all(self._whole(node) for node in self.nodes), "a cluster in which all agree")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End all nodes."""
        self._closing.close()

    @property
    def url(self) -> str:
        """The URL of the cluster, by two of its nodes."""
        return f"redis+cluster://{self.nodes[0].address},{self.nodes[1].address}"

    def empty(self) -> None:
        """Make all nodes run, and forget all keys, scripts, and moves of slots that a test did not end."""
        self.heal()
        for node in self.nodes:
            if node.control.role()[0] == "master":
                node.control.flushall()
                node.control.script_flush()
                for word in (word for line in known(node) for word in line[8:] if word.startswith("[")):
                    slot = word[1:].partition("-")[0]
                    node.control.execute_command("CLUSTER", "SETSLOT", slot, "STABLE")
            node.control.config_set("cluster-require-full-coverage", "yes")

    def heal(self) -> None:
        """Start whoever was killed, and wait until all agree."""
        for node in self.nodes:
            node.revive()
        settled(lambda: all(self._whole(node) for node in self.nodes), "a cluster in which all agree again", 60)

    def replica(self, primary: Server) -> Server:
        """Return a primary's replica."""
        node_id = own_id(primary)
        return next(
            node for node in self.nodes if any(line[3] == node_id and "myself" in line[2] for line in known(node))
        )

    def source_and_aim(self, key: str) -> tuple[Server, Server]:
        """Return the node that serves a key now, and another that could."""
        source = self.primary(key)
        return source, next(n for n in self.nodes if n.control.role()[0] == "master" and n is not source)

    def move(self, slot: int, source: Server, target: Server) -> None:
        """Begin to move a slot; its keys follow by `carry`, and `hand_over` ends it."""
        target.control.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", own_id(source))
        source.control.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", own_id(target))

    def hand_over(self, slot: int, target: Server) -> None:
        """Let all know that a slot's keys are at `target` now, itself first."""
        for node in sorted(self.nodes, key=lambda node: node is not target):
            if node.control.role()[0] == "master":
                node.control.execute_command("CLUSTER", "SETSLOT", slot, "NODE", own_id(target))

    def primary(self, key: str) -> Server:
        """Return the node that serves a key now."""
        node = self.primary_or_none(key)
        assert node, f"nobody serves {key}"
        return node

    def primary_or_none(self, key: str) -> Server | None:
        """The same, or nobody if that one is away."""
        slot = slot_of(key)
        for node in (node for node in self.nodes if node.running):
            owned = [line for line in known(node) if "myself" in line[2] and "master" in line[2]]
            for first, last in (span(word) for line in owned for word in line[8:] if not word.startswith("[")):
                if first <= slot <= last:
                    return node
        return None

    def _whole(self, node: Server) -> bool:
        lines = known(node)
        linked = sum("slave" in line[2] for line in lines) == 3 and all("fail" not in line[2] for line in lines)
        up = "cluster_state:ok" in cast("str", raw(node, "CLUSTER", "INFO"))
        role = node.control.role()
        return linked and up and (role[0] == "master" or role[3] == "connected")


def known(node: Server) -> list[list[str]]:
    """Return what a node knows of each node, itself included."""
    return [line.split() for line in cast("str", raw(node, "CLUSTER", "NODES")).splitlines()]


def own_id(node: Server) -> str:
    """Return a node's id."""
    return cast("str", raw(node, "CLUSTER", "MYID"))


def span(word: str) -> tuple[int, int]:
    """Return the first and last slot of a range."""
    first, _, last = word.partition("-")
    return int(first), int(last or first)


class Watched:
    """A primary and its replica, and three sentinels."""

    def __init__(self, folder: Path, **options: str) -> None:
        """Describe them; options are the data servers'."""
        self._closing = ExitStack()
        self._folder = folder
        self.first = Server(folder / "first", repl_diskless_sync_delay="0", **options)
        replicaof = f"{HOST} {self.first.port}"
        self.second = Server(folder / "second", repl_diskless_sync_delay="0", replicaof=replicaof, **options)
        self.sentinels: list[SentinelServer] = []

    def __enter__(self) -> Self:
        """Start all, and wait until the sentinels know each other and both servers; as above if that fails."""
        try:
            self._start()
        except BaseException:
            self._closing.close()
            raise
        return self

    def _start(self) -> None:
        self._closing.enter_context(self.first)
        self._closing.enter_context(self.second)
        settled(lambda: self.second.control.role()[3] == "connected", "the replica's copy")
        for number in range(3):
            sentinel = SentinelServer(self._folder / f"sentinel-{number}")
            sentinel._options = {  # noqa: SLF001 - as above
                "sentinel monitor": f"{SERVICE} {HOST} {self.first.port} 2",
                "sentinel down-after-milliseconds": f"{SERVICE} {DOWN_AFTER_MS}",
                "sentinel failover-timeout": f"{SERVICE} 10000",
            }
            self.sentinels.append(self._closing.enter_context(sentinel))
        settled(lambda: all(self._knows(sentinel) for sentinel in self.sentinels), "sentinels that know all")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End all."""
        self._closing.close()

    @property
    def primary(self) -> Server:
        """The primary, by the word of the first sentinel."""
        (told,) = [pairs(answer) for answer in raw(self.sentinels[0], "SENTINEL", "MASTERS")]
        return next(server for server in (self.first, self.second) if str(server.port) == told["port"])

    def empty(self) -> None:
        """Make both servers run, one as a replica of the other, and forget all keys and scripts."""
        for server in (self.first, self.second):
            server.revive()
        settled(
            lambda: (
                sorted(server.control.role()[0] for server in (self.first, self.second)) == ["master", "slave"]
                and all(self._knows(sentinel) for sentinel in self.sentinels)
            ),
            "one primary and one replica",
            60,
        )
        self.primary.control.flushall()
        self.primary.control.script_flush()

    @property
    def url(self) -> str:
        """The URL of the primary, whichever it is."""
        return f"redis+sentinel://{','.join(sentinel.address for sentinel in self.sentinels)}/{SERVICE}"

    def _knows(self, sentinel: Server) -> bool:
        (told,) = [pairs(answer) for answer in raw(sentinel, "SENTINEL", "MASTERS")]
        return told["num-other-sentinels"] == "2" and told["num-slaves"] == "1"


def pairs(flat: list[str]) -> dict[str, str]:
    """Return a flat list of names and values as a dictionary."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _by_tls(files: Certificates) -> dict[str, str]:
    return {
        "tls_cluster": "yes",
        "tls_replication": "yes",
        "tls_auth_clients": "no",
        "tls_ca_cert_file": str(files.authority),
        "tls_cert_file": str(files.server),
        "tls_key_file": str(files.server_key),
    }

"""From costs to figures: medians over the rounds, ratios within a round, a table and JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Final

from tests.benchmarks.plan import FEW, MANY, SECTIONS, WAY, WHOLE_WAY, Row, Section
from tests.benchmarks.stand import Cost

Rounds = Mapping[tuple[str, str], Sequence[Cost]]

_MICRO: Final = 1e6


def figures(rounds: Rounds) -> list[dict[str, Any]]:
    """Return all figures, section by section, with what each round said."""
    return [
        {"title": section.title, "rows": [_row(section, row, rounds) for row in _taken(section, rounds)]}
        for section in SECTIONS
    ]


def way(sections: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return an ingester's CPU time a frame, part by part, and what is left: wakings, reports, caches that others use.

    The least of all rounds is taken: parts and whole are measured at different times, which must be alike.
    """
    client = {row["name"]: row["client_least_us"] for section in sections for row in section["rows"]}
    parts = {name: client[name] for name in WAY}
    whole, found = client[WHOLE_WAY], sum(parts.values())
    caches = client[MANY] - client[FEW]
    return {
        **parts,
        "a thousand topics instead of a hundred: caches": caches,
        "the rest": whole - found - caches,
        "the whole way": whole,
    }


def text(sections: Sequence[Mapping[str, Any]], shares: Mapping[str, float]) -> str:
    """Return tables for people. Beside a peer's name: how many times its CPU time, and its rate, a row is better."""
    tables = [f"{section['title']}\n{table(_lines(section))}" for section in sections]
    whole = shares["the whole way"]
    lines = [["part", "least client µs", "share"]]
    lines += [[name, f"{spent:.2f}", f"{spent / whole:.0%}"] for name, spent in shares.items()]
    return "\n\n".join([*tables, f"where an ingester's time goes, a frame\n{table(lines)}"])


def _taken(section: Section, rounds: Rounds) -> list[Row]:
    return [row for row in section.rows if rounds.get((section.title, row.name))]


def _row(section: Section, row: Row, rounds: Rounds) -> dict[str, Any]:
    costs = rounds[section.title, row.name]
    return {
        "name": row.name,
        "frames": costs[0].frames,
        "client_us": median(map(_client_us, costs)),
        "client_least_us": min(map(_client_us, costs)),
        "server_us": median(map(_server_us, costs)),
        "frames_per_s": median(map(_per_s, costs)),
        "entries_per_frame": median(cost.entries / cost.frames for cost in costs),
        "against": {
            peer.peer: {
                "client_cpu": _ratio(_client_us, rounds[section.title, peer.name], costs),
                "frames_per_s": _ratio(_per_s, costs, rounds[section.title, peer.name]),
            }
            for peer in _taken(section, rounds)
            if peer.peer and peer is not row
        },
        "rounds": [
            {"client_us": _client_us(cost), "server_us": _server_us(cost), "frames_per_s": _per_s(cost)}
            for cost in costs
        ],
    }


def _ratio(figure: Callable[[Cost], float], above: Sequence[Cost], below: Sequence[Cost]) -> float:
    return median(figure(one) / figure(other) for one, other in zip(above, below, strict=True))


def _client_us(cost: Cost) -> float:
    return cost.client_s / cost.frames * _MICRO


def _server_us(cost: Cost) -> float:
    return cost.server_s / cost.frames * _MICRO


def _per_s(cost: Cost) -> float:
    return cost.frames / cost.wall_s


def _lines(section: Mapping[str, Any]) -> list[list[str]]:
    rows = section["rows"]
    peers = sorted({peer for row in rows for peer in row["against"]})
    stored = any(row["server_us"] for row in rows)
    head = ["", "client µs", "least", *(["server µs", "entries a frame"] if stored else []), "frames/s"]
    lines = [[*head, *(f"{peer}: {what}" for peer in peers for what in ("CPU", "rate"))]]
    for row in rows:
        server = [f"{row['server_us']:.2f}", f"{row['entries_per_frame']:.2f}"] if stored else []
        lines.append(
            [
                row["name"],
                f"{row['client_us']:.2f}",
                f"{row['client_least_us']:.2f}",
                *server,
                f"{row['frames_per_s']:,.0f}",
            ]
        )
        for peer in peers:
            against = row["against"].get(peer)
            lines[-1] += [f"{against[name]:.2f}x" for name in ("client_cpu", "frames_per_s")] if against else ["", ""]
    return lines


def table(lines: Sequence[Sequence[str]]) -> str:
    """Return a table of such lines, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  "
        + "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )

"""`docs/migrate.md`: what it says of the bridge is so."""

from __future__ import annotations

import re
from typing import Final

import msgspec
import pytest

from bridge import records, settings
from bridge.control.answers import Status
from bridge.control.endpoints.table import ENDPOINTS
from bridge.records import Event, Fill, Kline, Order, Position, field_names
from tests.guides.blocks import ROOT

GUIDE: Final = (ROOT / "docs" / "migrate.md").read_text(encoding="utf-8")
FIELDS: Final = {name for kind in (Kline, Order, Fill, Position, Event) for name in field_names(kind)}
WORDS: Final = {word.value for kind in (records.PositionSide, records.Status) for word in kind}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its first row."""
    (section,) = (part for part in GUIDE.split("\n## ") if part.startswith(f"{heading}\n"))
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_endpoint_is_there_and_every_one_is_named() -> None:
    named = {code for cells in rows("Endpoints") for code in codes(f"{cells[0]} {cells[1]}")}
    assert {code for code in named if " /" in code} <= {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS}
    beside = {"GET /", "GET /metrics"}
    assert {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS} - named <= beside


def test_every_member_of_the_status_is_there() -> None:
    named = {code for cells in rows("Members of `GET /status`") for code in codes(cells[0])}
    assert named
    assert named <= {field.encode_name for field in msgspec.structs.fields(Status)}


@pytest.mark.parametrize("cells", rows("Variables"), ids=lambda cells: cells[0])
def test_a_variable_has_the_default_that_is_told(cells: list[str]) -> None:
    known = settings.effective(settings.load({}, dotenv=None))
    told = cells[1].strip("`")
    for name in codes(cells[0]):
        assert known[name] == ("" if told == "none" else told)


@pytest.mark.parametrize("cells", rows("Fields"), ids=lambda cells: cells[0])
def test_a_field_is_one_that_entries_have(cells: list[str]) -> None:
    named = [word for code in codes(cells[1]) for word in code.split() if ":" not in word and not word.isdecimal()]
    assert named or "bitmart:" in cells[1]
    assert set(named) <= FIELDS | WORDS

"""An ingester's door for metrics and health: what it says, and to whom."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette

from bridge.control.probes import Subject, create_probes
from bridge.control.server import ControlServer
from bridge.errors import AddressInUseError
from bridge.metrics import MEMBERS, Sample
from bridge.values import Secret
from tests.control.support import TOKEN
from tests.scrapes import Scrape

ELSEWHERE = "203.0.113.7"


class Patient:
    """What is looked at."""

    def __init__(self) -> None:
        """Begin in good health."""
        self.ill: list[str] = []
        self.hindered: list[str] = []

    def samples(self) -> Iterator[Sample]:
        """One figure."""
        yield Sample(MEMBERS, 3)

    def app(self, token: str) -> Starlette:
        """The door."""
        return create_probes(
            Subject(self.samples, lambda: self.ill, lambda: self.hindered), Secret(token), "127.0.0.1:0"
        )


@asynccontextmanager
async def serving(patient: Patient, token: str = "") -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        ControlServer(patient.app(token), "127.0.0.1:0", setting="METRICS_ADDR") as server,
        httpx2.AsyncClient(base_url=server.url) as http,
    ):
        yield http


async def test_figures_are_served_as_prometheus_asks_for_them() -> None:
    async with serving(Patient()) as http:
        answer = await http.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert Scrape(answer.text)("members") == 3
        answer = await http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")


async def test_health_is_told_with_all_the_reasons_against_it() -> None:
    patient = Patient()
    async with serving(patient) as http:
        for path in ("/health/live", "/health/ready"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()) == (200, {"ok": True, "reasons": []})
        patient.hindered = ["one", "other"]
        assert (await http.get("/health/live")).status_code == 200
        answer = await http.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json() == {"ok": False, "reasons": ["one", "other"], "error": "one; other"}
        patient.ill = ["worse"]
        assert (await http.get("/health/live")).status_code == 503


async def test_the_token_is_asked_for_except_for_health() -> None:
    async with serving(Patient(), TOKEN) as http:
        assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/metrics", headers={"Authorization": "Bearer x"})).status_code == 403
        assert (await http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 200


async def test_without_a_token_nobody_from_elsewhere_sees_a_figure() -> None:
    app = Patient().app("")
    transport = httpx2.ASGITransport(app=app, client=(ELSEWHERE, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:1") as http:
        assert (await http.get("/metrics")).status_code == 403
        assert (await http.get("/health/ready")).status_code == 200
    async with serving(Patient()) as http:
        assert (await http.get("/metrics", headers={"X-Forwarded-For": ELSEWHERE})).status_code == 403
        assert (await http.get("/metrics", headers={"Host": "evil.example"})).status_code == 403
        assert (await http.get("/metrics", headers={"Origin": "https://evil.example"})).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("GET", "/status", 404), ("POST", "/metrics", 405)]
)
async def test_there_is_nothing_else(method: str, path: str, status: int) -> None:
    async with serving(Patient()) as http:
        answer = await http.request(method, path)
        assert answer.status_code == status
        assert answer.json().keys() == {"ok", "error"}


async def test_a_taken_address_is_told_by_the_name_of_its_setting() -> None:
    async with serving(Patient()) as http:
        taken = f"127.0.0.1:{http.base_url.port}"
        second = ControlServer(Patient().app(""), taken, setting="METRICS_ADDR")
        with pytest.raises(AddressInUseError, match=f"METRICS_ADDR {taken} is taken"):
            await second.start()

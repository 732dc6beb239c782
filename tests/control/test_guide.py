"""`/help` and `/openapi.json`: made of the table, and true."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2
import pytest

from bridge.control.endpoints.table import ENDPOINTS
from bridge.timeframes import Timeframe
from tests.control.support import TOKEN

pytestmark = pytest.mark.asyncio(loop_scope="session")

BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def test_help_lists_every_endpoint(api: httpx2.AsyncClient) -> None:
    answer = (await api.get("/help")).json()
    assert answer["ok"] is True
    assert list(answer["endpoints"]) == [f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS]
    assert all(answer["endpoints"].values())
    assert answer["supported_timeframes"] == list(Timeframe)


async def test_every_example_works_as_it_stands(api: httpx2.AsyncClient) -> None:
    for line in (await api.get("/help")).json()["example_requests"]:
        found = re.fullmatch(r"curl -s (?:-X (?P<method>\w+) )?'?(?P<url>[^' ]+)'?(?: -d '(?P<body>.*)')?", line)
        assert found, line
        url = found["url"].replace("timeout=5", "timeout=0")
        answer = await api.request(found["method"] or "GET", url, content=(found["body"] or "").encode())
        assert answer.is_success, f"{line}: {answer.text}"


async def test_with_a_token_the_examples_show_one(guarded: httpx2.AsyncClient) -> None:
    lines = (await guarded.get("/help", headers=BEARER)).json()["example_requests"]
    assert all('-H "Authorization: Bearer $CTRL_TOKEN"' in line for line in lines)


async def test_every_endpoint_answers_by_its_schema(api: httpx2.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        content = operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if "$ref" in content.get("application/json", {}).get("schema", {}):
            reference = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
            schema = schemas[reference.rpartition("/")[2]]
            answer = (await api.get(path)).json()
            assert set(schema["required"]) <= answer.keys() <= schema["properties"].keys(), path


async def test_the_document_is_whole(api: httpx2.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert operations.keys() == {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS}
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    assert operations["POST /subscribe"]["requestBody"]["required"] is True
    assert operations["POST /orders/subscribe"]["requestBody"]["required"] is False
    assert "requestBody" not in operations["GET /status"]
    assert "202" in operations["PUT /subscriptions"]["responses"]
    assert operations["GET /health/live"]["security"] == [{}]
    unresolved = [name for name in references(document) if not resolves(document, name)]
    assert unresolved == []


def references(node: Any) -> list[str]:  # noqa: ANN401 - any JSON
    return re.findall(r'"\$ref": "(.*?)"', json.dumps(node))


def resolves(document: dict[str, Any], reference: str) -> bool:
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        node = node.get(step)
        if node is None:
            return False
    return True

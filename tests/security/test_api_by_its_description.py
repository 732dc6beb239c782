"""The control API held against its own description by schemathesis, which tries what people would not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import BaseSchema, Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance

from bridge import exchanges
from bridge.control import ControlServer, create_app
from bridge.control.endpoints.table import ENDPOINTS
from bridge.store.embedded.server import EmbeddedServer
from tests.control.support import TOKEN, settings_for

EXAMPLES = 12
# A schema cannot tell all that a body must fulfil, such as that a symbol is one that could be: 422 says it then.
NOT_TOLD: list[Any] = [positive_data_acceptance]


@pytest.fixture(scope="module")
def url(valkey: EmbeddedServer) -> Iterator[str]:
    """A real API with a token, in a thread of its own, because schemathesis calls it without a loop."""
    chosen = settings_for(valkey.url, token=TOKEN, credentials=True)
    server = ControlServer(create_app(chosen, exchanges.chosen(chosen)), "127.0.0.1:0")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="api")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
        yield server.url
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def described(url: str) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{url}/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"})


@pytest.mark.parametrize(("method", "path"), [(row.method, row.path) for row in ENDPOINTS])
def test_whatever_is_sent_the_answer_is_one_that_the_description_knows(
    method: str, path: str, described: BaseSchema
) -> None:
    # Not being ready is an answer, not a failure.
    excluded = [*NOT_TOLD, not_a_server_error] if path == "/health/ready" else NOT_TOLD

    @given(case=described[path][method].as_strategy())
    @settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def holds(case: Case[Any]) -> None:
        if case.query and "wait" in case.query:
            case.query["timeout"] = 0.01  # nobody is there to wait for
        case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20, excluded_checks=excluded)

    holds()

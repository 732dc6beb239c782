"""`GET /openapi.json`: the table as OpenAPI 3.1, its schemas made of the very types that are read and written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from bridge import __version__
from bridge.control.answers import Failure
from bridge.control.auth import needs_token
from bridge.control.bodies import Nothing
from bridge.control.endpoints.endpoint import Endpoint
from bridge.control.waiting import DEFAULT_S, LONGEST_S

Node = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_ERRORS: Final = {
    "400": "The body is no JSON object",
    "401": "No token, or none that can be read",
    "403": "Who asks may not",
    "404": "There is no such thing",
    "413": "The body is too long",
    "422": "A member of the request is wrong: the answer names it",
    "429": "Too many wrong tokens, changes or requests from this address: Retry-After says how long to wait",
    "503": "Redis is out of reach",
}
_WAITING: Final[list[Node]] = [
    {
        "name": "wait",
        "in": "query",
        "description": "Answer when every live ingester has applied the change and its topics are active, or gone",
        "schema": {"type": "string", "enum": ["active"]},
    },
    {
        "name": "timeout",
        "in": "query",
        "description": "The longest wait in seconds; then the answer is 202",
        "schema": {"type": "number", "minimum": 0, "maximum": LONGEST_S, "default": DEFAULT_S},
    },
]


def document(endpoints: Sequence[Endpoint[Any]]) -> Node:
    """Return the document that describes `endpoints`."""
    paths: dict[str, Node] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bitmart-bridge control API",
            "version": __version__,
            "description": "Edits what is wanted and shows what is. Bodies are JSON, whatever their content type says.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(endpoints),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "CTRL_TOKEN, where one is set"}
            },
        },
    }


def _operation(endpoint: Endpoint[Any]) -> Node:
    words = [endpoint.method.lower(), *endpoint.path.strip("/").replace(".", "/").split("/")]
    operation: Node = {
        "operationId": "_".join(filter(None, words)),
        "summary": endpoint.text,
        "responses": _responses(endpoint),
        # The empty requirement says that, where no token is set, this machine needs none.
        "security": [{}, {"token": []}] if needs_token(endpoint.path) else [{}],
    }
    if endpoint.waits:
        operation["parameters"] = _WAITING
    if endpoint.body is not Nothing:
        operation["requestBody"] = {"required": not endpoint.body_optional, "content": _json(endpoint.body)}
    return operation


def _responses(endpoint: Endpoint[Any]) -> Node:
    found = {"200": {"description": "Done", "content": _content(endpoint)}}
    if endpoint.waits:
        found["202"] = {"description": "Stored, but not applied in time", "content": _json(endpoint.answer)}
    for status, text in _ERRORS.items():
        found[status] = {"description": text, "content": _json(Failure)}
    if endpoint.path == "/health/ready":
        found["503"]["content"] = _json(endpoint.answer)
    return found


def _content(endpoint: Endpoint[Any]) -> Node:
    if endpoint.media_type == "application/json":
        return _json(endpoint.answer)
    return {endpoint.media_type: {"schema": {"type": "string"}}}


def _json(kind: type[Struct] | None) -> Node:
    schema = {"$ref": _REF.format(name=kind.__name__)} if kind else {"type": "object"}
    return {"application/json": {"schema": schema}}


def _schemas(endpoints: Sequence[Endpoint[Any]]) -> Node:
    kinds = {Failure, *(kind for endpoint in endpoints for kind in (endpoint.answer, endpoint.body) if kind)} - {
        Nothing
    }
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    return msgspec.json.schema_components(ordered, ref_template=_REF)[1]

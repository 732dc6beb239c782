"""The page of the control API."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from bridge.control.bodies import Nothing
from bridge.control.endpoints.table import ENDPOINTS
from tests.reference.tables import code, first_line, table

_INTRODUCTION = """# Control API

Bodies and answers are JSON, whatever their content type. An error is `{"ok":false,"error":"...","field":"..."}`
and has changed nothing. Where it says "waits", `?wait=active&timeout=5` waits until the change is applied: 200,
or 202 with the reasons. `GET /openapi.json` tells the same to programs. This page is made of
`bridge/control/endpoints/table.py`.

"""


def page() -> str:
    """Return the page."""
    rows = [
        (
            code(f"{endpoint.method} {endpoint.path}"),
            endpoint.text + (" (waits)" if endpoint.waits else ""),
            _members(endpoint.body) if endpoint.body is not Nothing else "",
            _members(endpoint.answer) if endpoint.answer else "",
        )
        for endpoint in ENDPOINTS
    ]
    kinds = {endpoint.body for endpoint in ENDPOINTS if endpoint.body is not Nothing}
    bodies = "".join(
        f"* {_members(kind)}: {first_line(kind.__doc__)}\n" for kind in sorted(kinds, key=lambda kind: kind.__name__)
    )
    return _INTRODUCTION + table(("request", "what it does", "body", "answer"), rows) + "\n## Bodies\n\n" + bodies


def _members(kind: type[Struct]) -> str:
    return " ".join(
        code(field.encode_name) if field.required else f"[{code(field.encode_name)}]"
        for field in msgspec.structs.fields(kind)
    )

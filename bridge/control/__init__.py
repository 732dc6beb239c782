"""The HTTP API that people and bots drive with curl. RULE: edits wishes and reads state, through Redis alone.

It never talks to an ingester, knows the exchange by `exchanges.base` only, and keeps nothing of its own: any number of
them may run. `endpoints.table` says what there is; routes, `/help` and `/openapi.json` are made of that one table.
`auth` decides who may call, before anything of a request but its head is read.
"""

from bridge.control.app import create_app
from bridge.control.server import ControlServer

__all__ = ["ControlServer", "create_app"]

"""BitMart futures market and account state, as Redis Streams that any bot can read.

Ground floor: `records`, `timeframes`, `errors`, `values`, `settings`, `clock`, `backoff`, `log`. Above it, each room
with a rule of its own: `exchanges` (pure protocol), `store` (all that speaks Redis), `ingest` (all that speaks to an
exchange), `control` (the HTTP API), `simulator` (an exchange of our own). The doors are `app` and `cli`.
"""

__version__ = "0.1.0"

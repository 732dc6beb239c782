"""From an exchange into the store. RULE: the only code that opens connections to an exchange.

Pure parts: `subscriptions` (what a connection holds, and what to ask for next) and `candles` (what is open, what is
over). I/O: `connection` (one socket, kept open), `fetch` (REST). Joined by `reconciler` (wishes to connections),
`heartbeat` (what we tell the others) and `ingester` (the whole).
"""

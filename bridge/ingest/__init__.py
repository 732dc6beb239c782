"""From an exchange into the store. RULE: the only code that opens connections to an exchange.

`sockets` holds the exchange's sockets, `rest` asks by REST; `candles` decides what is over and proven, `account` what
was missed; `members` who serves what; `seen` tells the others. Joined by `router` (the hot path), `reconciler` (wishes
to connections) and `ingester` (the whole).
"""

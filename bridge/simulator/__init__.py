"""A BitMart on a free loopback port, with faults on demand.

The rule of this room: it imports nothing from the rest of the package. It was written from what is known of the wire,
not from the code that reads it, so that a misreading of the protocol cannot pass the tests by being shared.

Where there is evidence the simulator follows it; where there is none it makes a choice, says so beside the code, and
offers the other possibility as a switch of `Faults`.

    async with Simulator(Scenario(rate=60)) as exchange:
        ...  # connect to exchange.public_ws_uri, exchange.private_ws_uri, exchange.rest_uri
        exchange.faults.stall = True
        exchange.cut_sockets("public")
"""

from bridge.simulator.faults import Faults
from bridge.simulator.ledger import Ledger
from bridge.simulator.scenario import Scenario
from bridge.simulator.server import Simulator
from bridge.simulator.sockets.dialogue import login_signature
from bridge.simulator.stats import Stats
from bridge.simulator.trading.account import Account

__all__ = ["Account", "Faults", "Ledger", "Scenario", "Simulator", "Stats", "login_signature"]

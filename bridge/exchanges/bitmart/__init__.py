"""BitMart futures V2: the protocol as seen on the wire where it was seen, as documented where it was not.

The sources that docstrings in this folder name:

* *wire*: frames captured from the live service and published, 2023-12 to 2026-09;
* *docs*: the official futures V2 documentation, change log up to 2026-02;
* *unknown*: neither tells; what stands there is our choice.
"""

from bridge.exchanges.bitmart.exchange import BitMart

__all__ = ["BitMart"]

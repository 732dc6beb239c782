"""What changes, pushed to whoever looks on. RULE: Redis is read once for all of them, and nobody waits for a slow one.

A page gets a mailbox. What fills it are feeds, one for each stream that somebody looks at, and one watch over all that
is state and no stream. Both begin with the first page and end with the last. When Redis goes away all mailboxes are
closed: pages ask again and begin anew with what is true then.
"""

from bridge.control.live.live import Live

__all__ = ["Live"]

"""The page of all keys in Redis."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from bridge.store.keys import Keys
from tests.reference.tables import code, first_line, table

_INTRODUCTION = """# Keys

With the prefix `bitmart` (`BRIDGE_PREFIX`) and the account `main` (`BITMART_ACCOUNT`); `<x>` stands for a
variable part, `{}` is a hash tag of Redis Cluster: what shares one is on one node. This page is made of
`bridge/store/keys.py`.

"""


def page() -> str:
    """Return the page."""
    return _INTRODUCTION + table(("key", "what it holds"), _rows())


def _rows() -> Iterator[tuple[str, str]]:
    keys = Keys()
    for name, member in vars(Keys).items():
        if isinstance(member, property):
            yield code(getattr(keys, name)), first_line(member.__doc__)
        elif inspect.isfunction(member) and not name.startswith("_"):
            words = [f"<{word}>" for word in list(inspect.signature(member).parameters)[1:]]
            yield code(member(keys, *words)), first_line(member.__doc__)

"""`bitmart-bridge` is this door, and so is `python -m bridge`.

It stands before all imports: they take most of a start, and a Ctrl-C in the midst of them is no defect.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Load the command line and run it; a Ctrl-C before anything runs ends it without a word, with code 130."""
    # Who started us may have told us to ignore it, as shells tell what they run in the background.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until `bridge.signals` owns it: each command imports more, and an exception in the midst of an import may come
        # out as another one, or not at all.
        signal.signal(signal.SIGINT, _leave)
    try:
        from bridge import cli  # noqa: PLC0415 - the reason for this module

        cli.main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _leave(number: int, _: object) -> None:
    """End at once: nothing was begun that would have to end in order."""
    os._exit(128 + number)


if __name__ == "__main__":
    main()

"""The host's date of a process: wrong from the first moment, and stepped while it runs, as a host's date is.

That takes libfaketime, which answers in the system's place whoever asks for the date, and leaves the monotonic clock
alone. It comes with Debian's package `libfaketime` and, for Linux on x86-64, with the one of that name on PyPI; without
it the date is only shifted from within, once and for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.chaos.hurried import DATE_OFF

MISSING: Final = "libfaketime isn't here: no date is stepped while an ingester runs"
_NAME: Final = "libfaketime.so.1"
# How long the library goes on with what it read last.
_SEEN_S: Final = 1


def library() -> Path | None:
    """Return where the library is, if it is here."""
    package = find_spec("libfaketime")
    places = [Path(folder) for folder in package.submodule_search_locations or ()] if package else []
    found = [place / "vendor/libfaketime/src" / _NAME for place in places]
    found += sorted(Path("/usr/lib").glob(f"*/faketime/{_NAME}"))
    return next((path for path in found if path.is_file()), None)


class HostDate:
    """By how much the date is off that one program sees."""

    def __init__(self, file: Path, off_s: float) -> None:
        """Keep it in `file`, where the program's library looks."""
        self._file = file
        self._off_s = off_s
        self.step(off_s)

    def step(self, off_s: float) -> None:
        """Let the date jump to one that is so far off."""
        later = self._file.with_suffix(".next")
        later.write_text(f"{off_s:+g}s\n", encoding="ascii")
        later.replace(self._file)

    def right(self) -> None:
        """Let it jump back to where it was at the start."""
        self.step(self._off_s)

    def environment(self) -> Mapping[str, str]:
        """The variables that let a program see it."""
        found = library()
        if found is None:
            return {DATE_OFF: str(self._off_s)}
        return {
            "LD_PRELOAD": str(found),
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_CACHE_DURATION": str(_SEEN_S),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
        }

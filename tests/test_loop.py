"""Which loop a program runs on."""

from __future__ import annotations

import asyncio
import sys

import pytest

from bridge import loop


async def _kind() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_programs_run_on_uvloop_where_it_is_installed() -> None:
    pytest.importorskip("uvloop", reason="uvloop does not install on this platform")
    assert loop.run(_kind()) == "uvloop"


def test_without_uvloop_asyncios_own_loop_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop.run(_kind()) == "asyncio"

"""The reference pages say what the code says."""

from __future__ import annotations

import pytest

from tests.reference import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes_of_it_now(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), f"out of date: .venv/bin/python -m tests.reference writes docs/reference/{name}"

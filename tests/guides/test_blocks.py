"""Whatever a document shows to be typed or copied is run by a test."""

from __future__ import annotations

import pytest

from tests.guides.blocks import ROOT, RUN_BY, SHOWN, blocks, documents


@pytest.mark.parametrize("document", documents())
def test_every_block_is_run_by_a_test_or_only_shown(document: str) -> None:
    nobodys = [str(block) for block in blocks(document) if (document, block.language) not in RUN_BY]
    shown = [str(block) for block in blocks(document) if block.language == SHOWN]
    assert nobodys == shown, "a block without a test: name one in tests/guides/blocks.py"


@pytest.mark.parametrize("document", documents())
def test_every_fence_is_one_of_a_block(document: str) -> None:
    fences = [line for line in (ROOT / document).read_text(encoding="utf-8").splitlines() if "```" in line]
    assert len(fences) == 2 * len(list(blocks(document)))


@pytest.mark.parametrize(("where", "module"), RUN_BY.items())
def test_the_test_that_is_named_reads_that_document(where: tuple[str, str], module: str) -> None:
    document, language = where
    assert [block for block in blocks(document) if block.language == language]
    text = (ROOT / module).read_text(encoding="utf-8")
    assert "run_by(" in text or document.rpartition("/")[2] in text

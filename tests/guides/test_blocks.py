"""Whatever a document shows to be typed or copied is run by a test."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridge import settings
from tests.guides.blocks import ROOT, RUN_BY, SHOWN, blocks, documents
from tests.test_documents import FOREIGN


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


@pytest.mark.parametrize("document", documents())
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(document: str) -> None:
    place = (ROOT / document).parent
    astray = []
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / document).read_text(encoding="utf-8")):
        path, _, heading = link.partition("#")
        file = place / path if path else ROOT / document
        if not urlsplit(link).scheme and not (file.exists() and (not heading or heading in headings(file))):
            astray.append(link)
    assert astray == []


@pytest.mark.parametrize("document", documents())
def test_every_variable_named_is_one_that_somebody_reads(document: str) -> None:
    # Not `BTCUSDT_1`, a position.
    named = set(re.findall(r"`((?!BTCUSDT_)[A-Z]+(?:_[A-Z0-9]+)+)\b", (ROOT / document).read_text(encoding="utf-8")))
    assert not named - set(settings.variables()) - FOREIGN


def headings(file: Path) -> set[str]:
    """The names by which a page's headings are linked to."""
    found = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}

"""`docs/redis.md` and `docs/status-page.md`: a server takes what they say, and the bridge what they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
import redis

from bridge.control.live.live import MOST_MAILBOXES
from bridge.redis_url import parse
from bridge.store import client
from bridge.store.desired import Desired
from bridge.store.keys import Keys
from bridge.store.members import Card, Members
from bridge.values import Secret
from tests.consumers.support import candle, orders, publish, publish_closed
from tests.guides.blocks import ROOT
from tests.store.processes import Server

GUIDE: Final = (ROOT / "docs" / "redis.md").read_text(encoding="utf-8")
FORMS: Final = re.findall(r"^\| `([a-z+]+://[^`]+)`", GUIDE, re.MULTILINE)
CONFIGURED: Final = dict(re.findall(r"`((?:maxmemory-policy|append\w+|min-replicas-[a-z-]+)) (\w+)`", GUIDE))


@pytest.mark.parametrize("form", [form for form in FORMS if not form.endswith("://...")])
def test_every_form_of_a_url_is_understood_with_all_that_is_optional_and_without(form: str) -> None:
    form = form.replace(",...", "")
    whole = form.replace("[", "").replace("]", "")
    for text in (whole, re.sub(r"\[[^]]*\]", "", form)):
        url = parse(text.replace("database", "3"))
        assert url.addresses or url.path


def test_a_server_takes_the_settings_that_are_recommended(tmp_path: Path) -> None:
    assert set(CONFIGURED) == {"maxmemory-policy", "appendonly", "appendfsync", "min-replicas-to-write"}
    options = {name.replace("-", "_"): value for name, value in CONFIGURED.items()}
    with Server(tmp_path / "server", **options) as server:
        for name, value in CONFIGURED.items():
            assert server.control.config_get(name) == {name: value}


async def test_a_user_with_the_keys_and_the_channel_that_are_named_can_do_the_bridges_work(valkey_url: str) -> None:
    patterns = [f"~{pattern}" for pattern in re.findall(r"`(\{?bitmart:\*)`", GUIDE)]
    (channel,) = re.findall(r"its channel `([^`]+)`", GUIDE)
    assert len(patterns) == 2
    with redis.Redis.from_url(valkey_url) as administrator:
        administrator.execute_command("ACL", "SETUSER", "bridge", "on", ">word", "+@all", *patterns, f"&{channel}")
        url = valkey_url.replace("redis://", "redis://bridge:word@")
        store = client.commands(Secret(url))
        try:
            await Desired(store, Keys()).change("shared", add=["futures/order"])
            await Members(store, Keys(), 5).beat("one", Card("token"), {"public": "open"})
            await publish(url, candle(0), *orders(1))
            await publish_closed(url, candle(0, closed=1))
        finally:
            await store.aclose()
            administrator.execute_command("ACL", "DELUSER", "bridge")


def test_as_many_answers_that_go_on_are_open_at_most_as_the_page_says() -> None:
    told = (ROOT / "docs" / "status-page.md").read_text(encoding="utf-8")
    assert re.findall(r"At most (\d+) such answers", told) == [str(MOST_MAILBOXES)]

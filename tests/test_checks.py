"""What `check` tries before anything is started."""

from __future__ import annotations

import dataclasses

import pytest

from bridge.checks import checks
from bridge.settings import Settings
from bridge.simulator import Simulator
from bridge.values import Secret
from tests.ingest.rig import credentialless, market, nobody, quick
from tests.support import wait_until


async def tried(settings: Settings) -> tuple[bool, dict[str, str]]:
    """Whether all went well, and what was said of each thing."""
    said: list[str] = []
    good = await checks(settings, said.append)
    return good, dict(line.split(": ", 1) for line in said)


def pointed(simulator: Simulator, redis_url: str, **changes: object) -> Settings:
    return dataclasses.replace(quick(simulator), redis_url=Secret(redis_url), **changes)  # type: ignore[arg-type]


async def test_when_all_is_well_each_thing_says_so(valkey_url: str) -> None:
    async with market(start=None, rate=1.0) as simulator:
        good, said = await tried(pointed(simulator, valkey_url))

        async def exact() -> bool:
            _, told = await tried(pointed(simulator, valkey_url))
            return told["REST"] in ("ok, its clock is +0.0 s from ours", "ok, its clock is -0.0 s from ours")

        # A busy machine may take its time between the two clocks.
        await wait_until(exact, "the clocks agree")
    assert good
    assert list(said) == ["Redis", "REST", "public socket", "login"]
    assert said["Redis"].startswith("ok, valkey ")
    assert said["public socket"].startswith("ok, a ping was answered after ")
    assert said["login"] == "ok, the credentials are accepted"


async def test_a_login_is_signed_with_the_exchanges_time(valkey_url: str) -> None:
    async with market() as simulator:  # its date is not the host's
        good, said = await tried(pointed(simulator, valkey_url))
    assert good
    assert said["login"] == "ok, the credentials are accepted"


async def test_without_an_account_the_login_is_not_tried(valkey_url: str) -> None:
    async with market() as simulator:
        good, said = await tried(credentialless(pointed(simulator, valkey_url)))
        assert simulator.stats.logins == 0
    assert good
    assert said["login"] == "not tried, no credentials are set"


async def test_without_a_redis_url_it_says_what_up_does() -> None:
    async with market() as simulator:
        good, said = await tried(quick(simulator))
    assert good
    assert said["Redis"].startswith("ok, `up` will start a server of our own")


async def test_everything_is_tried_although_nothing_answers() -> None:
    with nobody() as address:
        good, said = await tried(
            dataclasses.replace(
                quick(market()),
                redis_url=Secret(f"redis://:the-password@{address}"),
                bitmart_rest_uri=f"http://{address}",
                bitmart_public_ws_uri=f"ws://{address}/api",
                bitmart_private_ws_uri=f"ws://{address}/user",
            )
        )
    assert not good
    assert list(said) == ["Redis", "REST", "public socket", "login"]
    assert all(text.startswith("FAILED, ") for text in said.values())
    assert "Connect call failed" in said["public socket"]
    assert "the-password" not in str(said)


@pytest.mark.parametrize(
    ("fault", "value", "failed"),
    [
        ("rest_403", "true", {"REST": "FAILED, HTTP 403 with a body", "login": "FAILED, HTTP 403 with a body"}),
        ("http_403_on_connect", "true", {"public socket": "FAILED, refused with HTTP 403", "login": "FAILED, refused"}),
        ("refuse_login", "true", {"login": "FAILED, access failed: openapi auth: apiKey simulator-****"}),
        ("login_silent", "true", {"login": "FAILED, no answer within the time allowed"}),
        ("no_pong", "true", {"public socket": "FAILED, no answer within the time allowed"}),
    ],
)
async def test_what_goes_wrong_is_told_and_the_rest_tried(
    valkey_url: str, fault: str, value: str, failed: dict[str, str]
) -> None:
    async with market() as simulator:
        simulator.faults.set(fault, value)
        good, said = await tried(pointed(simulator, valkey_url, connect_timeout_s=2))
    assert not good
    for name, text in said.items():
        assert text.startswith(failed.get(name, "ok, ")), name


async def test_a_wrong_password_of_redis_is_told_without_showing_it(valkey_url: str) -> None:
    host = valkey_url.partition("//")[2]
    async with market() as simulator:
        good, said = await tried(pointed(simulator, f"redis://nobody:the-password@{host}"))
    assert not good
    assert said["Redis"] == "FAILED, Redis refuses the user or password of REDIS_URL"

"""The forms of `REDIS_URL`."""

from __future__ import annotations

import pytest

from bridge.redis_url import SCHEMES, Kind, joined, parse, shown

LOCAL = (("localhost", 6379),)


@pytest.mark.parametrize(
    ("text", "kind", "addresses", "rest"),
    [
        ("redis://h", Kind.SINGLE, (("h", 6379),), ("", "", 0)),
        ("redis:///2", Kind.SINGLE, LOCAL, ("", "", 2)),
        ("redis://h:1/3", Kind.SINGLE, (("h", 1),), ("", "", 3)),
        ("rediss://h?db=4", Kind.SINGLE, (("h", 6379),), ("", "", 4)),
        ("redis://[::1]:1", Kind.SINGLE, (("::1", 1),), ("", "", 0)),
        ("unix:///run/r.sock?db=5", Kind.SINGLE, (), ("/run/r.sock", "", 5)),
        ("redis+sentinel://a,b:1/name", Kind.SENTINEL, (("a", 26379), ("b", 1)), ("", "name", 0)),
        ("rediss+sentinel://[::1],b/name/6", Kind.SENTINEL, (("::1", 26379), ("b", 26379)), ("", "name", 6)),
        ("redis+cluster://a:1,b", Kind.CLUSTER, (("a", 1), ("b", 6379)), ("", "", 0)),
        ("rediss+cluster://a/0", Kind.CLUSTER, (("a", 6379),), ("", "", 0)),
    ],
)
def test_each_form_is_understood(
    text: str, kind: Kind, addresses: tuple[tuple[str, int], ...], rest: tuple[str, str, int]
) -> None:
    url = parse(text)
    assert (url.kind, url.addresses, (url.path, url.service, url.database)) == (kind, addresses, rest)
    assert url.tls == text.startswith("rediss")


@pytest.mark.parametrize(
    ("credentials", "user", "password"),
    [
        ("", "", ""),
        ("bot@", "bot", ""),
        (":word@", "", "word"),
        ("bot:p%40s%2Fs@", "bot", "p@s/s"),
        ("bot:p@ss@", "bot", "p@ss"),
    ],
)
@pytest.mark.parametrize("form", ["redis://{}h", "unix://{}/s", "redis+sentinel://{}h,i/name", "rediss+cluster://{}h"])
def test_user_and_password_are_taken_out(form: str, credentials: str, user: str, password: str) -> None:
    text = form.format(credentials)
    assert (parse(text).user, parse(text).password) == (user, password)
    assert parse(text).addresses == parse(form.format("")).addresses
    assert shown(text) == form.format("")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "redis://",
        "word-of-mine",
        "http://:word-of-mine@h",
        "redis+unix:///word-of-mine",
        "redis://:word-of-mine@h:port",
        "redis://:word-of-mine@h:0",
        "redis://:word-of-mine@h:70000",
        "redis://:word-of-mine@[::1",
        "redis://:word-of-mine@a,b",
        "redis://:word-of-mine@h/one",
        "redis://:word-of-mine@h/1/2",
        "redis://:word/of-mine@h",
        "unix://:word-of-mine@",
        "unix://:word-of-mine@relative",
        "redis+sentinel://:word-of-mine@h",
        "redis+sentinel://:word-of-mine@h,/name",
        "redis+sentinel://:word-of-mine@h/name/db",
        "redis+cluster://:word-of-mine@",
        "redis+cluster://:word-of-mine@h/1",
        "redis+cluster://:word-of-mine@h?db=1",
    ],
)
def test_what_is_none_of_them_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as wrong:
        parse(text)
    assert "mine" not in str(wrong.value)
    assert all(part is None or "mine" not in str(part) for part in (wrong.value.__cause__,))


def test_nothing_secret_stands_in_a_repr() -> None:
    text = repr(parse("redis://user-of-mine:word-of-mine@h?sentinel_password=another-of-mine"))
    assert "mine" not in text
    assert "'h'" in text


def test_what_other_settings_say_is_joined_into_it() -> None:
    options = {"ssl_ca_certs": "/etc/a b.pem", "ssl_certfile": ""}
    whole = joined("rediss+sentinel://bot@a,b/name?x=1", "p@ss/w", options)
    assert whole == "rediss+sentinel://bot:p%40ss%2Fw@a,b/name?x=1&ssl_ca_certs=/etc/a%20b.pem"
    assert parse(whole).password == "p@ss/w"
    assert parse(whole).options == {"x": "1", "ssl_ca_certs": "/etc/a b.pem"}
    assert joined("unix:///s?db=1", "word", {}) == "unix://:word@/s?db=1"
    assert joined("redis://:old@h/1", "", {}) == "redis://:old@h/1"


@pytest.mark.parametrize(
    ("options", "unverified"),
    [
        ("", False),
        ("?ssl_cert_reqs=required", False),
        ("?ssl_check_hostname=true", False),
        ("?ssl_cert_reqs=none", True),
        ("?ssl_cert_reqs=optional", True),
        ("?ssl_check_hostname=False", True),
        ("?ssl_check_hostname=no", True),
    ],
)
def test_it_knows_whether_tls_is_to_look_closely(options: str, unverified: bool) -> None:  # noqa: FBT001 - of the table
    assert parse(f"rediss://h{options}").unverified == unverified
    assert not parse(f"redis://h{options}").unverified


def test_every_scheme_has_a_form() -> None:
    tails = {"unix": "/s", "redis+sentinel": "h/name", "rediss+sentinel": "h/name"}
    assert [parse(f"{scheme}://{tails.get(scheme, 'h')}").tls for scheme in SCHEMES].count(True) == 3

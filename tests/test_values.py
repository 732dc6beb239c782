"""How a setting is read from text: least and most accepted, beyond refused, secrets hidden."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import Field
from typing import Any, cast

import pytest

from bridge.values import Secret, choice, matching, seconds, secret, uri, whole


def reader(row: object) -> Callable[[str], Any]:
    read: Callable[[str], Any] = cast("Field[Any]", row).metadata["read"]
    return read


WHOLE = reader(whole(5, 1, 100, "a number"))
SECONDS = reader(seconds(5, 0.5, 60, "a time"))
CHOICE = reader(choice("text", ("text", "json"), "a form"))
URI = reader(uri("https://x", ("http", "https"), "an address"))
MATCHING = reader(matching("a", "[a-z]{1,3}", "1 to 3 small letters", "a word"))


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (WHOLE, "1", 1),
        (WHOLE, "100", 100),
        (WHOLE, "+7", 7),
        (WHOLE, "007", 7),
        (SECONDS, "0.5", 0.5),
        (SECONDS, "60", 60.0),
        (SECONDS, "1e1", 10.0),
        (CHOICE, "JSON", "json"),
        (URI, "http://host", "http://host"),
        (URI, "https://[::1]:8443/path?x=1", "https://[::1]:8443/path?x=1"),
        (MATCHING, "abc", "abc"),
    ],
)
def test_what_is_in_range_is_read(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize("text", ["0", "101", "-1", "1.0", "1_0", "", "x", "1e1", "٣", "9" * 5_000])
def test_a_whole_number_out_of_range_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected a whole number from 1 to 100, not '"):
        WHOLE(text)


@pytest.mark.parametrize("text", ["0.4", "60.1", "-1", "nan", "inf", "-inf", "", "1s", "1,5"])
def test_seconds_out_of_range_are_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected seconds from 0\.5 to 60, not '"):
        SECONDS(text)


def test_a_word_that_is_no_choice_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="expected one of text json, not 'xml'"):
        CHOICE("xml")


@pytest.mark.parametrize("text", ["", "abcd", "ABC", "ab\n", "a b"])
def test_a_text_must_match_from_end_to_end(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected 1 to 3 small letters, not"):
        MATCHING(text)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://host",
        "host",
        "https://",
        "https:///path",
        "https://user@host",
        "https://user:password@host",
        "https://:password@host",
        "https://[::1",
        "https://host:port",
        "https://host:0",
        "https://host:65536",
    ],
)
def test_a_uri_needs_a_scheme_and_a_host_and_takes_no_password(text: str) -> None:
    with pytest.raises(
        ValueError, match="expected a URI that begins with http:// or https:// and names a host"
    ) as wrong:
        URI(text)
    assert "password" not in str(wrong.value)


SHOWN = [str, repr, "{}".format, "%s".__mod__, lambda hidden: repr([hidden]), lambda hidden: f"{hidden!r} {hidden}"]


@pytest.mark.parametrize("show", SHOWN)
def test_a_secret_gives_away_neither_text_nor_length(show: Callable[[Secret], str]) -> None:
    assert show(Secret("hush")) == show(Secret("hush" * 20))
    assert "hush" not in show(Secret("hush"))


def test_a_secret_is_revealed_on_demand() -> None:
    hidden = reader(secret("a secret"))("hush")
    assert hidden.reveal() == "hush"
    assert copy.deepcopy(hidden).reveal() == "hush"


def test_no_secret_is_false_and_shows_as_nothing() -> None:
    assert not Secret()
    assert str(Secret()) == ""
    assert Secret("hush")

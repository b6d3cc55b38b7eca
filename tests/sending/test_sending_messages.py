"""What a reader's own fields may bring into her mail."""

from __future__ import annotations

import pytest

from newsletter.app import App
from newsletter.sending.messages import Fields


@pytest.fixture
def fields(app: App) -> Fields:
    return Fields(app.keys, "daily", "abcdefg2", "https://news.example.org", wanted=frozenset({"preferences_url"}))


@pytest.mark.parametrize("name", ["Ann", "Zoë", "Jean-Luc", "O’Neil", "李", "Ann B."])
def test_a_name_is_used_as_it_is(fields: Fields, name: str) -> None:
    assert fields.of(1, name)["first_name"] == name


@pytest.mark.parametrize(
    "name", ["http://evil.example/win", "www.evil.example", "{{unsubscribe_url}}", "<b>x</b>", "a@b.org"]
)
def test_a_name_that_is_a_link_or_code_gives_way_to_the_fallback(fields: Fields, name: str) -> None:
    assert fields.of(1, name)["first_name"] == ""


def test_links_nobody_follows_are_not_signed(fields: Fields) -> None:
    assert set(fields.of(1, None)) == {"first_name", "unsubscribe_url", "preferences_url"}

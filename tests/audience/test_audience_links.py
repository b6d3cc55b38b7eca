"""Unsubscribe links: what we signed is read back for ever, and nothing else is."""

from __future__ import annotations

import base64

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from newsletter.audience.links import ReaderLink, read_unsubscribe, sign_unsubscribe
from newsletter.store.keys import Key, KeyRing

OLD, NEW = Key("s1", b"o" * 48), Key("s2", b"n" * 48)
RING = KeyRing(Key("h1", b"h" * 48), (NEW, OLD))
TOKEN = sign_unsubscribe(RING, 42, "daily", "abcd2345")

IDS = st.integers(1, 2**63 - 1)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
SENDS = st.from_regex(r"[a-z2-7]{8}|", fullmatch=True)


@settings(deadline=None)
@given(IDS, NAMES, SENDS)
def test_every_link_we_sign_is_read_back(reader: int, newsletter: str, send: str) -> None:
    token = sign_unsubscribe(RING, reader, newsletter, send)
    assert read_unsubscribe(RING, token) == ReaderLink(reader, newsletter, send)


def test_a_token_is_short_url_safe_and_holds_no_address() -> None:
    assert len(TOKEN) < 120
    assert set(TOKEN) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    assert len(sign_unsubscribe(RING, 2**63 - 1, "n" * 63, "a" * 8)) <= 200


def test_a_link_signed_with_an_older_key_still_works() -> None:
    old = sign_unsubscribe(KeyRing(RING.hash, (OLD,)), 42, "daily", "abcd2345")
    assert old.startswith("s1.")
    assert TOKEN.startswith("s2.")
    assert read_unsubscribe(RING, old) == ReaderLink(42, "daily", "abcd2345")


def test_a_link_whose_key_is_gone_or_swapped_is_not_read() -> None:
    assert read_unsubscribe(KeyRing(RING.hash, (OLD,)), TOKEN) is None
    assert read_unsubscribe(KeyRing(RING.hash, (Key("s2", b"x" * 48),)), TOKEN) is None
    assert read_unsubscribe(KeyRing(RING.hash, ()), TOKEN) is None


@settings(deadline=None)
@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_changing_any_character_spoils_a_link(place: int, other: str) -> None:
    assume(other != TOKEN[place])
    assert read_unsubscribe(RING, TOKEN[:place] + other + TOKEN[place + 1 :]) is None


@settings(deadline=None)
@given(st.text(max_size=300))
@example("")
@example(TOKEN + "\n")
@example(" " + TOKEN)
@example(TOKEN + "=")
@example("s2." + "A" * 40)
@example("s2." + "A" * 1_000_000)
@example("ѕ2." + TOKEN[3:])
def test_nothing_else_is_taken_for_a_link(text: str) -> None:
    assert read_unsubscribe(RING, text) is None


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_no_bytes_pass_for_a_signature(junk: bytes) -> None:
    assert read_unsubscribe(RING, "s2." + base64.urlsafe_b64encode(junk).rstrip(b"=").decode()) is None

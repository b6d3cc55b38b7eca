"""An address has one normal form, however it is written, and hostile ones are refused with a reason."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.audience.addresses import LONGEST, address_hash, normalise, printable, unfit_name
from newsletter.errors import InputError
from newsletter.store.keys import Key

KEY = Key("h1", b"k" * 48)


def why_refused(written: str) -> str | None:
    try:
        normalise(written)
    except InputError as error:
        return error.problems[0].message
    return None


@pytest.mark.parametrize(
    "written",
    ["alice@example.com", "  alice@example.com\n", "ALICE@EXAMPLE.COM", "Alice@Example.Com", "alice@ｅxample.com"],
)
def test_spellings_of_one_mailbox_meet_in_one_normal_form(written: str) -> None:
    assert normalise(written).normal == "alice@example.com"


def test_mail_goes_to_the_spelling_given_with_its_domain_in_ascii() -> None:
    address = normalise("Alice.Smith@Bücher.Example.org")
    assert address.spelling == "Alice.Smith@Bücher.Example.org"
    assert address.ascii == "Alice.Smith@xn--bcher-kva.example.org"
    assert address.normal == "alice.smith@xn--bcher-kva.example.org"


def test_a_domain_in_unicode_and_in_punycode_is_the_same_reader() -> None:
    assert normalise("a@bücher.example.org").normal == normalise("A@XN--BCHER-KVA.example.org").normal
    composed, decomposed = "a@b\u00fccher.example.org", "a@bu\u0308cher.example.org"
    assert normalise(composed).normal == normalise(decomposed).normal


def test_dots_and_tags_are_left_alone() -> None:
    assert normalise("a.l.i.c.e+news@example.com").normal == "a.l.i.c.e+news@example.com"


def test_a_look_alike_domain_is_another_address() -> None:
    latin, cyrillic = normalise("alice@apple.example.com"), normalise("alice@аpple.example.com")
    assert latin.normal != cyrillic.normal
    assert cyrillic.ascii.isascii()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "It is empty."),
        ("   ", "It is empty."),
        ("a" * 10_240 + "@example.com", "It is 10252 characters long; an address has at most 254."),
        ("a" * 250 + "@example.com", "It is 262 characters long; an address has at most 254."),
        ("alice@example.com\r\nBcc: mallory@example.net", "It holds a control or invisible character (U+000D)."),
        ("alice\0@example.com", "It holds a control or invisible character (U+0000)."),
        ("alice\u200b@example.com", "It holds a control or invisible character (U+200B)."),
        ("\u202ealice@example.com", "It holds a control or invisible character (U+202E)."),
        ("jürgen@example.com", "Mail cannot reach an address with “ü” before the @: only a to z, digits and signs."),
        ("аlice@example.com", "Mail cannot reach an address with “а” before the @: only a to z, digits and signs."),
        (
            "Alice <alice@example.com>",
            "A display name and angle brackets around the email address are not permitted here.",
        ),
        ('"al ice"@example.com', "Quoting the part before the @-sign is not allowed here."),
        ("alice", "An email address must have an @-sign."),
        ("alice@", "There must be something after the @-sign."),
        ("@example.com", "There must be something before the @-sign."),
        ("alice@localhost", "The part after the @-sign is not valid. It should have a period."),
        ("alice@[127.0.0.1]", "A bracketed IP address after the @-sign is not allowed here."),
        ("alice..b@example.com", "An email address cannot have two periods in a row."),
        ("a@b@example.com", "The part after the @-sign contains invalid characters: '@'."),
        (
            "alice@news.test",
            "The part after the @-sign is a special-use or reserved name that cannot be used with email.",
        ),
        (
            "alice@example.com, bob@example.com",
            "The part after the @-sign contains invalid characters: ',', '@', SPACE.",
        ),
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(written: str, said: str) -> None:
    assert why_refused(written) == said


def test_the_error_names_the_address_on_one_line() -> None:
    with pytest.raises(InputError) as caught:
        normalise("a\nb\x1b[31m@example.com")
    assert str(caught.value) == ('address "a�b�[31m@example.com": It holds a control or invisible character (U+000A).')


@settings(deadline=None)
@given(st.text(max_size=300))
@example("a@" + "x" * 64 + ".com")
def test_any_text_is_either_refused_in_words_or_becomes_plain_ascii_that_is_its_own_normal_form(text: str) -> None:
    refusal = why_refused(text)
    if refusal is not None:
        assert refusal.endswith(".")
        assert "\n" not in refusal
        return
    address = normalise(text)
    assert address.ascii.isascii()
    assert len(address.ascii) <= LONGEST
    assert normalise(address.ascii).normal == address.normal


LOCAL = st.text("abcXYZ019.+-_'! \"@é", min_size=0, max_size=70)
DOMAIN = st.sampled_from(["example.com", "EXAMPLE.org", "bücher.example.net", "localhost", "x..com", "-x.com", "test"])


@settings(deadline=None)
@given(LOCAL, DOMAIN)
def test_the_quick_way_for_plain_addresses_agrees_with_the_library(local: str, domain: str) -> None:
    written = f"{local}@{domain}".strip()
    try:
        expected = validate_email(written, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        assert why_refused(written) is not None
        return
    assert normalise(written).normal == f"{expected.local_part.lower()}@{expected.ascii_domain}"


def test_the_hash_names_its_key_and_needs_it() -> None:
    found = address_hash("alice@example.com", KEY)
    assert found.startswith("h1:")
    assert len(found) == len("h1:") + 64
    assert found == address_hash("alice@example.com", KEY)
    assert found != address_hash("alice@example.com", Key("h1", b"x" * 48))
    assert found != address_hash("bob@example.com", KEY)


def test_hostile_text_cannot_act_on_a_terminal() -> None:
    assert printable("a\x1b[2Jb\r\nc") == "a�[2Jb��c"
    assert len(printable("x" * 1000)) == 60


@pytest.mark.parametrize("name", ["", "Zoë", "O'Hara", "J. R. R.", "Anna-Lena {Lena}", "Ng & Söhne; 50%", "山田"])
def test_a_name_to_be_called_by_is_left_in_peace(name: str) -> None:
    assert unfit_name(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [("see http://x.example", "://"), ("WWW.x.example", "www."), ("<b>", "<"), ("a>", ">"), ("{{first_name}}", "{{"),
     ("eve@example.org", "@"), ("eve＠example", "@"), ("ｗｗｗ．x", "www."), ("a\nb", "line break"),
     ("a\r", "line break"), ("a\u2028b", "line break")],
)  # fmt: skip
def test_a_name_that_would_be_a_link_or_code_in_a_mail_is_refused_with_the_reason(name: str, why: str) -> None:
    assert why in (unfit_name(name) or "")

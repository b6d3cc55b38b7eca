"""Waivers: by name, with a reason, recorded; and never for what the law asks."""

from __future__ import annotations

import pytest
from newsdesk import DIGEST, a_build
from sqlalchemy import insert

from newsletter.app import App
from newsletter.errors import Place, Refused
from newsletter.preflight.findings import Finding, Severity
from newsletter.preflight.rules import RULES
from newsletter.preflight.waivers import blocking, read_waive_options, read_waivers, record_waivers
from newsletter.store.tables import builds


@pytest.fixture
def build(app: App) -> str:
    made = a_build()
    with app.store.write() as connection:
        connection.execute(
            insert(builds).values(hash=made.hash, newsletter="daily", issue="x", date=made.date, built_at=app.now())
        )
    return made.hash


def finding(rule: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(rule, severity, Place("x"), "m", "r")


def test_a_waiver_is_kept_with_who_why_and_when(app: App, build: str) -> None:
    record_waivers(app.store, build, {"DATE": " rehearsal of an old issue "}, person="ada", now=app.now())
    with app.store.read() as connection:
        [found] = read_waivers(connection, build)
        assert read_waivers(connection, DIGEST) == []
    assert (found.rule, found.person, found.reason, found.at) == (
        "DATE",
        "ada",
        "rehearsal of an old issue",
        app.now(),
    )


def test_the_first_word_on_a_rule_stands(app: App, build: str) -> None:
    record_waivers(app.store, build, {"DATE": "first"}, person="ada", now=app.now())
    record_waivers(app.store, build, {"DATE": "second", "LINK": "known"}, person="bob", now=app.now())
    with app.store.read() as connection:
        assert [(w.rule, w.reason, w.person) for w in read_waivers(connection, build)] == [
            ("DATE", "first", "ada"),
            ("LINK", "known", "bob"),
        ]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("DAET=x", "Did you mean `DATE`?"),
        ("date=x", "Did you mean `DATE`?"),
        ("DATE=", "needs a reason"),
        ("DATE=   ", "needs a reason"),
        ("DATE", "needs a reason"),
        ("UNSUB=we are sure", "cannot be waived: the law"),
        ("SOURCE=x", "cannot be waived"),
    ],
)
def test_a_waiver_that_says_nothing_usable_is_refused(app: App, build: str, option: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        read_waive_options([option])
    assert words in str(caught.value)
    rule, _, reason = option.partition("=")
    with pytest.raises(Refused):
        record_waivers(app.store, build, {rule: reason}, person="ada", now=app.now())
    with app.store.read() as connection:
        assert read_waivers(connection, build) == []


def test_options_are_read_as_typed() -> None:
    assert read_waive_options(["DATE=rehearsal = fun", " LINK = b "]) == {"DATE": "rehearsal = fun", "LINK": "b"}


def test_errors_block_unless_waived_by_name() -> None:
    found = [finding("DATE"), finding("LINK"), finding("SUBJ", Severity.WARNING), finding("PREH", Severity.INFO)]
    assert blocking(found, ()) == found[:2]
    assert blocking(found, {"DATE"}) == [found[1]]
    assert blocking(found, {"DATE", "LINK"}) == []


def test_what_the_law_asks_blocks_whatever_was_waived() -> None:
    found = [finding("UNSUB"), finding("SOURCE")]
    assert blocking(found, {"UNSUB", "SOURCE"}) == found


def test_every_rule_says_why_it_exists_in_one_line() -> None:
    assert all(rule.why and "\n" not in rule.why and len(rule.id) <= 32 for rule in RULES.values())

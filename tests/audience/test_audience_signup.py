"""Signing up: a request counts for nothing and tells nothing; the owner of the mailbox makes it a consent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select, update

from newsletter.app import App, open_app
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import MAILABLE, Suppressed
from newsletter.audience.explain import explain
from newsletter.audience.proofs import Visit
from newsletter.audience.signup import Requested, SignUp, State, confirm, look_up, request
from newsletter.audience.suppression import suppress
from newsletter.audience.unsubscribe import unsubscribe_address
from newsletter.errors import InputError
from newsletter.store.tables import (
    consent,
    metadata,
    proofs,
    service_mails,
    signups,
    subscribers,
    subscriptions,
    suppressions,
    wordings,
)

NOW = datetime.fromisoformat("2024-10-10T10:30:00+00:00")
DAY = timedelta(days=1)
ADA = "Ada@example.org"
VISIT = Visit("192.0.2.7", "Firefox")
WEEKLY = """
[newsletters.weekly]
name = "Weekly"
list_id = "weekly.news.example.org"
from_name = "Weekly"
from_address = "weekly@news.example.org"
timezone = "Europe/London"
organisation = "The Meridian"
postal_address = "1 Example Street, Springfield"
why_receiving = "You signed up."
policies = [{ version = "2024", effective = 2024-01-01, change = "editorial", summary = "First." }]

[signup]
per_address_a_day = 50
per_network_an_hour = 500
"""


@dataclass
class Form:
    """The verbs of signing up, bound to a newsroom with a daily and a weekly."""

    app: App
    reader: str = ADA

    def request(self, address: str | None = None, *newsletters: str, **changed: Any) -> Requested:
        address = self.reader if address is None else address
        chosen = dict.fromkeys(newsletters or ("daily",), "1")
        options = {"address": address, "newsletters": chosen, "lang": None, "source": "sign-up page", **changed}
        options = {"visit": VISIT, "now": NOW, **options}
        return request(self.app.store, self.app.workspace, self.app.keys, **options)

    def confirm(self, number: int = 1, *, now: datetime = NOW) -> SignUp:
        visit = Visit("198.51.100.9", "Thunderbird")
        return confirm(self.app.store, self.app.workspace, number, visit=visit, now=now)

    def look_up(self, number: int = 1, *, now: datetime = NOW) -> SignUp:
        return look_up(self.app.store, self.app.workspace, number, now=now)

    def leaves(self, now: datetime = NOW) -> None:
        unsubscribe_address(
            self.app.store, self.app.keys, self.reader, newsletter="daily", source="page", now=now, actor="reader"
        )

    def suppress(self, reason: Suppressed, scope: str = "*") -> None:
        with self.app.store.write() as connection:
            suppress(connection, self.hash(), reason=reason, source="test", at=NOW, scope=scope)

    def erase(self, at: datetime = NOW) -> None:
        """What erasure leaves behind: the row's id and hash, and a suppression."""
        self.suppress(Suppressed.ERASURE)
        with self.app.store.write() as connection:
            row = subscribers.c.address_hash == self.hash()
            connection.execute(update(subscribers).where(row).values(address=None, first_name=None, erased_at=at))

    def hash(self) -> str:
        return address_hash(normalise(self.reader).normal, self.app.keys.hash)

    def reason(self, newsletter: str = "daily", at: datetime = NOW) -> str:
        options = {"newsletter": newsletter, "settings": self.app.settings.newsletters[newsletter], "at": at}
        return explain(self.app.store, self.app.keys, self.reader, **options).reason

    def rows(self, table: Any) -> list[Any]:
        with self.app.store.read() as connection:
            return list(connection.execute(select(table)).all())

    def mails(self, kind: str = "confirm") -> list[Any]:
        return [row for row in self.rows(service_mails) if row.kind == kind]

    def count(self) -> dict[str, int]:
        with self.app.store.read() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }


@pytest.fixture
def form(make_workspace: Callable[..., Path]) -> Iterator[Form]:
    app = open_app(make_workspace(WEEKLY), now=lambda: NOW)
    yield Form(app)
    app.store.close()


# -- the request ------------------------------------------------------------------------------------------------------


def test_a_request_records_what_was_asked_and_owes_one_mail_but_lists_nobody(form: Form) -> None:
    assert form.request(" Ada@example.org ", "daily", "weekly") == Requested("Ada@example.org")
    [reader] = form.rows(subscribers)
    assert (reader.address, reader.address_hash, reader.lang) == ("Ada@example.org", form.hash(), "en")
    entries = form.rows(consent)
    assert [(e.newsletter, e.event, e.basis, e.source, e.actor) for e in entries] == [
        ("daily", "requested", "express", "sign-up page", "reader"),
        ("weekly", "requested", "express", "sign-up page", "reader"),
    ]
    assert [e.policy_version for e in entries] == [None, "2024"]
    assert {e.wording_hash for e in entries} == {row.hash for row in form.rows(wordings)}
    assert {(p.consent_id, p.network_address, p.agent) for p in form.rows(proofs)} == {
        (e.id, "192.0.2.7", "Firefox") for e in entries
    }
    [mail] = form.mails()
    [signup] = form.rows(signups)
    assert (mail.request, mail.reference, mail.subscriber_id) == (f"confirm:{signup.id}", signup.id, reader.id)
    assert form.rows(subscriptions) == []
    assert form.reason() == "unconfirmed"


def test_another_spelling_of_a_known_address_does_not_replace_the_one_on_record(form: Form) -> None:
    form.request("Ada@example.org")
    form.request("ADA@EXAMPLE.ORG")
    form.request("ada@ｅxample.org")
    assert [row.address for row in form.rows(subscribers)] == ["Ada@example.org"]


def test_an_erased_reader_who_asks_again_stays_erased_until_she_confirms(form: Form) -> None:
    form.request()
    form.confirm()
    form.erase()
    form.request()
    [reader] = form.rows(subscribers)
    assert (reader.address, reader.erased_at) == (ADA, NOW)
    assert form.reason() == "erased"
    assert form.confirm(2).state is State.DONE
    assert form.rows(subscribers)[0].erased_at is None
    assert form.reason() == MAILABLE
    assert form.rows(suppressions) == []


@contextmanager
def statements(app: App) -> Iterator[list[str]]:
    """Every statement sent to the database, without its values."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(app.store.engine, "before_cursor_execute", note)
    yield seen
    event.remove(app.store.engine, "before_cursor_execute", note)


def left(form: Form, number: int) -> None:
    form.confirm(number)
    form.leaves()


def erased(form: Form, number: int) -> None:
    form.confirm(number)
    form.erase()


def purged(form: Form, number: int) -> None:
    with form.app.store.write() as connection:
        connection.execute(signups.delete().where(signups.c.id == number))
        connection.execute(update(subscribers).where(subscribers.c.address_hash == form.hash()).values(address=None))


CASES: dict[str, Callable[[Form, int], object]] = {
    "asked@example.org": lambda form, number: None,
    "often@example.org": lambda form, number: [form.request() for _ in range(4)],
    "confirmed@example.org": lambda form, number: form.confirm(number),
    "left@example.org": left,
    "erased@example.org": erased,
    "purged@example.org": purged,
    "complained@example.org": lambda form, number: form.suppress(Suppressed.COMPLAINT),
    "bounced@example.org": lambda form, number: form.suppress(Suppressed.HARD_BOUNCE),
    "manual@example.org": lambda form, number: form.suppress(Suppressed.MANUAL),
}


def test_whatever_is_known_of_an_address_a_request_runs_the_same_statements_and_answers_the_same(form: Form) -> None:
    """Nobody can find out by timing or by the answer who reads what."""
    with statements(form.app) as unknown:
        answer = form.request("nobody@example.org")
    assert len(unknown) > 10
    for address, happens in CASES.items():
        form.reader = address
        form.request()
        happens(form, max(row.id for row in form.rows(signups)))
        with statements(form.app) as known:
            assert form.request(address.upper()) == replace(answer, address=address.upper())
        assert known == unknown, address


UNUSABLE: list[tuple[dict[str, Any], list[str]]] = [
    ({"address": "no address"}, ["email"]),
    ({"address": "a@example.org\r\nBcc: b@example.org"}, ["email"]),
    ({"address": "a\x00@example.org"}, ["email"]),
    ({"address": "x" * 10_000 + "@example.org"}, ["email"]),
    ({"address": "adа@example.org"}, ["email"]),  # the second a is Cyrillic
    ({"newsletters": {}}, ["newsletters"]),
    ({"newsletters": {"daily": "1", "none": "1"}}, ["newsletters"]),
    ({"newsletters": {"daily": "0"}}, ["consent_version"]),
    ({"lang": "en\nX: y"}, ["lang"]),
    ({"address": "", "newsletters": {"no\x00ne": "1"}, "lang": "?" * 99}, ["email", "newsletters", "lang"]),
]


def test_a_request_that_cannot_be_used_is_refused_by_field_and_stores_nothing(form: Form) -> None:
    before = form.count()
    for changed, fields in UNUSABLE:
        with pytest.raises(InputError) as refused:
            form.request(**changed)
        assert [problem.place.file for problem in refused.value.problems] == fields
    assert form.count() == before


def test_a_look_alike_domain_is_another_mailbox(form: Form) -> None:
    form.request("ada@example.org")
    form.request("ada@exаmple.org")  # a Cyrillic а
    assert len(form.rows(subscribers)) == 2


def test_while_a_request_waits_its_mail_is_sent_once_more_at_most(form: Form) -> None:
    for hours in range(0, 6 * 24, 8):
        form.request(now=NOW + timedelta(hours=hours))
    assert len(form.mails()) == 2
    assert len(form.rows(signups)) == 18
    form.request(now=NOW + 8 * DAY)
    assert len(form.mails()) == 3, "after its time is over the next request is a first one again"


def test_requests_that_were_owed_no_mail_do_not_keep_the_mailbox_from_ever_getting_one(form: Form) -> None:
    """Or else somebody could lock an address out by asking for it every day."""
    for day in range(30):
        form.request(now=NOW + day * DAY)
    asked = sorted(row.queued_at for row in form.mails())
    assert len(asked) == 10
    assert all(third - first >= 7 * DAY for first, third in zip(asked, asked[2:], strict=False))


def test_a_confirmed_request_does_not_count_as_waiting(form: Form) -> None:
    for number in (1, 2, 3):
        form.request(now=NOW + number * timedelta(minutes=1))
        assert form.confirm(number, now=NOW + number * timedelta(minutes=1)).state is State.DONE
        form.leaves(NOW + number * timedelta(minutes=2))
    assert len(form.mails()) == 3


# -- the confirmation -------------------------------------------------------------------------------------------------


def test_confirming_makes_the_consent_keeps_its_proof_and_owes_one_welcome_each(form: Form) -> None:
    form.request(ADA, "daily", "weekly")
    assert form.look_up() == SignUp(State.WAITING, ("daily", "weekly"))
    done = SignUp(State.DONE, ("daily", "weekly"))
    assert form.confirm(now=NOW + DAY) == done
    assert [form.reason(name, NOW + DAY) for name in ("daily", "weekly")] == [MAILABLE, MAILABLE]
    entries = [row for row in form.rows(consent) if row.event == "confirmed"]
    assert [(e.newsletter, e.source, e.occurred_at) for e in entries] == [
        ("daily", "sign-up page", NOW + DAY),
        ("weekly", "sign-up page", NOW + DAY),
    ]
    assert {p.agent for p in form.rows(proofs) if p.consent_id in {e.id for e in entries}} == {"Thunderbird"}
    assert {mail.request for mail in form.mails("welcome")} == {f"welcome:{e.newsletter}:{e.id}" for e in entries}
    assert form.look_up(now=NOW + DAY) == done


def test_confirming_again_says_the_same_and_writes_nothing(form: Form) -> None:
    form.request()
    first = form.confirm()
    before = form.count()
    assert form.confirm(now=NOW + DAY) == first
    assert form.count() == before


def test_who_gets_it_already_is_welcomed_no_second_time(form: Form) -> None:
    form.request()
    form.request(ADA, "daily", "weekly", now=NOW)
    form.confirm(1)
    form.confirm(2)
    assert sorted(mail.newsletter for mail in form.mails("welcome")) == ["daily", "weekly"]


def test_one_who_left_comes_back_by_confirming_and_is_welcomed_again(form: Form) -> None:
    form.request()
    form.confirm()
    form.leaves()
    form.suppress(Suppressed.UNSUBSCRIBE)
    form.request()
    assert form.reason() == "unsubscribed"
    assert form.confirm(2).state is State.DONE
    assert form.reason() == MAILABLE
    assert len(form.mails("welcome")) == 2


@pytest.mark.parametrize("reason", [Suppressed.COMPLAINT, Suppressed.HARD_BOUNCE, Suppressed.MANUAL])
def test_a_complaint_or_hard_bounce_keeps_her_out_though_she_confirmed(form: Form, reason: Suppressed) -> None:
    form.request(ADA, "daily", "weekly")
    form.suppress(reason, scope="daily")
    assert form.confirm() == SignUp(State.DONE, ("daily", "weekly"), kept_out=("daily",))
    assert form.confirm().kept_out == ("daily",)
    assert form.reason() == f"suppressed-{reason}"
    assert form.reason("weekly") == MAILABLE
    assert [mail.newsletter for mail in form.mails("welcome")] == ["weekly"]


def test_a_request_too_old_unknown_or_of_an_erased_reader_is_gone_and_confirming_it_writes_nothing(form: Form) -> None:
    form.request()
    cases = [(1, NOW + 7 * DAY), (99, NOW)]
    before = form.count()
    for number, at in cases:
        assert form.confirm(number, now=at) == form.look_up(number, now=at) == SignUp(State.GONE)
    assert form.count() == before
    form.erase(NOW + timedelta(hours=1))
    form.request(now=NOW + timedelta(hours=2))
    before = form.count()
    assert form.confirm(1, now=NOW + timedelta(hours=3)).state is State.GONE, "asked for before she had herself erased"
    assert form.count() == before


def test_a_used_link_brings_nobody_back_who_left_since(form: Form) -> None:
    form.request()
    form.confirm()
    form.leaves()
    before = form.count()
    assert form.confirm().state is State.GONE
    assert form.count() == before


def test_a_newsletter_that_was_given_up_since_is_left_out(form: Form) -> None:
    form.request()
    row = {"subscriber_id": 1, "lang": "en", "source": "form", "requested_at": NOW}
    with form.app.store.write() as connection:
        connection.execute(insert(signups).values(**row, newsletters='["former"]'))
        connection.execute(insert(signups).values(**row, newsletters='["former", "daily"]'))
    assert form.confirm(2).state is State.GONE
    assert form.confirm(3) == SignUp(State.DONE, ("daily",))

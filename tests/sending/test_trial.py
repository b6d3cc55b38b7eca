"""An issue to colleagues: marked, harmless, at most once, recorded without an address, and no part of any account."""

from __future__ import annotations

import email
import email.policy
import json
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from fastapi.testclient import TestClient
from segmented import ISSUE, WORDS, build_of, write_newsroom
from sending_rig import ACCEPT, IMPATIENT, LOST, MORNING, REFUSE, TOO_FAST, Memory, account_of, add_readers, frozen
from sqlalchemy import select
from typer.testing import CliRunner, Result

from newsletter.app import App
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Suppressed
from newsletter.audience.links import Purpose, read_reader
from newsletter.audience.suppression import suppress
from newsletter.cli.root import cli
from newsletter.config import Workspace
from newsletter.errors import InputError, NotFound
from newsletter.rendering.build import Build
from newsletter.sending.control import pause
from newsletter.sending.send import Report, send_issue
from newsletter.sending.trial import Outcome, Trial, send_tests
from newsletter.store.tables import deliveries, test_mails
from newsletter.transports.mail import Quota, Recipient
from newsletter.web.public.site import create_site

ANN, BEN = "ann@example.org", "Ben@example.org"


@pytest.fixture
def build(app: App) -> Build:
    write_newsroom(app)
    return frozen(app, build_of(app))


def tried(app: App, build: Build, *addresses: str, transport: Any = None, **more: str) -> list[Outcome]:
    way = transport or app.post()
    trial = Trial(build, person="ed", **more)
    waited: list[float] = []
    return send_tests(
        app.store, app.workspace, app.keys, way, trial, addresses=addresses, now=MORNING, wait=waited.append
    )


def rows(app: App) -> list[dict[str, Any]]:
    with app.store.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(test_mails).order_by(test_mails.c.id))]


def mails(app: App) -> list[EmailMessage]:
    found = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted(app.workspace.outbox.rglob("*.eml"))
    ]
    return [message for message in found if isinstance(message, EmailMessage)]


def barred(app: App, address: str, reason: Suppressed) -> None:
    with app.store.write() as connection:
        hashed = address_hash(normalise(address).normal, app.keys.hash)
        suppress(connection, hashed, reason=reason, source="test", at=MORNING)


def test_a_test_is_the_readers_mail_with_its_subject_marked_and_links_that_do_nothing(app: App, build: Build) -> None:
    done = tried(app, build, ANN, BEN, variant="german", reader_name="Ada")
    assert [outcome.state for outcome in done] == ["accepted", "accepted"]
    message = mails(app)[0]
    assert message["Subject"] == "[Test] Walls at home, troops abroad"
    assert message["List-Unsubscribe"] == "<https://news.example.org/test-mail>"
    html = message.get_body(("html",))
    assert html is not None
    assert WORDS["german"] in html.get_content()
    assert "/u/" not in html.get_content()
    with app.store.read() as connection:
        assert connection.execute(select(deliveries)).all() == []


def test_its_record_holds_no_address(app: App, build: Build) -> None:
    tried(app, build, ANN, transport=Memory(lambda recipient: replace(REFUSE, reason=f"<{ANN}> is unknown")))
    [row] = rows(app)
    assert row["address_hash"] == address_hash(ANN, app.keys.hash)
    assert "ann@" not in repr(row)
    assert (row["kind"], row["state"], row["person"], row["send_id"]) == ("test", "refused", "ed", None)


@pytest.mark.parametrize("reason", [Suppressed.COMPLAINT, Suppressed.HARD_BOUNCE, Suppressed.ERASURE])
def test_who_must_not_be_mailed_is_refused_with_the_reason(app: App, build: Build, reason: Suppressed) -> None:
    barred(app, ANN, reason)
    transport = Memory()
    refused, accepted = tried(app, build, "ANN@example.org", BEN, transport=transport)
    assert (refused.state, str(reason) in refused.reason) == ("refused", True)
    assert accepted.state == "accepted"
    assert [recipient.address for recipient in transport.taken] == ["Ben@example.org"]


def test_who_has_unsubscribed_may_still_look_at_a_test(app: App, build: Build) -> None:
    barred(app, ANN, Suppressed.UNSUBSCRIBE)
    assert [outcome.state for outcome in tried(app, build, ANN)] == ["accepted"]


def test_each_address_once_and_not_too_many(app: App, build: Build) -> None:
    transport = Memory()
    tried(app, build, ANN, "ANN@example.org", transport=transport)
    assert len(transport.taken) == 1
    with pytest.raises(InputError, match="21 addresses are too many"):
        tried(app, build, *(f"a{number}@example.org" for number in range(21)))
    with pytest.raises(InputError, match="nobody is named"):
        tried(app, build)
    with pytest.raises(InputError, match="nobody here"):
        tried(app, build, "nobody here", ANN)
    with pytest.raises(NotFound, match="Did you mean `german`"):
        tried(app, build, ANN, variant="germann")


def test_a_lost_answer_is_told_and_being_too_fast_is_tried_again(app: App, build: Build) -> None:
    answers = iter([LOST, TOO_FAST, ACCEPT, TOO_FAST, TOO_FAST, TOO_FAST])
    transport = Memory(lambda _: next(answers), allowed=Quota(rate=10, left_today=None))
    done = tried(app, build, "a@example.org", "b@example.org", "c@example.org", transport=transport)
    assert [outcome.state for outcome in done] == ["uncertain", "accepted", "refused"]
    assert [row["state"] for row in rows(app)] == ["uncertain", "accepted", "refused"]


def test_its_tag_is_taken_for_no_readers(app: App, build: Build) -> None:
    from newsletter.feedback.vocabulary import TAG

    transport = Memory()
    tried(app, build, ANN, transport=transport)
    assert not TAG.fullmatch(transport.taken[0].tag)


def test_a_test_mails_links_say_that_they_do_nothing(app: App) -> None:
    with TestClient(create_site(app), base_url="https://news.example.org") as client:
        for path in ("/test-mail", "/test-mail/walls/1"):
            assert "This was a test" in client.get(path).text
            assert client.head(path).status_code == 200
        done = client.post("/test-mail", content="List-Unsubscribe=One-Click")
        assert (done.status_code, "nobody was unsubscribed" in done.text) == (200, True)
    assert read_reader(app.keys, Purpose.UNSUBSCRIBE, "test-mail") is None


# -- seeds ------------------------------------------------------------------------------------------------------------


def with_seeds(app: App, *seeds: str) -> Workspace:
    daily = app.settings.newsletters["daily"].model_copy(update={"seeds": seeds})
    settings = app.settings.model_copy(update={"newsletters": {"daily": daily}})
    return replace(app.workspace, settings=settings)


def sent(app: App, workspace: Workspace, build: Build, transport: Memory, **more: Any) -> Report:
    return send_issue(
        app.store,
        workspace,
        app.keys,
        transport,
        build,
        person="ed",
        waived_date=True,
        now=app.now,
        patience=IMPATIENT,
        **more,
    )


def seeded(transport: Memory) -> list[str]:
    return [recipient.address for recipient in transport.taken if recipient.tag.startswith("seed-")]


def to_readers(transport: Memory) -> int:
    return sum(not recipient.tag.startswith("seed-") for recipient in transport.taken)


def test_every_seed_gets_the_issue_once_and_is_in_no_account(app: App, build: Build) -> None:
    add_readers(app, 5)
    transport = Memory()
    report = sent(app, with_seeds(app, ANN, BEN, "ANN@example.org"), build, transport)
    assert sorted(seeded(transport)) == ["Ben@example.org", "ann@example.org"]
    assert (to_readers(transport), report.account.audience, report.account.accepted) == (5, 5, 5)
    assert report.warnings == ()
    assert {row["send_id"] for row in rows(app)} == {report.send.id}
    first = next(recipient for recipient in transport.taken if recipient.tag.startswith("seed-"))
    assert set(first.fields.values()) == {"", "https://news.example.org/test-mail"}


def test_going_on_with_a_send_never_doubles_a_seed(app: App, build: Build) -> None:
    add_readers(app, 50)
    workspace = with_seeds(app, ANN)
    transport = Memory(connections=1)

    def stop_soon(recipient: Recipient) -> Any:
        if to_readers(transport) == 10:
            pause(app.store, rows(app)[0]["send_id"], person="ed")
        return ACCEPT

    transport.answer = stop_soon
    report = sent(app, workspace, build, transport)
    assert report.send.state == "paused"
    transport.answer = lambda _: ACCEPT
    report = sent(app, workspace, build, transport)
    assert (report.send.state, report.account.accepted) == ("done", 50)
    assert seeded(transport) == ["ann@example.org"]


def test_what_a_seed_s_mail_meets_stops_nobody_and_is_told(app: App, build: Build) -> None:
    add_readers(app, 5)
    barred(app, BEN, Suppressed.COMPLAINT)
    transport = Memory(lambda recipient: REFUSE if recipient.tag.startswith("seed-") else ACCEPT)
    report = sent(app, with_seeds(app, ANN, BEN), build, transport)
    assert report.account.accepted == 5
    assert sorted(report.warnings) == [
        "Seed Ben@example.org (refused): whoever reads there has complained about our mail (complaint)",
        "Seed ann@example.org (refused): the address is not valid",
    ]


def test_a_send_without_seeds_mails_readers_only(app: App, build: Build) -> None:
    add_readers(app, 3)
    transport = Memory()
    report = sent(app, app.workspace, build, transport)
    assert (seeded(transport), rows(app), account_of(app, report.send).accepted) == ([], [], 3)


# -- typed ------------------------------------------------------------------------------------------------------------


def typed(app: App, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--workspace", str(app.workspace.root), *words])


def test_a_test_is_mailed_though_the_issue_has_errors_and_they_are_shown(app: App) -> None:
    write_newsroom(app)
    done = typed(app, "test", ISSUE, "--to", ANN, "--reader-name", "Ada", "--as", "ed")
    assert done.exit_code == 0, done.output
    assert "error DATE" in done.output
    assert "1 test mail handed over" in done.output
    assert len(mails(app)) == 1
    barred(app, BEN, Suppressed.HARD_BOUNCE)
    done = typed(app, "test", ISSUE, "--to", ANN, "--to", BEN, "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, [mail["state"] for mail in found["mails"]]) == (1, ["accepted", "refused"])
    assert found["issue"] == ISSUE
    assert {finding["rule"] for finding in found["findings"]} >= {"DATE"}
    assert typed(app, "test", ISSUE).exit_code != 0

"""`send_issue`: pressing the button is always safe, and what goes out is what was frozen."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest
from sending_rig import IMPATIENT, ISSUE, STOP, Memory, add_readers, crash, frozen, make_build, start, withdraw

from newsletter.app import App
from newsletter.errors import Refused
from newsletter.rendering.build import Build
from newsletter.sending import sends
from newsletter.sending.approvals import approved_by
from newsletter.sending.control import pause
from newsletter.sending.send import Report, send_issue
from newsletter.sending.sends import State
from newsletter.transports.fields import Place, fill
from newsletter.transports.mail import Mail, Quota, Transport


def send(app: App, build: Build, transport: Transport, *, rest: bool = False, person: str = "ann") -> Report:
    return send_issue(
        app.store,
        app.workspace,
        app.keys,
        transport,
        frozen(app, build),
        person=person,
        rest=rest,
        now=app.now,
        patience=IMPATIENT,
    )


def test_it_approves_prepares_sends_and_reports(app: App) -> None:
    add_readers(app, 30)
    withdraw(app, [7])
    shown: list[tuple[int, int]] = []
    build, transport = frozen(app, make_build()), Memory()
    report = send_issue(
        app.store,
        app.workspace,
        app.keys,
        transport,
        build,
        person="ann",
        now=app.now,
        progress=lambda done, total: shown.append((done, total)),
    )
    assert report.settled
    assert report.as_dict()["account"]["accepted"] == 29
    assert report.as_dict()["excluded_by"] == {"unsubscribed": 1}
    assert shown[-1] == (29, 29)
    with app.store.read() as connection:
        assert approved_by(connection, build.hash) == ["ann"]


def test_every_mail_in_the_outbox_is_the_frozen_build_but_for_the_fields(app: App) -> None:
    """Invariant 4, through the real outbox."""
    add_readers(app, 7)
    build = make_build()
    report = send(app, build, app.transport())
    assert report.settled
    files = sorted(Path(app.workspace.outbox).rglob("*.eml"))
    assert len(files) == 7
    for file in files:
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        reader = int(file.stem.split("-")[1])
        url = str(message["List-Unsubscribe"]).strip("<>")
        fields = {"first_name": f"Ann{reader}" if reader % 3 else "", "unsubscribe_url": url}
        html, text = message.get_body(("html",)), message.get_body(("plain",))
        assert html is not None
        assert text is not None
        assert html.get_content().replace("\r\n", "\n") == fill(build.html, fields, Place.HTML)
        assert text.get_content().replace("\r\n", "\n") == fill(build.text, fields, Place.TEXT)
        assert message["Subject"] == fill(build.subject, fields, Place.HEADER)
        assert message["To"] == f"reader{reader}@example.com"
        assert message["List-ID"] == "The Meridian <daily.news.example.org>"
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_an_unfinished_send_is_gone_on_with_as_the_build_it_began_with(app: App) -> None:
    add_readers(app, 30)
    transport = Memory(lambda r: STOP)
    first = make_build()
    held = send(app, first, transport)
    assert held.send.state is State.HELD
    taken = Memory()
    done = send(app, make_build(word="Edited"), taken, person="ben")
    assert (done.send.id, done.send.build) == (held.send.id, first.hash)
    assert {mail.subject for mail in taken.mails} == {first.subject}
    assert done.settled


def test_an_unfinished_send_is_not_gone_on_with_through_another_transport(app: App) -> None:
    """A folder would "accept" anew who is in doubt at the provider, and the rest would never be mailed."""
    add_readers(app, 30)
    crash(app, start(app, Memory(name="ses")), [1, 2])
    folder = Memory(name="outbox", idempotent=True)
    with pytest.raises(Refused, match="NEWSLETTER_TRANSPORT__KIND=ses"):
        send(app, make_build(), folder)
    assert folder.taken == []
    done = send(app, make_build(), Memory(name="ses"))
    assert (done.account.uncertain, done.account.accepted) == (2, 28)


def test_an_issue_that_went_out_is_refused_and_the_rest_can_be_asked_for(app: App) -> None:
    add_readers(app, 20)
    assert send(app, make_build(), Memory()).settled
    with pytest.raises(Refused, match="--rest"):
        send(app, make_build(), Memory())
    add_readers(app, 5, first=50)
    transport = Memory()
    rest = send(app, make_build(word="Mended"), transport, rest=True)
    assert rest.account.excluded_by == {"already-had": 20}
    assert set(transport.mailed) == {50, 51, 52, 53, 54}


def test_a_send_nobody_may_get_is_done_at_once(app: App) -> None:
    add_readers(app, 3)
    withdraw(app, [1, 2, 3])
    report = send(app, make_build(), Memory())
    assert report.send.state is State.DONE
    assert report.account.excluded == 3


def test_a_paused_send_goes_on_when_sent_again(app: App) -> None:
    add_readers(app, 60)
    transport = Memory(connections=1)

    def pause_once() -> None:
        transport.before_call = lambda: None
        with app.store.read() as connection:
            current = sends.unfinished(connection, ISSUE)
        assert current
        pause(app.store, current.id, person="ben")

    transport.before_call = pause_once
    assert send(app, make_build(), transport).send.state is State.PAUSED
    assert send(app, make_build(), transport).settled
    assert set(transport.mailed.values()) == {1}
    assert len(transport.mailed) == 60


class Forbidden(Memory):
    """A transport that cannot send at all."""

    def quota(self) -> Quota:
        raise Refused("The account is shut down.")

    def prepare(self, mail: Mail) -> None:
        raise AssertionError("not reached")


def test_when_the_transport_cannot_send_at_all_no_send_is_made(app: App) -> None:
    add_readers(app, 3)
    with pytest.raises(Refused, match="shut down"):
        send(app, make_build(), Forbidden())
    with app.store.read() as connection:
        assert sends.of_issue(connection, ISSUE) == []


def test_a_batch_is_never_more_than_half_a_seconds_worth(app: App) -> None:
    add_readers(app, 9)
    transport = Memory(batch_size=50, allowed=Quota(rate=4.0, left_today=None), connections=1)
    report = send(app, make_build(), transport)
    assert report.settled
    assert [len(call) for call in transport.calls] == [2, 2, 2, 2, 1]

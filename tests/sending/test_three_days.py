"""Three days of the sample's thread as readers get them: each mail says of the one before what is true of it."""

from __future__ import annotations

import email
import email.policy
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from lxml import html
from sending_rig import add_readers
from sqlalchemy import select

from newsletter.app import App
from newsletter.sending import control
from newsletter.sending.order import Done, Order, fulfil
from newsletter.store.tables import sends
from newsletter.transports.mail import Answer, Mail, Recipient
from newsletter.transports.outbox import OutboxTransport

SAMPLE = Path(__file__).parents[2] / "issues"
TUESDAY, WEDNESDAY, THURSDAY = "2024-10-08", "2024-10-09", "2024-10-10"
THREAD = {TUESDAY: ("troops", None), WEDNESDAY: ("really", "nk-officers"), THURSDAY: ("walls", "nk-troops")}
ON_TIME = datetime(2024, 10, 8, 10, 30, tzinfo=UTC)  # half past six in New York, on Tuesday
A_DAY = timedelta(days=1)
YEARS_LATER = datetime(2031, 3, 3, 15, tzinfo=UTC)
REHEARSAL = ["DATE=rehearsal of an old issue"]
ASKED = "Are North Korean troops really fighting in Ukraine?"
READERS = 3


class CalledOff(OutboxTransport):
    """Somebody calls the send off as soon as the first reader has her copy."""

    batch_size = 1
    connections = 1

    def __init__(self, app: App) -> None:
        super().__init__(app.workspace.outbox)
        self.app = app

    def hand_over(self, mail: Mail, recipients: Sequence[Recipient]) -> list[Answer]:
        with self.app.store.read() as connection:
            send = connection.scalar(select(sends.c.id).where(sends.c.state == "sending"))
        answers = super().hand_over(mail, recipients)
        if send is not None:
            control.cancel(self.app.store, send, person="ada", now=self.app.now())
        return answers


class Newsroom:
    """The sample's issues, cut down to the thread they tell, and the mails that went out."""

    def __init__(self, app: App) -> None:
        self.app = app
        add_readers(app, READERS)
        for day, (lead, question) in THREAD.items():
            shutil.copytree(SAMPLE / day, app.workspace.issues / day)
            blocks = f'[[blocks]]\ntype = "lead"\nstory = "{lead}"\n'
            if question:
                blocks += f'[[blocks]]\ntype = "follow-up"\nquestion = "{question}"\n'
            head = f'newsletter = "daily"\ndate = {day}\nsubject = "The letter of {day}"\n'
            head += 'preheader = "What we know by this morning, and what nobody can tell us yet"\n'
            (app.workspace.issues / day / "issue.toml").write_text(head + blocks, encoding="utf-8")

    def send(self, day: str, at: datetime, *, waive: Sequence[str] = (), detach: bool = False) -> Done:
        return self._fulfil(day, at, OutboxTransport(self.app.workspace.outbox), waive=waive, detach=detach)

    def call_off_halfway(self, day: str, at: datetime) -> Done:
        return self._fulfil(day, at, CalledOff(replace(self.app, now=lambda: at)))

    def _fulfil(
        self, day: str, at: datetime, transport: OutboxTransport, *, waive: Sequence[str] = (), detach: bool = False
    ) -> Done:
        order, app = Order(day, person="ada", waive=waive, detach=detach), self.app
        done = fulfil(app.store, app.workspace, app.keys, transport, order, now=lambda: at)
        assert done.report is not None, done.findings
        return done

    def mails(self, day: str) -> list[EmailMessage]:
        found = [
            email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            for file in sorted(self.app.workspace.outbox.rglob("*.eml"))
        ]
        return [mail for mail in found if mail["Subject"] == f"The letter of {day}"]

    def said(self, day: str) -> tuple[str, str]:
        """The HTML as it is seen, and the text, of what the first reader got; all got the same."""
        mail = self.mails(day)[0]
        seen_part, text_part = mail.get_body(["html"]), mail.get_body(["plain"])
        assert seen_part is not None
        assert text_part is not None
        page = html.document_fromstring(seen_part.get_content())
        links = [str(href) for href in page.xpath("//a/@href") if "/archive/" in href]
        seen = " ".join([*page.text_content().split(), *links])
        return seen, " ".join(text_part.get_content().split())


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    return Newsroom(app)


def test_sent_day_by_day_each_letter_takes_up_what_yesterdays_asked(newsroom: Newsroom) -> None:
    for number, day in enumerate(THREAD):
        newsroom.send(day, ON_TIME + number * A_DAY)

    seen, text = newsroom.said(WEDNESDAY)
    for said in (seen, text):
        assert "What were six North Korean officers doing near Donetsk?" in said
        assert "We cannot say yet." in said
        assert "Still open" in said
        assert f"archive/daily/{TUESDAY}" in said
    assert "Yesterday we asked What were" in seen
    assert "Yesterday we asked: What were" in text
    assert "So far Still open We cannot" in seen

    seen, text = newsroom.said(THURSDAY)
    assert f"Yesterday we asked {ASKED} From the issue of October 9" in seen
    assert f"Yesterday we asked: {ASKED} From the issue of October 9" in text
    assert "Today" in seen
    assert "Still open" not in seen + text
    assert f"archive/daily/{WEDNESDAY}" in seen
    assert len(newsroom.mails(THURSDAY)) == READERS


def test_the_middle_issue_handed_over_a_day_late_asked_when_readers_had_it(newsroom: Newsroom) -> None:
    newsroom.send(TUESDAY, ON_TIME)
    newsroom.send(WEDNESDAY, ON_TIME + A_DAY, detach=True)  # made ready, and nothing there to hand it over
    newsroom.send(WEDNESDAY, ON_TIME + 2 * A_DAY - timedelta(hours=2))  # 4:30 on Thursday
    newsroom.send(THURSDAY, ON_TIME + 2 * A_DAY)

    seen, text = newsroom.said(THURSDAY)
    assert f"Earlier today we asked {ASKED} From the issue of October 10" in seen
    assert f"Earlier today we asked: {ASKED}" in text
    assert "Yesterday" not in seen + text


def test_of_a_middle_issue_that_was_never_sent_nobody_is_told_that_it_asked(newsroom: Newsroom) -> None:
    newsroom.send(TUESDAY, ON_TIME)
    newsroom.send(THURSDAY, ON_TIME + 2 * A_DAY)

    seen, text = newsroom.said(THURSDAY)
    assert f"The question {ASKED}" in seen
    assert f"The question: {ASKED}" in text
    for said in (seen, text):
        assert "we asked" not in said
        assert "From the issue of" not in said
        assert f"archive/daily/{WEDNESDAY}" not in said


def test_a_middle_issue_called_off_halfway_was_asked_since_some_readers_had_it(newsroom: Newsroom) -> None:
    newsroom.send(TUESDAY, ON_TIME)
    done = newsroom.call_off_halfway(WEDNESDAY, ON_TIME + A_DAY)
    assert done.report is not None
    assert done.report.as_dict()["state"] == "cancelled"
    assert 0 < len(newsroom.mails(WEDNESDAY)) < READERS
    newsroom.send(THURSDAY, ON_TIME + 2 * A_DAY)

    seen, text = newsroom.said(THURSDAY)
    assert f"Yesterday we asked {ASKED} From the issue of October 9" in seen
    assert f"Yesterday we asked: {ASKED}" in text


@pytest.mark.parametrize("kept", [0, 1, 2], ids=["all", "the last two", "the last"])
def test_rehearsed_years_later_the_letters_read_as_on_their_own_days(newsroom: Newsroom, kept: int) -> None:
    """DATE is waived by name; what went out on its day before that stays as it was."""
    for number, day in enumerate(THREAD):
        if number < kept:
            newsroom.send(day, ON_TIME + number * A_DAY)
        else:
            newsroom.send(day, YEARS_LATER + number * timedelta(hours=1), waive=REHEARSAL)

    for day, asked, before in ((WEDNESDAY, "What were six", "October 8"), (THURSDAY, ASKED, "October 9")):
        seen, text = newsroom.said(day)
        assert f"Yesterday we asked {asked}" in seen
        assert f"Yesterday we asked: {asked}" in text
        assert f"From the issue of {before}" in seen
        assert "2031" not in seen + text

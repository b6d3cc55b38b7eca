"""Whom Amazon SES itself suppresses is suppressed here: everybody once a run, by keyed hash alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from feedback_rig import NOW, add_send, hash_of, suppressed
from sqlalchemy import select

from newsletter.app import App
from newsletter.audience.consent import EVERYWHERE, Suppressed
from newsletter.audience.suppression import lift, suppress_address
from newsletter.errors import Refused
from newsletter.feedback.account_list import SOURCE, Synced, is_due, sync
from newsletter.settings import TransportSettings
from newsletter.store.tables import metadata, suppressions


class Ses:
    """SES's list as botocore checks it, a page for each call that is expected."""

    def __init__(self) -> None:
        self.client = boto3.session.Session("local", "local", region_name="us-east-1").client("sesv2")
        self.stub = Stubber(self.client)
        self.stub.activate()

    def answers(self, *listed: tuple[str, str, datetime], following: str = "", **asked: Any) -> None:
        summaries = [{"EmailAddress": a, "Reason": r, "LastUpdateTime": at} for a, r, at in listed]
        answer: dict[str, Any] = {"SuppressedDestinationSummaries": summaries}
        answer |= {"NextToken": following} if following else {}
        self.stub.add_response("list_suppressed_destinations", answer, {"PageSize": ANY, **asked})


@pytest.fixture
def ses() -> Ses:
    return Ses()


def run(app: App, ses: Ses, now: datetime = NOW, **more: Any) -> Synced:
    return sync(app.store, app.settings, app.keys, now=now, asked=ses.client, pause=lambda _: None, **more)


def test_bounces_and_complaints_of_every_page_are_taken_over_and_the_next_run_asks_for_what_came_since(
    app: App, ses: Ses
) -> None:
    add_send(app, "abcdefgh", readers=2)
    ses.answers(("Reader1@Example.com", "BOUNCE", NOW), ("stranger@example.org", "COMPLAINT", NOW), following="2")
    ses.answers(("reader2@example.com", "COMPLAINT", NOW), ("no address", "BOUNCE", NOW), NextToken="2")
    waits: list[float] = []
    first = sync(app.store, app.settings, app.keys, now=NOW, asked=ses.client, pause=waits.append)
    assert (first, waits) == (Synced(listed=4, new=3), [1.0])
    found = suppressed(app)
    assert (found[hash_of(app, 1)], found[hash_of(app, 2)], len(found)) == ("hard-bounce", "complaint", 3)
    ses.answers(("reader1@example.com", "BOUNCE", NOW), StartDate=NOW - timedelta(hours=1))
    assert run(app, ses, NOW + timedelta(days=1)) == Synced(listed=1, new=0)
    ses.stub.assert_no_pending_responses()
    with app.store.read() as connection:
        assert set(connection.scalars(select(suppressions.c.source))) == {SOURCE}


def test_no_address_is_stored(app: App, ses: Ses) -> None:
    ses.answers(("stranger@example.org", "BOUNCE", NOW))
    run(app, ses)
    with app.store.read() as connection:
        rows = [str(row) for table in metadata.sorted_tables for row in connection.execute(select(table))]
    assert not any("stranger" in row for row in rows)


def test_whom_a_person_took_off_since_is_not_put_back_but_by_something_new(app: App, ses: Ses) -> None:
    add_send(app, "abcdefgh", readers=1)
    by_hand = {"reason": Suppressed.HARD_BOUNCE, "scope": EVERYWHERE, "actor": "ann", "now": NOW}
    suppress_address(app.store, app.keys, "reader1@example.com", why="it bounced", **by_hand)
    with app.store.write() as connection:
        reasons, scopes = [Suppressed.HARD_BOUNCE], [EVERYWHERE]
        lift(connection, hash_of(app, 1), reasons=reasons, scopes=scopes, actor="ann", why="mended", now=NOW)
    ses.answers(("reader1@example.com", "BOUNCE", NOW - timedelta(minutes=5)))
    assert run(app, ses) == Synced(listed=1, new=0)
    ses.answers(("reader1@example.com", "BOUNCE", NOW + timedelta(hours=5)), StartDate=ANY)
    assert run(app, ses, NOW + timedelta(days=1)) == Synced(listed=1, new=1)


def test_a_run_that_is_stopped_begins_again_where_it_began(app: App, ses: Ses) -> None:
    ses.answers(("reader1@example.com", "BOUNCE", NOW), following="2")
    assert run(app, ses, stop=lambda: True).new == 1
    ses.answers(("reader1@example.com", "BOUNCE", NOW))  # without a start date
    assert run(app, ses).new == 0


def test_it_is_due_once_a_day_and_only_where_ses_is_used_and_it_is_wanted(app: App, ses: Ses) -> None:
    on_ses = app.settings.model_copy(update={"transport": TransportSettings(kind="ses")})
    unwanted = on_ses.feedback.model_copy(update={"sync_suppressions": False})
    assert is_due(app.store, on_ses, NOW)
    assert not is_due(app.store, app.settings, NOW)
    assert not is_due(app.store, on_ses.model_copy(update={"feedback": unwanted}), NOW)
    ses.answers()
    run(app, ses)
    assert not is_due(app.store, on_ses, NOW + timedelta(hours=23))
    assert is_due(app.store, on_ses, NOW + timedelta(hours=24))


def test_a_refusal_of_amazon_is_said_in_a_line(app: App, ses: Ses) -> None:
    ses.stub.add_client_error("list_suppressed_destinations", "AccessDeniedException", "not authorized")
    with pytest.raises(Refused, match=r"AccessDeniedException: not authorized\. The AWS keys need ses:ListSuppressed"):
        run(app, ses)

"""Opens and clicks: of readers who agreed and still do, without anything of their own; of all others nothing."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import func, select, text
from tracked_rig import (
    PACT,
    PERSON,
    RAIL,
    SEND,
    WALLS,
    add_send,
    hear,
    looked,
    rows,
    say,
    set_delivery,
)

from newsletter.app import App
from newsletter.audience.consent import Purpose
from newsletter.sending.erasure import erase_reader
from newsletter.store.tables import events, metadata, raw_events, tracked

OPEN, CLICK = Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING


@pytest.fixture
def sent(app: App) -> App:
    """Readers 1 to 5 were mailed with both measured, and all but the fifth agree to it still."""
    add_send(app, readers=range(1, 6))
    say(app, "confirmed", 1, 2, 3, 4)
    return app


def everything(app: App) -> str:
    with app.store.read() as connection:
        tables = [connection.execute(text(f'SELECT * FROM "{t.name}"')).all() for t in metadata.sorted_tables]
    return "\n".join(str(table) for table in tables if table)


def count(app: App, table: Any) -> int:
    with app.store.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def test_a_click_is_kept_with_the_builds_own_link_and_the_blocks_it_stands_in(sent: App) -> None:
    hear(sent, looked("Click", 1), looked("Click", 2, link=RAIL), looked("Open", 3))
    assert rows(sent) == [
        ("click", 1, WALLS, "lead, related", "person"),
        ("click", 2, RAIL, "related", "person"),
        ("open", 3, None, None, "person"),
    ]


def test_the_same_address_in_another_spelling_is_the_same_link(sent: App) -> None:
    hear(sent, looked("Click", link="HTTPS://EXAMPLE.org/%77alls?utm_source=daily"))
    assert rows(sent) == [("click", 1, WALLS, "lead, related", "person")]


@pytest.mark.parametrize(
    "link",
    ["https://news.example.org/u/s1.TOKEN", f"{WALLS}&reader=TOKEN", "javascript:TOKEN", "http://[TOKEN", "TOKEN"],
)
def test_a_link_the_build_does_not_have_leaves_nothing_of_itself(sent: App, link: str) -> None:
    """It may be a reader's own; the event's text goes too, since it repeats the link."""
    assert "TOKEN" in looked("Click", link=link)
    hear(sent, looked("Click", link=link))
    assert rows(sent) == [("click", 1, None, None, "person")]
    assert "TOKEN" not in everything(sent)


def test_of_a_reader_who_does_not_agree_nothing_is_kept_but_that_something_came(sent: App) -> None:
    message = looked("Click", 5, at=61.5)
    done = hear(sent, message, looked("Open", 5))
    assert (done.received, done.duplicates) == (2, 0)
    assert hear(sent, message).duplicates == 1
    assert (rows(sent), count(sent, events), count(sent, raw_events)) == ([], 0, 2)
    for word in ("192.0.2.77", "Thunderbird", "12:01:01.5", WALLS):
        assert word not in everything(sent)


def test_a_withdrawal_holds_for_mails_that_are_out_already(sent: App) -> None:
    hear(sent, looked("Click", 1))
    say(sent, "withdrawn", 1, purposes=[CLICK])
    hear(sent, looked("Click", 1, at=90, link=RAIL), looked("Open", 1, at=91))
    assert [row[:3] for row in rows(sent)] == [("click", 1, WALLS), ("open", 1, None)]
    say(sent, "confirmed", 1, purposes=[CLICK])
    hear(sent, looked("Click", 1, at=95, link=RAIL))
    assert ("click", 1, RAIL, "related", "person") in rows(sent)


@pytest.mark.parametrize(
    ("tracking", "kept"), [("none", []), ("opens", ["open"]), ("clicks", ["click"]), ("both", ["click", "open"])]
)
def test_what_was_not_asked_when_the_mail_went_out_is_not_counted_afterwards(
    sent: App, tracking: str, kept: list[str]
) -> None:
    """Who agrees later did not agree to this mail."""
    set_delivery(sent, 1, tracking=tracking)
    hear(sent, looked("Open", 1), looked("Click", 1))
    assert [row[0] for row in rows(sent)] == kept
    assert count(sent, events) == len(kept)


@pytest.mark.parametrize("tag", ["service-1-1", "zzzzzzzz-1-1", f"{SEND}-77-1"])
def test_a_mail_that_is_never_measured_is_not_when_the_provider_does(sent: App, tag: str) -> None:
    """Service mail, test mail, and what nobody here knows of."""
    hear(sent, looked("Click", tag=tag))
    assert rows(sent) == []
    assert "192.0.2.77" not in everything(sent)


def test_an_open_still_proves_that_a_mail_in_doubt_was_handed_over(sent: App) -> None:
    set_delivery(sent, 5, state="uncertain", reason="lost")
    assert hear(sent, looked("Open", 5)).settled == 1
    assert rows(sent) == []


def test_several_links_followed_in_one_moment_are_several_clicks(sent: App) -> None:
    assert hear(sent, looked("Click"), looked("Click", link=RAIL), looked("Click")).duplicates == 1
    assert [row[2] for row in rows(sent)] == [RAIL, WALLS]


def test_who_looked_is_the_same_in_whatever_order_and_pages_it_is_heard(sent: App) -> None:
    """A later event shows that the earlier clicks were a scanner's; the delivery, heard last, that an open was none."""
    told = {
        "burst 1": {"kind": "Click", "at": 60.0, "link": WALLS},
        "burst 2": {"kind": "Click", "at": 60.5, "link": RAIL},
        "burst 3": {"kind": "Click", "at": 61.9, "link": PACT},
        "delivery": {"kind": "Delivery", "at": 30.0},
        "open": {"kind": "Open", "at": 34.0},
    }
    orders = list(permutations(told))[:: len(list(permutations(told))) // 4][:4]
    for reader, order in zip((1, 2, 3, 4), orders, strict=True):
        for name in order:
            hear(sent, looked(reader=reader, **told[name]))  # type: ignore[arg-type]
    by_reader = {
        reader: sorted((kind, by) for kind, who, _, _, by in rows(sent) if who == reader) for reader in range(1, 5)
    }
    assert len({tuple(found) for found in by_reader.values()}) == 1
    assert by_reader[1] == [("click", "scanner")] * 3 + [("open", "prefetch")]


def test_a_click_with_the_delivery_itself_is_a_scanners_though_the_delivery_is_heard_of_later(sent: App) -> None:
    hear(sent, looked("Click", 1, at=31.0))
    assert rows(sent)[0][4] == "person"
    hear(sent, looked("Delivery", 1, at=30.0), looked("Delivery", 2, at=30.0))
    assert rows(sent)[0][4] == "scanner"
    hear(sent, looked("Click", 2, at=33.0))
    assert rows(sent)[1][4] == "person"


def test_what_a_program_was_is_remembered_though_the_text_of_its_event_is_not(sent: App) -> None:
    hear(sent, looked("Click", 1, agent="Barracuda Sentinel", link=f"{WALLS}&x=1"))
    hear(sent, looked("Click", 1, at=300, agent=PERSON))
    assert {(row[2], row[4]) for row in rows(sent)} == {(None, "scanner"), (WALLS, "person")}


def test_erasing_a_reader_leaves_no_moment_of_her_reading(sent: App) -> None:
    hear(sent, looked("Click", 1, at=61.25), looked("Open", 1, at=62.25), looked("Click", 2, at=63.25))
    erase_reader(sent.store, sent.workspace, sent.keys, subscriber_id=1, actor="ann", now=sent.now())
    hear(sent, looked("Click", 1, at=64.25))
    assert [row[1] for row in rows(sent)] == [2]
    assert count(sent, tracked) == count(sent, events) == 1
    assert not {"12:01:01.25", "12:01:02.25", "12:01:04.25"} & set(everything(sent).split())
    assert "12:01:01.25" not in everything(sent)
    assert "61, 250000" not in everything(sent)

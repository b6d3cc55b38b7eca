"""Segments in a send: each reader gets exactly her blocks, and a send to some leaves the others for later."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import pytest
from segmented import (
    GERMAN,
    ISSUE,
    VARIANTS,
    add_mixed_readers,
    blocks_in,
    blocks_seen,
    build_of,
    segments_of,
    variants_in_ledger,
    write_newsroom,
)
from sending_rig import IMPATIENT, MORNING, RETRY, Memory, add_readers, crash, frozen, make_build, reread, withdraw
from sqlalchemy import func, select
from typer.testing import CliRunner, Result

from newsletter.app import App, open_app
from newsletter.cli.root import cli
from newsletter.errors import InputError, NotFound, Refused
from newsletter.rendering.freeze import load_build
from newsletter.sending import sends
from newsletter.sending.control import pause
from newsletter.sending.cut import cut_of, variant_of
from newsletter.sending.order import Order, fulfil
from newsletter.sending.prepare import prepare
from newsletter.sending.send import Report, send_issue
from newsletter.sending.sends import NewSend, Send, State
from newsletter.simulator.server import start as start_simulator
from newsletter.store.tables import deliveries
from newsletter.transports.mail import Answer, Recipient, Transport, Verdict


@pytest.fixture
def newsroom(app: App) -> App:
    write_newsroom(app)
    return app


def send(app: App, transport: Transport, *, segment: str | None = None, rest: bool = False) -> Report:
    return send_issue(
        app.store,
        app.workspace,
        app.keys,
        transport,
        frozen(app, build_of(app)),
        person="ann",
        segment=segment,
        rest=rest,
        now=app.now,
        patience=replace(IMPATIENT, lost_calls=100),
    )


def prepared(app: App, transport: Memory) -> Send:
    """A send of the issue whose audience is in the ledger, nobody handed over yet."""
    build = frozen(app, build_of(app))
    _, settings = app.workspace.newsletter("daily")
    with app.store.write() as connection:
        wanted = NewSend("daily", ISSUE, build.hash, transport.name, "ann", date_waived=False)
        found = sends.move(connection, sends.create(connection, wanted, MORNING), State.PREPARING)
        cut = cut_of(app.workspace, build, None)
        prepare(connection, found, settings, batch_size=transport.batch_size, now=MORNING, cut=cut)
        return sends.move(connection, found, State.SENDING)


# -- blocks for segments -----------------------------------------------------------------------------------------------


def test_every_mail_has_exactly_the_blocks_of_its_readers_segments(newsroom: App) -> None:
    readers = add_mixed_readers(newsroom, 60)
    withdraw(newsroom, [6])
    done = send(newsroom, newsroom.transport())
    seen = blocks_seen(newsroom.workspace.outbox)
    assert seen == {r: segments_of(r) for r in readers if r != 6}
    assert variants_in_ledger(newsroom, done.send.id) == {r: VARIANTS[segments_of(r)] for r in readers}
    assert done.settled
    assert (done.account.audience, done.account.accepted, done.account.excluded_by) == (60, 59, {"unsubscribed": 1})


def test_a_batch_holds_one_variant_and_a_call_one_batch(newsroom: App) -> None:
    add_mixed_readers(newsroom, 100)
    transport = Memory(batch_size=7)
    done = send(newsroom, transport)
    assert {len({segments_of(reader) for reader in call}) for call in transport.calls} == {1}
    assert max(len(call) for call in transport.calls) == 7
    table = deliveries.c
    sizes = select(func.count()).where(table.send_id == done.send.id).group_by(table.batch, table.variant)
    with newsroom.store.read() as connection:
        assert max(connection.scalars(sizes)) == 7


def test_every_variant_is_prepared_under_a_key_of_its_own_before_anybody_gets_it(newsroom: App) -> None:
    add_mixed_readers(newsroom, 12)
    transport = Memory()
    send(newsroom, transport)
    prepared = transport.mails[:4]
    assert len({mail.key for mail in prepared}) == 4
    assert all(len(mail.key) == 32 for mail in prepared)
    assert {mail.key for mail in transport.mails[4:]} == {mail.key for mail in prepared}
    assert {mail.subject for mail in prepared} == {"Walls at home, troops abroad"}


def test_a_reader_put_back_keeps_her_variant_through_every_retry(newsroom: App) -> None:
    readers = add_mixed_readers(newsroom, 48)
    tried: set[str] = set()

    def busy_first(recipient: Recipient) -> Answer:
        again = recipient.address in tried
        tried.add(recipient.address)
        return Answer(Verdict.ACCEPTED, message_id="m") if again else RETRY

    transport = Memory(answer=busy_first, batch_size=5)
    done = send(newsroom, transport)
    assert done.account.accepted == len(readers)
    assert {len({segments_of(reader) for reader in call}) for call in transport.calls} == {1}


def test_after_a_crash_everybody_still_gets_her_own_variant(newsroom: App) -> None:
    readers = add_mixed_readers(newsroom, 40)
    transport = Memory(name="outbox", idempotent=True, scope="outbox")
    found = prepared(newsroom, transport)
    crash(newsroom, found, readers[:9])
    done = send(newsroom, newsroom.transport())
    assert done.settled
    assert blocks_seen(newsroom.workspace.outbox) == {reader: segments_of(reader) for reader in readers}


def test_what_was_approved_decides_who_is_in_a_segment_not_what_the_file_says_by_now(newsroom: App) -> None:
    readers = add_mixed_readers(newsroom, 12)
    build = frozen(newsroom, build_of(newsroom))
    (newsroom.workspace.segments / "german.toml").write_text(GERMAN.replace('"de"', '"en"'), encoding="utf-8")
    (newsroom.workspace.segments / "friends.toml").unlink()
    done = send_issue(
        newsroom.store, newsroom.workspace, newsroom.keys, Memory(), build, person="ann", now=newsroom.now
    )
    assert variants_in_ledger(newsroom, done.send.id) == {r: VARIANTS[segments_of(r)] for r in readers}


def test_a_late_reader_gets_the_variant_of_her_segments(newsroom: App) -> None:
    add_mixed_readers(newsroom, 12)
    done = send(newsroom, Memory())
    late = add_mixed_readers(newsroom, 6, first=101)
    known = newsroom.settings.newsletters
    with newsroom.store.read() as connection:
        found = {
            reader: variant_of(connection, done.send, reader, newsletters=known, at=newsroom.now()) for reader in late
        }
    assert found == {reader: VARIANTS[segments_of(reader)] for reader in late}


def test_an_issue_without_segments_has_one_variant(app: App) -> None:
    add_readers(app, 3)
    transport = Memory()
    build = frozen(app, make_build())
    done = send_issue(app.store, app.workspace, app.keys, transport, build, person="ann", now=app.now)
    assert set(variants_in_ledger(app, done.send.id).values()) == {"default"}
    assert {mail.key for mail in transport.mails} == {build.hash[:32]}


@pytest.mark.parametrize("mode", ["bulk", "raw"])
def test_through_ses_every_reader_gets_her_variant(
    mode: str, make_workspace: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with start_simulator(tmp_path / "simulator") as simulator:
        monkeypatch.setenv("NEWSLETTER_TRANSPORT__KIND", "ses")
        monkeypatch.setenv("NEWSLETTER_SES__ENDPOINT_URL", simulator.url)
        monkeypatch.setenv("NEWSLETTER_SES__MODE", mode)
        app = open_app(make_workspace(), now=lambda: MORNING)
        write_newsroom(app)
        readers = add_mixed_readers(app, 36)
        done = send(app, app.transport())
        assert done.account.accepted == len(readers)
        with urlopen(f"{simulator.url}/_simulator/messages?limit=1000") as response:
            rows = json.load(response)["messages"]
        got = {
            int(row["tags"]["delivery"].split("-")[1]): tuple(
                sorted(blocks_in((tmp_path / "simulator" / row["eml"]).read_bytes()))
            )
            for row in rows
        }
        assert got == {reader: segments_of(reader) for reader in readers}
        app.store.close()


# -- a send to a segment -----------------------------------------------------------------------------------------------


def test_a_send_to_a_segment_leaves_the_others_and_the_rest_gets_it_later(newsroom: App) -> None:
    readers = add_mixed_readers(newsroom, 30)
    withdraw(newsroom, [2, 5])
    first = Memory()
    done = send(newsroom, first, segment="german")
    german = {reader for reader in readers if reader % 2 == 0}
    assert set(first.mailed) == german - {2}
    assert done.send.segment == "german"
    assert done.as_dict()["segment"] == "german"
    assert done.account.excluded_by == {"not-in-segment": 15, "unsubscribed": 1}
    with pytest.raises(Refused, match="--rest"):
        send(newsroom, Memory(), segment="friends")
    others = Memory()
    rest = send(newsroom, others, rest=True)
    assert set(others.mailed) == set(readers) - german - {5}
    assert rest.account.excluded_by == {"already-had": 14, "unsubscribed": 2}
    assert rest.settled


def test_an_unfinished_send_keeps_its_segment(newsroom: App) -> None:
    add_mixed_readers(newsroom, 60)
    transport = Memory(connections=1)

    def pause_once() -> None:
        transport.before_call = lambda: None
        with newsroom.store.read() as connection:
            current = sends.unfinished(connection, ISSUE)
        assert current
        pause(newsroom.store, current.id, person="ben")

    transport.before_call = pause_once
    paused = send(newsroom, transport, segment="german")
    assert paused.send.state is State.PAUSED
    with pytest.raises(Refused, match="goes to segment german"):
        send(newsroom, transport, segment="friends")
    (newsroom.workspace.segments / "german.toml").write_text("broken", encoding="utf-8")  # it is not asked again
    build = load_build(newsroom.store, paused.send.build)
    done = send_issue(
        newsroom.store, newsroom.workspace, newsroom.keys, transport, build, person="ann", now=newsroom.now
    )
    assert reread(newsroom, paused.send).segment == "german"
    assert done.settled
    assert set(transport.mailed) == {reader for reader in range(1, 61) if reader % 2 == 0}


def test_a_send_to_everybody_is_not_narrowed_when_gone_on_with(newsroom: App) -> None:
    add_mixed_readers(newsroom, 10)
    transport = Memory()
    prepared(newsroom, transport)
    with pytest.raises(Refused, match="goes to everybody"):
        send(newsroom, transport, segment="german")
    assert transport.taken == []


def test_a_segment_there_is_not_or_that_is_broken_stops_a_send_before_anything_is_stored(newsroom: App) -> None:
    add_mixed_readers(newsroom, 3)
    (newsroom.workspace.segments / "odd.toml").write_text('title = "Odd"\n[where]\nlangs = "de"\n', encoding="utf-8")
    for segment, error in (("germans", NotFound), ("odd", InputError)):
        with pytest.raises(error):
            fulfil(
                newsroom.store,
                newsroom.workspace,
                newsroom.keys,
                Memory(),
                Order(ISSUE, "ann", segment=segment),
                now=newsroom.now,
            )
    with newsroom.store.read() as connection:
        assert sends.of_issue(connection, ISSUE) == []
    assert not newsroom.workspace.builds.exists()


# -- as it is typed ----------------------------------------------------------------------------------------------------


def test_typed_a_send_to_a_segment_says_whom_it_went_to(newsroom: App) -> None:
    add_mixed_readers(newsroom, 12)

    def typed(*words: str) -> Result:
        return CliRunner().invoke(cli, ["--workspace", str(newsroom.workspace.root), *words])

    waived = ("--waive", "DATE=a rehearsal")
    done = typed("send", ISSUE, "--segment", "german", *waived)
    assert done.exit_code == 0, done.output
    assert "to segment german: done" in done.output
    with newsroom.store.read() as connection:
        (found,) = sends.of_issue(connection, ISSUE)
    assert json.loads(typed("sends", "show", found.id, "--json").stdout)["segment"] == "german"
    rest = json.loads(typed("send", ISSUE, "--rest", *waived, "--json").stdout)
    assert (rest["segment"], rest["account"]["accepted"], rest["excluded_by"]) == (None, 6, {"already-had": 6})
    assert "For readers in friends and german: HTML" in typed("build", ISSUE).output

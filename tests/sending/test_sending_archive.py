"""The archive holds what any reader was handed, as the newest build of it, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sending_rig import LOST, MORNING, Memory, add_readers, crash, make_build, run, start
from sqlalchemy import delete, insert, select

from newsletter.app import App
from newsletter.rendering.build import Build, canonical_json
from newsletter.sending import archive
from newsletter.sending.archive import archived, latest_issue, neighbours, newest_first, notes_about, refresh
from newsletter.sending.owners import recover
from newsletter.store.tables import archive as archive_table
from newsletter.store.tables import archive_links, builds

LATER = "2024-10-11"


def rows(app: App) -> list[tuple[object, ...]]:
    with app.store.read() as connection:
        links = [tuple(row)[1:] for row in connection.execute(select(archive_links).order_by(archive_links.c.id))]
        return [*(tuple(row) for row in connection.execute(select(archive_table))), *links]


def saying(issue: str, facts: dict[str, object]) -> Build:
    build = make_build(issue)
    return Build({**build.files, "manifest.json": canonical_json({**build.manifest, "facts": facts})})


def correcting(issue: str, wrong: str) -> Build:
    return saying(issue, {"corrections": [{"issue": wrong, "was": "It is *long*.", "is": "It is short."}]})


def test_an_issue_is_there_with_its_first_hand_over_and_not_before(app: App) -> None:
    add_readers(app, 3)
    send = start(app, Memory())
    assert rows(app) == []
    run(app, send, Memory())
    with app.store.read() as connection:
        found = archived(connection, "daily", send.issue)
    assert found
    assert (found.build, found.date, found.subject) == (send.build, date(2024, 10, 10), "News for reader")
    assert found.published_at == found.updated_at == app.now()


def test_an_issue_that_went_out_to_nobody_for_certain_is_there_too(app: App) -> None:
    """A reader may have it: what she holds in her hands should be found online."""
    readers = add_readers(app, 2)
    send = start(app, Memory())
    crash(app, send, readers[:1])
    recover(app.store, app.workspace.locks, send.id, idempotent=False)
    assert len(rows(app)) == 1


def test_an_issue_whose_every_hand_over_failed_is_not_there(app: App) -> None:
    add_readers(app, 1)
    send = start(app, Memory())
    with app.store.write() as connection:
        archive.publish(connection, send)
    assert rows(app) == []


def test_refreshing_brings_what_went_out_before_there_was_an_archive_and_changes_nothing_else(app: App) -> None:
    add_readers(app, 1)
    run(app, start(app, Memory()), Memory())
    add_readers(app, 1, first=2)
    run(app, start(app, Memory(), issue=LATER, build=correcting(LATER, "2024-10-10")), Memory())
    before = rows(app)
    assert len(before) == 3
    refresh(app.store)
    assert rows(app) == before
    with app.store.write() as connection:
        connection.execute(delete(archive_links))
        connection.execute(delete(archive_table))
    refresh(app.store)
    assert sorted(map(repr, rows(app))) == sorted(map(repr, before))


def test_the_newest_build_is_shown_from_its_own_first_hand_over_on(app: App) -> None:
    add_readers(app, 1)
    run(app, start(app, Memory()), Memory())
    add_readers(app, 1, first=2)
    later = replace(app, now=lambda: MORNING + timedelta(hours=1))
    second = start(app, Memory(answer=lambda _: LOST), build=make_build(word="Later news"))
    run(later, second, Memory(answer=lambda _: LOST))
    with app.store.read() as connection:
        found = archived(connection, "daily", second.issue)
    assert found
    assert (found.build, found.subject) == (second.build, "Later news for reader")
    assert (found.published_at, found.updated_at) == (app.now(), later.now())


def test_a_correction_touches_the_issue_it_corrects_and_a_rebuilt_one_without_it_takes_that_back(app: App) -> None:
    add_readers(app, 1)
    run(app, start(app, Memory()), Memory())
    add_readers(app, 1, first=2)
    later = replace(app, now=lambda: MORNING + timedelta(days=1))
    run(later, start(app, Memory(), issue=LATER, build=correcting(LATER, "2024-10-10")), Memory())
    with app.store.read() as connection:
        wrong = archived(connection, "daily", "2024-10-10")
        [note] = notes_about(connection, ["2024-10-10"])
    assert wrong
    assert (wrong.published_at, wrong.updated_at) == (app.now(), later.now())
    assert (note.issue, note.words) == (LATER, {"was": "It is long.", "is": "It is short."})
    add_readers(app, 1, first=3)
    run(replace(app, now=lambda: MORNING + timedelta(days=2)), start(app, Memory(), issue=LATER), Memory())
    with app.store.read() as connection:
        wrong = archived(connection, "daily", "2024-10-10")
        assert notes_about(connection, ["2024-10-10"]) == []
    assert wrong
    assert wrong.updated_at == wrong.published_at


def test_what_an_issue_answers_is_written_down_but_not_what_it_asks_itself(app: App) -> None:
    add_readers(app, 1)
    said = {"question": "q", "asked": "Is it *so*?", "asked_on": None, "status": "answered"}
    facts = {"follow_ups": [{**said, "asked_in": issue} for issue in ("2024-10-09", "2024-10-10", None)]}
    run(app, start(app, Memory(), build=saying("2024-10-10", facts)), Memory())
    with app.store.read() as connection:
        [note] = notes_about(connection, ["2024-10-09", "2024-10-10"])
    assert (note.about, note.kind, note.words["question"]) == ("2024-10-09", "answers", "Is it so?")


@pytest.mark.parametrize("number", [120])
def test_issues_follow_one_another_in_one_order_everywhere(app: App, number: int) -> None:
    first = date(2024, 1, 1)
    days = [first + timedelta(days=index // 2) for index in range(number)]  # two issues a day
    names = [f"{day}-{index % 2}" for index, day in enumerate(days)]
    with app.store.write() as connection:
        build = {"hash": "0" * 64, "newsletter": "daily", "issue": "x", "date": first, "built_at": MORNING}
        connection.execute(insert(builds), build)
        row = {"newsletter": "daily", "build": "0" * 64, "subject": "S", "preheader": "", "updated_at": MORNING}
        connection.execute(
            insert(archive_table),
            [
                {**row, "issue": name, "date": day, "published_at": MORNING + timedelta(minutes=index)}
                for index, (name, day) in enumerate(zip(names, days, strict=True))
            ],
        )
    with app.store.read() as connection:
        pages = [newest_first(connection, "daily", limit=50, skip=skip) for skip in (0, 50, 100, 150)]
        assert [len(page) for page in pages] == [50, 50, 20, 0]
        listed = [issue for page in pages for issue in page]
        assert [issue.issue for issue in listed] == names[::-1]
        assert latest_issue(connection, "daily") == names[-1]
        assert latest_issue(connection, "weekly") is None
        for index in (0, 1, 60, 118, 119):
            before, after = neighbours(connection, listed[index])
            assert (before.issue if before else None) == (listed[index + 1].issue if index < 119 else None)
            assert (after.issue if after else None) == (listed[index - 1].issue if index else None)

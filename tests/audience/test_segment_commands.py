"""`newsletter audience … --segment`: who is in it, in numbers and by some of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from newsletter.app import App
from newsletter.audience.membership import sample
from newsletter.audience.segment_sql import View
from newsletter.cli.root import cli
from newsletter.store.tables import subscribers

GERMAN = 'title = "Readers of German"\n[where]\nlang = "de"\n'


def typed(app: App, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--workspace", str(app.workspace.root), *words])


@pytest.fixture
def newsroom(newsroom: Any) -> Any:
    """Three readers of German, one of whom left, and two others; the segments `german` and `nobody`."""
    rows = "ann@example.org,Ann,de\nben@example.org,Ben,de-AT\ncem@example.org,,de\n"
    rows += "dea@example.org,,en\neve@example.org,,\n"
    newsroom.imports("email,first_name,lang\n" + rows)
    newsroom.leaves("cem@example.org")
    folder = newsroom.app.workspace.segments
    folder.mkdir()
    (folder / "german.toml").write_text(GERMAN, encoding="utf-8")
    (folder / "nobody.toml").write_text('title = "Nobody"\n[where]\nlang = "tlh"\n', encoding="utf-8")
    return newsroom


def test_a_segment_is_counted_within_the_audience(newsroom: Any) -> None:
    found = json.loads(typed(newsroom.app, "audience", "count", "--segment", "german", "--json").stdout)
    assert found == {
        "newsletter": "daily",
        "segment": "german",
        "title": "Readers of German",
        "newsletter_audience": 5,
        "audience": 3,
        "mailable": 2,
        "excluded_by": {"unsubscribed": 1},
    }
    assert found["audience"] == found["mailable"] + sum(found["excluded_by"].values())
    shown = typed(newsroom.app, "audience", "count", "--segment", "german").output
    assert "Readers of German" in shown
    assert "not: unsubscribed" in shown


def test_without_a_segment_count_says_what_it_always_said(newsroom: Any) -> None:
    found = json.loads(typed(newsroom.app, "audience", "count", "--json").stdout)
    assert (found["audience"], found["mailable"]) == (5, 4)
    assert "segment" not in found


def test_some_readers_are_shown_with_why_they_get_it_or_not(newsroom: Any) -> None:
    found = json.loads(typed(newsroom.app, "audience", "show", "--segment", "german", "--json").stdout)
    by_address = sorted(found["readers"], key=lambda reader: str(reader["address"]))
    assert [(r["address"], r["first_name"], r["mailable"], r["reason"]) for r in by_address] == [
        ("ann@example.org", "Ann", True, "mailable"),
        ("ben@example.org", "Ben", True, "mailable"),
        ("cem@example.org", None, False, "unsubscribed"),
    ]
    shown = typed(newsroom.app, "audience", "show", "--limit", "2").output
    assert len(shown.strip().splitlines()) == 3
    assert "Nobody." in typed(newsroom.app, "audience", "show", "--segment", "nobody").output


def test_a_reader_who_was_erased_is_shown_by_number_alone(newsroom: Any) -> None:
    with newsroom.app.store.write() as connection:
        erased = connection.scalar(select(subscribers.c.id).where(subscribers.c.address == "eve@example.org"))
        connection.execute(update(subscribers).where(subscribers.c.id == erased).values(address=None))
    assert f"(erased reader {erased})" in typed(newsroom.app, "audience", "show").output


def test_the_readers_shown_are_spread_over_all_and_the_same_each_time(newsroom: Any) -> None:
    newsroom.imports("email\n" + "".join(f"reader{n}@example.com\n" for n in range(300)))
    view = View("daily", newsroom.settings, newsroom.now, newsroom.app.settings.newsletters)
    with newsroom.app.store.read() as connection:
        first = [reader.subscriber_id for reader in sample(connection, None, view, limit=20)]
        again = [reader.subscriber_id for reader in sample(connection, None, view, limit=20)]
    assert first == again
    assert max(first) - min(first) > 200


def test_segments_are_listed_and_a_broken_one_is_named(newsroom: Any) -> None:
    done = typed(newsroom.app, "audience", "segments", "--json")
    rows = json.loads(done.stdout)["segments"]
    assert [(row["segment"], row["audience"], row["mailable"]) for row in rows] == [("german", 3, 2), ("nobody", 0, 0)]
    assert done.exit_code == 0
    (newsroom.app.workspace.segments / "bad.toml").write_text("title = 5\n", encoding="utf-8")
    broken = typed(newsroom.app, "audience", "segments")
    assert (broken.exit_code, "Readers of German" in broken.output) == (1, True)
    assert "segments/bad.toml:1" in broken.output


def test_a_segment_there_is_not_names_the_nearest(newsroom: Any) -> None:
    for command in ("count", "show"):
        done = typed(newsroom.app, "audience", command, "--segment", "germans")
        assert "Did you mean `german`" in str(done.exception)

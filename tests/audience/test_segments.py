"""A segment's file means what it says, or every problem of it is said with its line."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from newsletter.app import App
from newsletter.audience.consent import Basis
from newsletter.audience.segment_sql import _Record
from newsletter.audience.segments import (
    Conditions,
    Segment,
    Span,
    condition_names,
    parse_segment,
    read_segment,
    read_segments,
)
from newsletter.errors import InputError, NotFound
from newsletter.settings import NewsletterSettings

DOCS = Path(__file__).parents[2] / "docs"
BROKEN = Path(__file__).parent.parent / "broken" / "segments"
FILES = sorted(BROKEN.glob("*.toml"))
pytestmark = pytest.mark.sqlite  # files only
GOOD = """\
title = "Supporters abroad"
notes = "Asked for by the supporters' desk."

[where]
lang = "de"
all = [
  { domain = ["Bücher.example", ".org"], had_issue = [2024-10-09, "2024-10-10-extra"] },
  { any = [{ newsletter = "daily" }, { consent_older_than = "12 months" }] },
  { not = { basis = "implied" } },
]
"""


def parse(text: str, settings: NewsletterSettings, name: str = "supporters") -> Segment:
    return parse_segment(name, text.encode(), newsletters={"daily": settings}, path=f"segments/{name}.toml")


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_a_broken_segment_gives_exactly_its_message(file: Path, app: App) -> None:
    with pytest.raises(InputError) as caught:
        parse_segment(file.stem, file.read_bytes(), newsletters=app.settings.newsletters, path=f"segments/{file.name}")
    assert str(caught.value) + "\n" == file.with_suffix(".txt").read_text(encoding="utf-8")


def test_a_segment_is_read_with_its_conditions_nested_as_written(app: App) -> None:
    found = parse(GOOD, app.settings.newsletters["daily"])
    assert (found.name, found.title) == ("supporters", "Supporters abroad")
    assert found.where.lang == ("de",)
    first, second, third = found.where.all or ()
    assert first.domain == ("xn--bcher-kva.example", ".org")
    assert first.had_issue == ("2024-10-09", "2024-10-10-extra")
    assert [table.newsletter for table in second.any or ()] == [("daily",), None]
    assert third.not_ == Conditions(basis=(Basis.IMPLIED,))


def test_spans_are_reckoned_by_the_calendar_back_from_a_given_moment() -> None:
    at = datetime(2024, 3, 31, 10, tzinfo=UTC)
    assert Span(months=1).before(at) == datetime(2024, 2, 29, 10, tzinfo=UTC)
    assert Span(days=14).before(at) == datetime(2024, 3, 17, 10, tzinfo=UTC)
    where = Conditions.model_validate({"joined_within": "2 years", "had_within": "2 weeks"})
    assert (where.joined_within, where.had_within) == (Span(months=24), Span(days=14))


def test_a_day_may_be_written_as_text_or_as_a_date() -> None:
    for written in ("2024-10-10", date(2024, 10, 10)):
        assert Conditions.model_validate({"joined_before": written}).joined_before == date(2024, 10, 10)


def test_an_unknown_segment_names_the_nearest(app: App) -> None:
    folder(app).joinpath("supporters.toml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(NotFound, match="Did you mean `supporters`"):
        read_segment(app.workspace, "supporter")
    for name in ("../config", "/etc/passwd", "", "supporters.toml"):
        with pytest.raises(NotFound):
            read_segment(app.workspace, name)


def test_without_any_segment_the_message_says_how_to_make_one(app: App) -> None:
    with pytest.raises(NotFound, match=r"docs/segments\.md"):
        read_segment(app.workspace, "supporters")


def test_a_link_out_of_the_workspace_is_not_followed(app: App, tmp_path: Path) -> None:
    outside = tmp_path / "outside.toml"
    outside.write_text(GOOD, encoding="utf-8")
    (folder(app) / "supporters.toml").symlink_to(outside)
    with pytest.raises(InputError, match="leads out"):
        read_segment(app.workspace, "supporters")


def test_a_file_too_large_to_be_a_segment_is_refused(app: App) -> None:
    (folder(app) / "huge.toml").write_text("#" * 300_000, encoding="utf-8")
    with pytest.raises(InputError, match="too large"):
        read_segment(app.workspace, "huge")


def test_one_broken_segment_does_not_hide_the_others(app: App) -> None:
    (folder(app) / "good.toml").write_text(GOOD, encoding="utf-8")
    (folder(app) / "bad.toml").write_text("title = 5\n", encoding="utf-8")
    found, problems = read_segments(app.workspace)
    assert [segment.name for segment in found] == ["good"]
    assert {problem.place.file for problem in problems} == {"segments/bad.toml"}


def test_every_condition_has_its_meaning_in_sql() -> None:
    assert [name for name in condition_names() if not hasattr(_Record, f"_{name}")] == []


def test_the_page_about_segments_names_every_condition_and_no_other() -> None:
    text = (DOCS / "segments.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == condition_names()


def test_the_segment_shown_on_the_page_can_be_read(app: App) -> None:
    text = (DOCS / "segments.md").read_text(encoding="utf-8")
    lines = text.split("\n\n    title", 1)[1].split("\nA table", 1)[0]
    shown = "title" + re.sub(r"^    ", "", lines, flags=re.MULTILINE)
    known = dict.fromkeys(("daily", "weekly"), app.settings.newsletters["daily"])
    assert parse_segment("abroad", shown.encode(), newsletters=known, path="x").title == "Supporters abroad"


def folder(app: App) -> Path:
    app.workspace.segments.mkdir(exist_ok=True)
    return app.workspace.segments

"""The sample newsroom: three days, one thread of question and answer, every block, every kind of reader."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from lxml import html as lxml_html
from PIL import Image
from sample_newsroom import ISSUES, build_sample, furnish, resolve_sample
from test_blocks import BLOCKS, assert_text_says_all

from newsletter.app import App
from newsletter.audience.import_csv import import_csv
from newsletter.config import shipped
from newsletter.rendering.readtime import count_words

READERS = shipped("issues") / "_readers" / "subscribers.csv"


@pytest.fixture
def newsroom(workspace: Path) -> Path:
    furnish(workspace)
    return workspace


@pytest.mark.parametrize("issue", ISSUES)
def test_a_sample_issue_is_complete_and_light(newsroom: Path, issue: str) -> None:
    built = build_sample(newsroom, issue)
    assert_text_says_all(built)
    assert len(built.html.encode()) < 90_000
    assert 35 <= len(built.preheader) <= 110
    assert 10 <= len(built.subject) <= 60
    assert all(picture.get("alt") for picture in lxml_html.document_fromstring(built.html).xpath("//img"))


def test_together_the_sample_issues_show_every_block_but_have_nothing_to_correct(newsroom: Path) -> None:
    used = {block.block.type for issue in ISSUES for block in resolve_sample(newsroom, issue).blocks}
    included = {issue for issue in ISSUES if any("_shared" in file for file in resolve_sample(newsroom, issue).sources)}
    assert included == {"2024-10-10"}
    assert used == set(BLOCKS) - {"correction", "include"}


def test_the_issue_of_10_october_reads_like_a_daily(newsroom: Path) -> None:
    words = count_words(build_sample(newsroom, "2024-10-10").text)
    assert 700 <= words <= 1_300


def test_what_one_day_asks_the_next_one_answers(newsroom: Path) -> None:
    second, third = build_sample(newsroom, "2024-10-09").text, build_sample(newsroom, "2024-10-10").text
    assert "Yesterday we asked: What were six North Korean officers doing near Donetsk?" in " ".join(second.split())
    assert "(Still open)" in second
    assert "Yesterday we asked: Are North Korean troops really fighting in Ukraine?" in " ".join(third.split())
    assert "Today: Apparently yes." in third


def test_the_sample_pictures_are_light_and_sharp_on_good_screens() -> None:
    for path in sorted(shipped("issues").glob("2024-*/*.jpg")):
        assert path.stat().st_size < 200_000, path.name
        with Image.open(path) as picture:
            assert 480 <= picture.width <= 1200, path.name


def test_the_sample_readers_are_a_thousand_of_every_kind_and_all_import(app: App) -> None:
    rows = list(csv.DictReader(READERS.read_text(encoding="utf-8").splitlines()))
    statuses = Counter(row["status"] for row in rows)
    assert len(rows) == 1_000
    assert set(statuses) == {"subscribed", "pending", "unsubscribed", "bounced", "complained"}
    assert sum(1 for row in rows if row["expires"] and row["expires"] < "2024-10-10") >= 20
    allowed = ("example.com", "example.org", "example.net", "simulator.amazonses.com")
    assert all(row["email"].endswith(allowed) for row in rows)
    _, settings = app.workspace.newsletter("daily")
    report = import_csv(
        app.store, app.keys, READERS, newsletter="daily", settings=settings, actor="a test", now=app.now()
    )
    assert (report.new, report.refused, report.problems) == (1_000, 0, [])

"""Copy from outside becomes a story that can be placed, never over another, and nothing in it acts."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.editorial.incoming.intake import Origin, slug, take_in, write_story
from newsletter.editorial.library import Library
from newsletter.errors import InputError, NotFound, Refused

PASTED = Origin("pasted text")

PAGE = """<html><head><title>The Site | Walls</title><style>p{}</style></head><body><nav>Menu</nav>
<h1>Walls at <em>home</em></h1>
<p class="MsoNormal">Von der Leyen noted a<a href="https://x.example/a?utm_source=t">warning</a>.
<script>alert(1)</script></p>
<p><a href="javascript:alert(1)">dead</a> <a href="/rel">rel</a> <img src="x" onerror="alert(1)"></p>
<ul><li>one</li><li>two <b>bold</b></li></ul></body></html>"""


def test_a_page_becomes_markdown_with_its_heading_as_title() -> None:
    story = take_in(PAGE, Origin("page.html", url="https://x.example/a"))
    assert story.title == "Walls at home"
    assert story.text == (
        "Von der Leyen noted a [warning](https://x.example/a).\n\ndead rel\n\n- one\n- two **bold**\n"
    )


@pytest.mark.parametrize("left", ["script", "alert", "onerror", "javascript", "Menu", "style", "<"])
def test_nothing_that_acts_is_left_of_a_page(left: str) -> None:
    assert left not in take_in(PAGE, PASTED).file


def test_pasted_text_has_its_first_line_for_a_headline() -> None:
    story = take_in("Walls at home\n\nThe text.Next one.\n", PASTED)
    assert (story.title, story.text) == ("Walls at home", "The text. Next one.\n")


def test_a_title_cannot_break_out_of_the_front_matter(workspace: Path) -> None:
    path = write_story(workspace / "issues", take_in("Text.", Origin("x", title='"]\n+++\nfollows = ["x"]')))
    story = Library(workspace / "issues").story(f"_inbox/{path.stem}")
    assert (story.meta.title, story.meta.follows) == ('"] +++ follows = ["x"]', ())


def test_the_story_written_is_the_story_read(workspace: Path) -> None:
    taken = take_in(PAGE, Origin("page.html", source="The Site", url="https://x.example/a"))
    path = write_story(workspace / "issues", taken)
    story = Library(workspace / "issues").story(f"_inbox/{path.stem}")
    assert (story.meta.title, story.meta.source, story.meta.url) == ("Walls at home", "The Site", "https://x.example/a")
    assert story.body.strip() == taken.text.strip()


def test_a_story_is_never_written_over_another(workspace: Path) -> None:
    first = write_story(workspace / "issues", take_in("One\n\nFirst.", PASTED))
    with pytest.raises(Refused, match="nothing was changed"):
        write_story(workspace / "issues", take_in("One\n\nSecond.", PASTED))
    assert "First." in first.read_text()


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", "", "_draft", "x" * 200])
def test_a_name_cannot_lead_elsewhere(workspace: Path, name: str) -> None:
    with pytest.raises((InputError, Refused)):
        write_story(workspace / "issues", take_in("One\n\nText.", PASTED), name=name or " ")


def test_an_issue_that_is_not_there_is_refused(workspace: Path) -> None:
    with pytest.raises(NotFound, match="no issue `2030-01-01`"):
        write_story(workspace / "issues", take_in("One\n\nText.", PASTED), folder="2030-01-01")


@pytest.mark.parametrize("copy", ["", "  \n ", "<p></p><p></p>", "x" * 1_000_001])
def test_what_has_no_text_or_too_much_is_refused(copy: str) -> None:
    with pytest.raises(InputError):
        take_in(copy, PASTED)


def test_a_file_is_named_after_its_title() -> None:
    assert [slug(title) for title in ("Walls at home, again!", "Über Zäune", "見出し")] == [
        "walls-at-home-again",
        "uber-zaune",
        "story",
    ]

"""The library: finding issues, stories and images by name, and never anything else."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from newsroom import Newsroom

from newsletter.editorial import library as library_module
from newsletter.editorial.library import Heading, Library
from newsletter.errors import InputError, NotFound


@pytest.fixture
def library(newsroom: Newsroom) -> Library:
    """Two issues, an inbox, and folders that are neither."""
    newsroom.issue("2024-10-09")
    newsroom.story("2024-10-09/really")
    newsroom.story("2024-10-09/recruits")
    newsroom.issue("2024-10-10", '[[blocks]]\ntype = "lead"\nstory = "walls"\n')
    newsroom.story("2024-10-10/walls")
    newsroom.write("issues/2024-10-10/wall.jpg", "not really an image")
    newsroom.write("issues/2024-10-10/_draft.md", "not ready")
    newsroom.story("_inbox/wire", "date = 2024-10-09")
    newsroom.write("issues/_readers/notes.md", "no story")
    newsroom.write("issues/.git/config", "")
    return Library(newsroom.root / "issues")


def test_issues_are_the_folders_without_an_underscore(library: Library) -> None:
    assert library.issue_ids() == ("2024-10-09", "2024-10-10")


def test_a_workspace_without_issues_has_none(tmp_path: Path) -> None:
    assert Library(tmp_path / "issues").issue_ids() == ()


def test_stories_are_the_markdown_files_of_issues_and_the_inbox(library: Library) -> None:
    assert library.story_ids() == ("2024-10-09/really", "2024-10-09/recruits", "2024-10-10/walls", "_inbox/wire")
    assert library.story_ids("2024-10-10") == ("2024-10-10/walls",)
    assert library.story_ids("_readers") == ()
    assert [story.id for story in library.stories("_inbox")] == ["_inbox/wire"]


def test_a_definition_comes_with_its_document(library: Library) -> None:
    definition, document = library.definition("2024-10-10")

    assert definition.date == date(2024, 10, 10)
    assert str(document.place(["blocks", 0, "story"])) == "issues/2024-10-10/issue.toml:5"
    assert library.definition_source("2024-10-10")[1].startswith(b"newsletter")


def test_a_short_name_means_a_story_of_the_same_issue(library: Library) -> None:
    assert library.full_id("walls", "2024-10-10") == "2024-10-10/walls"
    assert library.full_id("2024-10-09/really", "2024-10-10") == "2024-10-09/really"


def test_an_unknown_issue_names_the_nearest(library: Library) -> None:
    with pytest.raises(NotFound, match=r"There is no issue `2024-10-11` in issues/\. Did you mean `2024-10-10`\?"):
        library.definition("2024-10-11")


@pytest.mark.parametrize("name", ["..", ".", "", "../issues/2024-10-10", "/etc", "_inbox", "2024-10-10/", "a\0b"])
def test_what_is_no_issue_is_not_opened(library: Library, name: str) -> None:
    with pytest.raises(NotFound):
        library.definition(name)


def test_a_folder_without_a_definition_says_so(library: Library, newsroom: Newsroom) -> None:
    newsroom.write("issues/2024-10-11/notes.txt", "")

    with pytest.raises(NotFound, match=r"There is no issue.toml in issues/2024-10-11/\."):
        Library(library.root).definition("2024-10-11")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("2024-10-10/wals", "Did you mean `walls`?"),
        ("2024-10-10/walls.md", "Did you mean `walls`?"),
        ("2024-10-10/Walls", "Did you mean `walls`?"),
        ("2024-10-10/recruits", "Did you mean `2024-10-09/recruits`?"),
        ("2024-10-10/recriuts", "Did you mean `2024-10-09/recruits`?"),
        ("2024-10-10/wire", "Did you mean `_inbox/wire`?"),
        ("2024-10-9/xyz", "Did you mean `2024-10-09`?"),
        ("2024-10-10/xyz", "Known: walls."),
    ],
)
def test_an_unknown_story_names_the_nearest_here_or_elsewhere(library: Library, name: str, remedy: str) -> None:
    with pytest.raises(NotFound) as caught:
        library.story(name)

    assert str(caught.value) == f"There is no story `{name}`. {remedy}"


@pytest.mark.parametrize(
    "name", ["../config", "2024-10-10/../2024-10-09/really", "2024-10-10/a/b", "_readers/notes", ".git/config", "walls"]
)
def test_a_story_is_never_looked_for_outside_an_issue(library: Library, name: str) -> None:
    assert not library.has_story(name)


def test_capitals_count_even_where_the_disk_does_not_mind_them(library: Library) -> None:
    assert library.has_story("2024-10-10/walls")
    assert not library.has_story("2024-10-10/WALLS")


def test_a_story_is_read_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    first = library.story("2024-10-10/walls")
    monkeypatch.setattr(library_module, "read_story", lambda *_: pytest.fail("read again"))

    assert library.story("2024-10-10/walls") is first


def test_one_issue_is_opened_without_reading_another(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = library_module.read_bytes
    monkeypatch.setattr(library_module, "read_bytes", lambda path, name: (opened.append(name), real(path, name))[1])

    library.definition("2024-10-10")
    library.heading("2024-10-10")

    assert set(opened) == {"issues/2024-10-10/issue.toml"}


# -- links -------------------------------------------------------------------------------------------------------------


def test_a_link_that_leads_out_of_the_issues_is_refused(library: Library, newsroom: Newsroom, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text('+++\ntitle = "x"\n+++\nSecret.\n', encoding="utf-8")
    folder = newsroom.root / "issues" / "2024-10-10"
    (folder / "link.md").symlink_to(outside)
    (folder / "keys.jpg").symlink_to(newsroom.root / "secrets.toml")
    fresh = Library(library.root)

    with pytest.raises(InputError) as story:
        fresh.story("2024-10-10/link")
    with pytest.raises(InputError) as image:
        fresh.image("2024-10-10", "keys.jpg")

    refusal = "is a link that leads out of issues/. Put the file itself there."
    assert str(story.value) == f"issues/2024-10-10/link.md: {refusal}"
    assert str(image.value) == f"issues/2024-10-10/keys.jpg: {refusal}"


def test_a_folder_that_is_a_link_out_of_the_issues_shows_nothing(library: Library, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "issue.toml").write_text('newsletter = "daily"\ndate = 2024-10-11\n', encoding="utf-8")
    (outside / "secret.md").write_text("x", encoding="utf-8")
    (library.root / "2024-10-11").symlink_to(outside)
    fresh = Library(library.root)

    assert fresh.story_ids("2024-10-11") == ()
    assert fresh.heading("2024-10-11") is None
    with pytest.raises(InputError, match="is a link that leads out of issues/"):
        fresh.definition("2024-10-11")


def test_a_link_within_the_issues_is_followed(library: Library) -> None:
    (library.root / "2024-10-10" / "again.md").symlink_to(library.root / "2024-10-09" / "really.md")

    assert Library(library.root).story("2024-10-10/again").body == "Text.\n"


def test_a_workspace_reached_by_a_link_is_read_as_any_other(library: Library, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(library.root.parent)

    assert Library(tmp_path / "alias" / "issues").story("2024-10-10/walls").path == "issues/2024-10-10/walls.md"


def test_what_is_not_a_file_is_not_waited_for(library: Library) -> None:
    """Opening a named pipe would wait for ever."""
    os.mkfifo(library.root / "2024-10-10" / "pipe.md")
    (library.root / "2024-10-10" / "folder.md").mkdir()
    fresh = Library(library.root)

    for name in ("pipe", "folder"):
        with pytest.raises(InputError, match=f"issues/2024-10-10/{name}.md: is not a file"):
            fresh.story(f"2024-10-10/{name}")


# -- images ------------------------------------------------------------------------------------------------------------


def test_an_image_lies_beside_its_issue(library: Library) -> None:
    assert library.image("2024-10-10", "wall.jpg") == library.root / "2024-10-10" / "wall.jpg"


@pytest.mark.parametrize("name", ["../2024-10-10/wall.jpg", "/etc/passwd", "..", "wall.jpg/", "Wall.jpg"])
def test_an_image_elsewhere_is_not_found(library: Library, name: str) -> None:
    with pytest.raises(NotFound):
        library.image("2024-10-10", name)


def test_a_missing_image_names_the_nearest(library: Library) -> None:
    with pytest.raises(NotFound) as caught:
        library.image("2024-10-10", "walls.jpg")

    assert str(caught.value) == "There is no image `walls.jpg` in issues/2024-10-10/. Did you mean `wall.jpg`?"


# -- headings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'newsletter = "daily"\ndate = 2024-10-11\n',
        "\ufeff# today\r\ndate='2024-10-11'\r\nnewsletter='daily'\r\n[[blocks]]\r\ndate = 1999-01-01\r\n",
        'notes = """\ndate = 1999-01-01\nnewsletter = "weekly"\n"""\nnewsletter = "daily"\ndate = 2024-10-11\n',
        '"date" = 2024-10-11\nnewsletter = "da\\u0069ly"\n',
    ],
)
def test_a_glance_tells_the_date_and_newsletter(newsroom: Newsroom, text: str) -> None:
    newsroom.write("issues/free-name/issue.toml", text)

    assert Library(newsroom.root / "issues").heading("free-name") == Heading(date(2024, 10, 11), "free-name", "daily")


@pytest.mark.parametrize("text", ["", "date = soon\n", 'newsletter = "daily"\ndate = 2024-13-99\n', "\x00", "a = ["])
def test_an_issue_without_a_readable_date_is_passed_over(newsroom: Newsroom, text: str) -> None:
    newsroom.write("issues/odd/issue.toml", text)
    newsroom.issue("2024-10-10")

    library = Library(newsroom.root / "issues")
    assert [issue for issue in library.issue_ids() if library.heading(issue)] == ["2024-10-10"]

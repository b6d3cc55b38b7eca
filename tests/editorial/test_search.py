"""Stories are found by their words, the best first, the same on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from newsroom import Newsroom
from typer.testing import CliRunner

from newsletter.app import App
from newsletter.cli.root import cli
from newsletter.editorial.index import Sought
from newsletter.editorial.library import Library
from newsletter.editorial.refresh import up_to_date
from newsletter.editorial.search import Hit, passage, search
from newsletter.editorial.terms import sought, terms

Search = Callable[..., list[Hit]]


@pytest.fixture
def find(app: App, newsroom: Newsroom) -> Search:
    newsroom.issue("2024-10-08")
    newsroom.issue("2024-10-09")
    newsroom.story("2024-10-08/wall", 'title = "A wall in the north"\ntags = ["Korea"]', body="Soldiers build it.")
    newsroom.story("2024-10-09/rail", 'title = "Rails"\ntags = ["rail"]', body="The railway stops at a wall. " * 3)
    newsroom.story("2024-10-09/orban", 'title = "Orbán’s Rede"', body="Über die Straße in 北京市. Minister’s cat.")
    newsroom.story("_inbox/wire", 'title = "Wire"\ndate = 2024-10-10', body="No such word.")

    def run(query: str, narrowed: Sought | None = None) -> list[Hit]:
        library = Library(newsroom.root / "issues")
        with up_to_date(app.store, library) as index:
            return search(library, index, query, narrowed=narrowed or Sought(), limit=10)

    return run


both_databases = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@both_databases
def test_words_are_found_however_they_are_written_and_only_together(find: Search) -> None:
    expected = {
        "wall": ["2024-10-08/wall", "2024-10-09/rail"],  # in the title before in the text
        "WALLS north": ["2024-10-08/wall"],
        "korea": ["2024-10-08/wall"],
        "soldier": ["2024-10-08/wall"],
        "railw*": ["2024-10-09/rail"],
        "railw": [],
        "Orban": ["2024-10-09/orban"],
        "strasse uber": ["2024-10-09/orban"],
        "北京": ["2024-10-09/orban"],
        "minister": ["2024-10-09/orban"],
        "wall wire": [],
        "": [],
        "the": ["2024-10-08/wall", "2024-10-09/rail"],
    }
    assert {query: [hit.story for hit in find(query)] for query in expected} == expected


@both_databases
@pytest.mark.parametrize(
    "query",
    [
        '"',
        "'; DROP TABLE x --",
        "wall AND",
        "NEAR(wall north)",
        "title:wall",
        "wall^2",
        "* * *",
        ":* & |",
        "a\0b",
        "\\",
        "(",
        "-wall",
    ],
)
def test_no_query_is_anything_but_words(find: Search, query: str) -> None:
    assert {hit.story for hit in find(query)} <= {"2024-10-08/wall", "2024-10-09/rail"}


@both_databases
def test_tags_and_dates_narrow_what_is_found(find: Search) -> None:
    from datetime import date

    assert [hit.story for hit in find("wall", Sought(("KOREA",)))] == ["2024-10-08/wall"]
    assert [hit.story for hit in find("wall", Sought(since=date(2024, 10, 9)))] == ["2024-10-09/rail"]
    assert [hit.story for hit in find("wall", Sought(until=date(2024, 10, 8)))] == ["2024-10-08/wall"]
    assert [hit.story for hit in find("word", Sought(since=date(2024, 10, 10)))] == ["_inbox/wire"]


def test_the_passage_shows_where_the_words_stand() -> None:
    copy = "One two. " * 60 + "The minister’s wall stands.\n\nAnd more. " + "Last words. " * 60
    found = passage(copy, sought("walls minist*"))
    assert [found.text[start:end] for start, end in found.marks] == ["minister’s", "wall"]
    assert found.text.startswith("…")
    assert found.text.endswith("…")
    assert "\n" not in found.text


@given(st.text(max_size=300), st.text(max_size=30))
def test_any_copy_and_query_make_a_passage_that_is_part_of_the_copy(copy: str, query: str) -> None:
    found = passage(copy, sought(query))
    assert found.text.strip("…") in " ".join(copy.split())
    assert all(found.text[start:end].strip() for start, end in found.marks)


@given(st.text(max_size=200))
def test_terms_are_letters_and_digits_whatever_the_text(text: str) -> None:
    """They are written into queries of two databases."""
    assert all(term.isalnum() and len(term) <= 40 for term in terms(text))


@both_databases
def test_a_story_as_large_as_a_file_may_be_is_indexed(app: App, newsroom: Newsroom, find: Search) -> None:
    body = " ".join(f"wörter{number:x}schlange" for number in range(50_000))
    newsroom.story("2024-10-09/long", 'title = "Long"', body=body[:1_000_000])
    assert [hit.story for hit in find("long")] == ["2024-10-09/long"]


def test_the_command_prints_hits_and_json_and_says_when_there_are_none(find: Search, workspace: Path) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["--workspace", str(workspace), "story", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    [hit] = json.loads(run("search", "soldiers", "--json"))["stories"]
    assert (hit["story"], hit["issue"], hit["date"]) == ("2024-10-08/wall", "2024-10-08", "2024-10-08")
    assert hit["passage"] == "Soldiers build it."
    assert "A wall in the north  2024-10-08/wall, 2024-10-08" in run("search", "wall")
    assert "No story has these words." in run("search", "nothing")
    assert run("search", "wall", "--tag", "korea", "--since", "2024-10-01", "--json").count("2024-10-08/wall") == 1
    done = CliRunner().invoke(cli, ["--workspace", str(workspace), "story", "search", "a", "--since", "soon"])
    assert "is not a date" in str(done.exception)


def test_a_new_story_names_what_it_seems_to_continue(find: Search, newsroom: Newsroom, workspace: Path) -> None:
    newsroom.issue("2024-10-10")
    command = ["--workspace", str(workspace), "story", "new", "The wall in the north grows", "--to", "2024-10-10"]

    done = CliRunner().invoke(cli, command, catch_exceptions=False)

    assert "It seems to continue 2024-10-08/wall" in done.output
    made = Library(workspace / "issues").story("2024-10-10/the-wall-in-the-north-grows")
    assert made.meta.title == "The wall in the north grows"
    assert '# follows = ["2024-10-08/wall"]' in made.source.decode()

"""Queries over the library: what is chosen, in which order, and what never is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time

import pytest
from newsroom import Newsroom

from newsletter.app import App
from newsletter.editorial.embargo import earliest
from newsletter.editorial.overview import outline
from newsletter.editorial.resolve import resolve
from newsletter.errors import InputError
from newsletter.settings import NewsletterSettings, RhythmSettings


@pytest.fixture
def library(newsroom: Newsroom) -> Newsroom:
    """Four days of stories, an inbox, and another newsletter."""
    for day in ("2024-10-07", "2024-10-08", "2024-10-09", "2024-10-11"):
        newsroom.issue(day)
        newsroom.story(f"{day}/a", 'tags = ["Watching", "asia"]\nsection = "World"\nsource = "Wire"')
        newsroom.story(f"{day}/b", 'tags = ["watching"]')
        newsroom.story(f"{day}/c")
    newsroom.issue("weekly-7", day="2024-10-07", newsletter="weekly")
    newsroom.story("weekly-7/w", 'tags = ["watching"]')
    newsroom.story("2024-10-10/own", 'tags = ["watching"]')
    newsroom.story("_inbox/dated", 'date = 2024-10-08\ntags = ["watching"]')
    newsroom.story("_inbox/later", 'date = 2024-10-11\ntags = ["watching"]')
    newsroom.story("_inbox/undated", 'tags = ["watching"]')
    return newsroom


@pytest.fixture
def chosen(app: App, library: Newsroom) -> Callable[..., list[str]]:
    def choose(query: str, *, blocks: str = "") -> list[str]:
        library.issue("2024-10-10", f'{blocks}[[blocks]]\ntype = "stories"\nselect = {{ {query} }}\n')
        found = resolve(app.workspace, app.store, "2024-10-10")
        return [story.id for block in found.blocks if block.block.type == "stories" for story in block.stories]

    return choose


def test_the_newest_come_first_then_by_id(chosen: Callable[..., list[str]]) -> None:
    assert chosen('tags = ["watching"], limit = 50') == [
        "2024-10-10/own",
        "2024-10-09/a",
        "2024-10-09/b",
        "2024-10-08/a",
        "2024-10-08/b",
        "_inbox/dated",
        "2024-10-07/a",
        "2024-10-07/b",
        "weekly-7/w",
    ]


def test_later_issues_and_stories_without_a_day_are_never_chosen(chosen: Callable[..., list[str]]) -> None:
    everything = chosen("limit = 50")

    assert not {"2024-10-11/a", "_inbox/later", "_inbox/undated"} & set(everything)
    assert "2024-10-09/c" in everything


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('tags = ["watching", "ASIA"], limit = 2', ["2024-10-09/a", "2024-10-08/a"]),
        ('section = "world", limit = 1', ["2024-10-09/a"]),
        ('source = "wire", since = "1d"', ["2024-10-09/a"]),
        ('tags = ["nothing has this"]', []),
    ],
)
def test_every_key_narrows_and_capitals_do_not_count(
    chosen: Callable[..., list[str]], query: str, expected: list[str]
) -> None:
    assert chosen(query) == expected


def test_since_counts_days_back_from_the_issues_date(chosen: Callable[..., list[str]]) -> None:
    assert chosen('tags = ["watching"], since = "0d"') == ["2024-10-10/own"]
    assert chosen('tags = ["watching"], since = "2d", limit = 50')[-1] == "_inbox/dated"
    assert chosen('tags = ["watching"], since = "9999d", limit = 50')[-1] == "weekly-7/w"


def test_only_issues_in_the_window_are_opened(chosen: Callable[..., list[str]], library: Newsroom) -> None:
    library.write("issues/2024-10-07/a.md", "broken")

    assert chosen('tags = ["watching"], since = "1d"') == ["2024-10-10/own", "2024-10-09/a", "2024-10-09/b"]


def test_a_broken_story_in_the_window_is_a_problem_not_a_silent_gap(
    chosen: Callable[..., list[str]], library: Newsroom
) -> None:
    library.write("issues/2024-10-08/a.md", "broken")

    with pytest.raises(InputError, match=r"issues/2024-10-08/a\.md:1: there is no front matter"):
        chosen('tags = ["watching"], limit = 50')


def test_what_the_issue_has_already_is_not_chosen_again(chosen: Callable[..., list[str]]) -> None:
    lead = '[[blocks]]\ntype = "lead"\nstory = "own"\n'
    first = '[[blocks]]\ntype = "stories"\nselect = { tags = ["watching"], limit = 1 }\n'

    assert chosen('tags = ["watching"], limit = 2', blocks=lead + first) == [
        "2024-10-09/a",
        "2024-10-09/b",
        "2024-10-08/a",
    ]


def test_unsent_leaves_out_what_an_issue_had_that_went_out(
    chosen: Callable[..., list[str]], library: Newsroom, send_row: Callable[..., None]
) -> None:
    library.issue("2024-10-09", '[[blocks]]\ntype = "lead"\nstory = "a"\n')
    library.issue("2024-10-08", '[[blocks]]\ntype = "lead"\nstory = "a"\n')
    for day in (7, 9):
        handed_over = datetime(2024, 10, day, 11, tzinfo=UTC)
        send_row(f"2024-10-{day:02}", handed_over=handed_over, stories=[f"2024-10-{day:02}/b", "_inbox/dated"])

    # The eighth was due and not sent: what it named is unsent. The builds of the others say what they carried.
    assert chosen('tags = ["watching"], unsent = true, limit = 50') == [
        "2024-10-10/own",
        "2024-10-09/a",
        "2024-10-08/a",
        "2024-10-08/b",
        "2024-10-07/a",
        "weekly-7/w",
    ]


def test_before_there_is_a_record_earlier_issues_count_as_sent(
    chosen: Callable[..., list[str]], library: Newsroom
) -> None:
    library.issue("2024-10-09", '[[blocks]]\ntype = "lead"\nstory = "a"\n')

    assert chosen('tags = ["watching"], unsent = true, limit = 2') == ["2024-10-10/own", "2024-10-09/b"]


def test_a_query_that_chooses_nothing_leaves_its_block_out(app: App, library: Newsroom) -> None:
    library.issue("2024-10-10", '[[blocks]]\ntype = "stories"\ntitle = "More"\nselect = { tags = ["none"] }\n')

    found = resolve(app.workspace, app.store, "2024-10-10")

    assert [block.block.type for block in found.blocks] == ["intro"]


def test_what_was_chosen_is_frozen_into_the_facts(app: App, library: Newsroom) -> None:
    library.issue("2024-10-10", '[[blocks]]\ntype = "stories"\nselect = { section = "World", limit = 2 }\n')

    facts = resolve(app.workspace, app.store, "2024-10-10").facts

    assert facts["stories"] == ["2024-10-09/a", "2024-10-08/a"]
    assert facts["blocks"] == [
        {"type": "intro", "stories": []},
        {"type": "stories", "stories": ["2024-10-09/a", "2024-10-08/a"]},
    ]


# -- words, authors, days, order, embargoes ----------------------------------------------------------------------------


def test_text_wants_every_word_wherever_it_stands_in_the_story(
    chosen: Callable[..., list[str]], library: Newsroom
) -> None:
    library.story("2024-10-08/walls", 'title = "Walls"\ntags = ["border"]', body="Concrete, two metres high.")
    library.story("2024-10-09/rails", 'title = "Rails"', body="A border of concrete.")
    assert chosen('text = "concrete border"') == ["2024-10-09/rails", "2024-10-08/walls"]
    assert chosen('text = "WALL concret*"') == ["2024-10-08/walls"]
    assert chosen('text = "concrete", tags = ["border"]') == ["2024-10-08/walls"]
    assert chosen('text = "steel"') == []


def test_by_relevance_a_headline_weighs_more_than_the_copy_and_the_newest_of_equals_comes_first(
    chosen: Callable[..., list[str]], library: Newsroom
) -> None:
    library.story("2024-10-07/title", 'title = "A tunnel"', body="Deep.")
    library.story("2024-10-08/often", body="A tunnel, a tunnel and a tunnel.")
    for day in ("2024-10-08", "2024-10-09"):
        library.story(f"{day}/once", body="A tunnel.")
    assert chosen('text = "tunnel", sort = "relevance"') == [
        "2024-10-07/title",
        "2024-10-08/often",
        "2024-10-09/once",
        "2024-10-08/once",
    ]


def test_an_author_is_any_of_those_in_the_byline(chosen: Callable[..., list[str]], library: Newsroom) -> None:
    library.story("2024-10-08/both", 'byline = "By Ada Byron and Grace Hopper"')
    library.story("2024-10-09/one", 'byline = "Ada Byron"')
    assert chosen('author = "ada byron"') == ["2024-10-09/one", "2024-10-08/both"]
    assert chosen('author = "Grace Hopper"') == ["2024-10-08/both"]
    assert chosen('author = "Grace"') == []


def test_until_ends_the_window_as_since_begins_it(chosen: Callable[..., list[str]]) -> None:
    assert chosen('tags = ["watching"], since = "2d", until = "1d"') == [
        "2024-10-09/a",
        "2024-10-09/b",
        "2024-10-08/a",
        "2024-10-08/b",
        "_inbox/dated",
    ]


def test_a_query_may_be_sorted_otherwise(chosen: Callable[..., list[str]]) -> None:
    oldest = chosen('tags = ["watching"], sort = "oldest", limit = 3')
    assert oldest == ["2024-10-07/a", "2024-10-07/b", "weekly-7/w"]
    assert chosen('tags = ["watching"], sort = "title", limit = 2') == ["2024-10-07/a", "2024-10-07/b"]


def test_not_sent_within_lets_a_story_come_back_after_a_while(
    chosen: Callable[..., list[str]], send_row: Callable[..., None]
) -> None:
    send_row("2024-10-07", handed_over=datetime(2024, 10, 7, 11, tzinfo=UTC), stories=["2024-10-07/a"])
    send_row("2024-10-09", handed_over=datetime(2024, 10, 9, 11, tzinfo=UTC), stories=["2024-10-09/a"])
    query = 'tags = ["watching", "asia"], limit = 9'
    assert chosen(f'{query}, not_sent_within = "2d"') == ["2024-10-08/a", "2024-10-07/a"]
    assert chosen(f'{query}, not_sent_within = "3d"') == ["2024-10-08/a"]


def test_fewer_than_the_minimum_is_an_error_that_says_what_was_passed_over(
    chosen: Callable[..., list[str]], library: Newsroom, send_row: Callable[..., None]
) -> None:
    send_row("2024-10-09", handed_over=datetime(2024, 10, 9, 11, tzinfo=UTC), stories=["2024-10-09/a"])
    library.story("2024-10-08/a", 'tags = ["asia"]\nembargo = "2024-10-11T06:00"')
    with pytest.raises(InputError) as refused:
        chosen('tags = ["asia"], unsent = true, minimum = 2')
    assert "issue.toml:8: the query finds 1 of the 2 stories it must find." in str(refused.value)
    assert "Passed over: 1 under embargo, 1 went out before, 1 dated after this issue." in str(refused.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('sort = "relevance"', "needs `text`"),
        ('text = "—"', "a `text` without words"),
        ("minimum = 6", "at least 6 stories and at most 5"),
        ('since = "1d", until = "2d"', "ends 2d ago, before it begins 1d ago"),
        ('sort = "newst"', "`select.sort` cannot be"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(chosen: Callable[..., list[str]], query: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        chosen(query)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("until", "free"),
    [("2024-10-10T00:00", True), ("2024-10-10T06:00", False), ("2024-10-10T00:01-04:00", False), ("2024-10-09", None)],
)
def test_a_query_never_chooses_what_is_under_embargo_when_its_day_begins(
    chosen: Callable[..., list[str]], library: Newsroom, until: str, free: bool | None
) -> None:
    library.story("2024-10-09/held", f'tags = ["held"]\nembargo = "{until}"')
    if free is None:
        with pytest.raises(InputError, match="is no time of a day"):
            chosen('tags = ["held"]')
    else:
        assert chosen('tags = ["held"]') == (["2024-10-09/held"] if free else [])


def test_by_its_rhythm_an_issue_goes_out_at_its_hour(app: App) -> None:
    settings = app.workspace.settings.newsletters["daily"]
    day = date(2024, 10, 10)

    def of(**rhythm: object) -> NewsletterSettings:
        return settings.model_copy(update={"rhythm": RhythmSettings(at=time(6, 30), **rhythm)})  # type: ignore[arg-type]

    assert earliest(settings, day) == datetime(2024, 10, 10, 4, tzinfo=UTC)
    assert earliest(of(), day) == datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
    assert earliest(of(zone="Europe/Berlin"), day) == datetime(2024, 10, 10, 4, 30, tzinfo=UTC)
    assert earliest(of(done_by=True), day) == datetime(2024, 10, 10, 4, tzinfo=UTC)


def test_the_outline_says_what_each_query_chose_and_passed_over(app: App, library: Newsroom) -> None:
    lead = '[[blocks]]\ntype = "lead"\nstory = "own"\n'
    query = '[[blocks]]\ntype = "stories"\nselect = { tags = ["watching"], since = "0d" }\n'
    library.issue("2024-10-10", lead + query)
    rows = outline(resolve(app.workspace, app.store, "2024-10-10"))
    assert [(row["type"], row["stories"], row["shown"], row["left_out"]) for row in rows] == [
        ("lead", ["2024-10-10/own"], True, {}),
        ("stories", [], False, {"in this issue already": 1, "without a date": 1}),
    ]


LATER = {"dated after this issue": 3, "without a date": 1}


@pytest.mark.parametrize(
    ("query", "left_out"),
    [
        (
            'tags = ["watching"], since = "2d", until = "1d", limit = 6',
            {"older than 2 days": 3, "not yet 1 day old": 1, **LATER},
        ),
        ('tags = ["watching"], since = "0d"', {"of an earlier day": 8, **LATER}),
        ('tags = ["asia"], section = "Sport", since = "2d"', {"not of section Sport": 2}),
        ('tags = ["asia", "watchnig"], since = "1d"', {"without the tag watchnig": 1}),
        ('text = "nowhere", source = "Wire", since = "1d"', {"without the words “nowhere”": 1}),
        ('author = "Nobody", source = "Wire", until = "3d"', {"not by Nobody": 1}),
        ('tags = ["watching"], limit = 2', {}),
    ],
)
def test_who_asks_why_a_story_did_not_come_hears_which_key_kept_it_out(
    app: App, library: Newsroom, query: str, left_out: dict[str, int]
) -> None:
    library.issue("2024-10-10", f'[[blocks]]\ntype = "stories"\nselect = {{ {query} }}\n')
    [_, row] = outline(resolve(app.workspace, app.store, "2024-10-10", explain=True))
    assert row["left_out"] == left_out

"""A query chooses what a plain reading of its rules chooses, whatever the library and whatever went out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from newsroom import Newsroom
from sqlalchemy import delete

from newsletter.app import App
from newsletter.editorial.resolve import resolve
from newsletter.store.tables import build_files, builds, library_builds, sends

TODAY = date(2024, 10, 10)
WORDS = ("wall", "rail", "vote")


@dataclass(frozen=True)
class Told:
    """A story of the small library; `folder` says how many days ago its issue is dated, -1 for the inbox."""

    name: str
    ago: int
    tags: frozenset[str]
    byline: str
    words: tuple[str, ...]
    held_days: int | None  # from today on
    sent_ago: int | None  # went out in the issue of so many days ago

    @property
    def day(self) -> date:
        return TODAY - timedelta(days=self.ago)

    @property
    def id(self) -> str:
        return f"{self.day}/{self.name}"


stories = st.lists(
    st.builds(
        Told,
        name=st.sampled_from("abcd"),
        ago=st.integers(-1, 4),
        tags=st.frozensets(st.sampled_from(["x", "y"])),
        byline=st.sampled_from(["", "By Ada", "Ada and Bob"]),
        words=st.lists(st.sampled_from(WORDS), max_size=3).map(tuple),
        held_days=st.none() | st.integers(-1, 1),
        sent_ago=st.none() | st.integers(0, 4),
    ),
    max_size=10,
    unique_by=lambda told: told.id,
)
queries = st.fixed_dictionaries(
    {"limit": st.integers(1, 4)},
    optional={
        "tags": st.lists(st.sampled_from(["x", "y"]), max_size=2, unique=True),
        "author": st.sampled_from(["ada", "Bob"]),
        "text": st.sampled_from([*WORDS, "wall vote", "ra*"]),
        "since": st.integers(2, 4),
        "until": st.integers(0, 2),
        "unsent": st.just(True),
        "not_sent_within": st.integers(0, 3),
        "sort": st.sampled_from(["newest", "oldest", "title"]),
    },
)


def plainly(library: list[Told], query: dict[str, object]) -> list[str]:
    """The rules, one after another."""

    def fits(told: Told) -> bool:
        went = told.sent_ago if told.sent_ago is not None and 1 <= told.sent_ago <= told.ago else None
        within = query.get("not_sent_within")
        words = str(query.get("text", "")).split()
        return (
            told.ago >= 0
            and frozenset(query.get("tags", ())) <= told.tags  # type: ignore[call-overload]
            and str(query.get("author", "")).casefold() in told.byline.casefold()
            and all(any(said.startswith(word.rstrip("*")) for said in told.words) for word in words)
            and int(str(query.get("until", 0))) <= told.ago <= int(str(query.get("since", 99)))
            and (told.held_days is None or told.held_days <= 0)
            and not (query.get("unsent") and went is not None)
            and (within is None or went is None or went > int(str(within)))
        )

    orders: dict[object, Callable[[Told], tuple[object, ...]]] = {
        "newest": lambda told: (told.ago, told.id),
        "oldest": lambda told: (-told.ago, told.id),
        "title": lambda told: (told.id,),
    }
    found = sorted(filter(fits, library), key=orders[query.get("sort", "newest")])
    return [told.id for told in found][: int(str(query["limit"]))]


def toml(query: dict[str, object]) -> str:
    def value(key: str, found: object) -> str:
        if key in {"since", "until", "not_sent_within"}:
            return f'"{found}d"'
        return (
            str(found).lower()
            if isinstance(found, bool)
            else str(found)
            if not isinstance(found, str)
            else f'"{found}"'
        )

    return ", ".join(f"{key} = {value(key, found)}" for key, found in query.items())


@given(library=stories, query=queries)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_query_chooses_what_its_rules_say(
    app: App, newsroom: Newsroom, send_row: Callable[..., None], library: list[Told], query: dict[str, object]
) -> None:
    shutil.rmtree(newsroom.root / "issues", ignore_errors=True)
    with app.store.write() as connection:
        for table in (sends, build_files, builds, library_builds):
            connection.execute(delete(table))
    for told in library:
        newsroom.issue(str(told.day))
        held = "" if told.held_days is None else f'embargo = "{TODAY + timedelta(days=told.held_days)}T00:00"\n'
        front = f'tags = {sorted(told.tags)}\nbyline = "{told.byline}"\n{held}'
        newsroom.story(told.id, front, body=f"Copy. {' '.join(told.words)}")
    for ago in range(1, 5):
        day = TODAY - timedelta(days=ago)
        newsroom.issue(str(day))
        carried = [told.id for told in library if told.sent_ago == ago and told.ago >= ago]
        send_row(str(day), handed_over=datetime(day.year, day.month, day.day, 11, tzinfo=UTC), stories=carried)
    newsroom.issue(str(TODAY), f'[[blocks]]\ntype = "stories"\nselect = {{ {toml(query)} }}\n')

    found = resolve(app.workspace, app.store, str(TODAY))

    chosen = [story.id for block in found.blocks if block.block.type == "stories" for story in block.stories]
    assert chosen == plainly(library, query)

"""The law of votes: whatever readers do, the tally is each one's last valid vote before the poll closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from web_newsroom import subscribe

from newsletter.app import App
from newsletter.editorial.polls import Poll
from newsletter.editorial.votes import Cast, ballot, cast, tally
from newsletter.rendering.build import canonical_json
from newsletter.store.tables import build_files, builds, sends

CLOSES = datetime(2024, 10, 17, 22, tzinfo=UTC)
POLL = Poll("wall", "Will it last?", ("Yes", "No", "Not for long"), CLOSES)
READERS = 3
_send = count(1)

moments = st.integers(-5, 5).map(lambda seconds: CLOSES + timedelta(seconds=seconds))
visits = st.lists(
    st.tuples(st.integers(0, READERS - 1), st.one_of(st.none(), st.integers(-1, 5)), moments), max_size=25
)


@pytest.fixture
def readers(app: App) -> list[int]:
    return [subscribe(app, f"reader{number}@example.org").id for number in range(READERS)]


def ask(app: App) -> tuple[str, str]:
    """A new issue with the poll that went out: its send and its name."""
    number = next(_send)
    issue, send, build = f"issue-{number}", f"send{number:04d}", f"{number:064d}"
    facts = canonical_json({"facts": {"polls": [POLL.facts()]}})
    now = app.now()
    with app.store.write() as connection:
        row = {"hash": build, "newsletter": "daily", "issue": issue, "date": now.date(), "built_at": now}
        connection.execute(insert(builds), row)
        file = {"build": build, "path": "manifest.json", "sha256": "0" * 64, "data": facts}
        connection.execute(insert(build_files), file)
        row = {"id": send, "newsletter": "daily", "issue": issue, "build": build, "state": "done", "person": "ed"}
        connection.execute(insert(sends), {**row, "transport": "outbox", "date_waived": False, "created_at": now})
    return send, issue


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(visits=visits)
def test_the_tally_is_each_readers_last_valid_vote_before_closing(
    app: App, readers: list[int], visits: list[tuple[int, int | None, datetime]]
) -> None:
    send, issue = ask(app)
    wanted: dict[int, int] = {}
    for reader, choice, at in visits:
        with app.store.write() as connection:
            found = ballot(connection, readers[reader], send=send, newsletter="daily", poll="wall")
            assert found
            assert found.choice == wanted.get(reader)
            done = cast(connection, found, choice, now=at)
        if at >= CLOSES:
            assert done is Cast.CLOSED
        elif choice is None or not 1 <= choice <= len(POLL.options):
            assert done is Cast.NO_SUCH_OPTION
        else:
            assert done is Cast.COUNTED
            wanted[reader] = choice
    with app.store.read() as connection:
        found_tally = tally(connection, issue, "wall")
    assert found_tally.total == len(wanted)
    assert found_tally.counts == {n: list(wanted.values()).count(n) for n in set(wanted.values())}
    shares = found_tally.shares(POLL)
    assert [share.votes for share in shares] == [list(wanted.values()).count(n) for n in (1, 2, 3)]
    assert all(0 <= share.percent <= 100 for share in shares)
    assert sum(share.percent for share in shares) in ({99, 100, 101} if wanted else {0})

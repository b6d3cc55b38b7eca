"""When earlier issues went out, from real rows of sends and from the pure rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from newsroom import Newsroom

from newsletter.app import App
from newsletter.editorial.library import Heading, Library
from newsletter.editorial.refresh import up_to_date
from newsletter.editorial.sent import Send, SentRecord, next_unsent, read_sent, sent_record, stories_sent
from newsletter.errors import NotFound

NEW_YORK = ZoneInfo("America/New_York")
NINTH, TENTH = date(2024, 10, 9), date(2024, 10, 10)


def heading(day: date, issue: str = "") -> Heading:
    return Heading(day, issue or day.isoformat(), "daily")


def send(day: date, *, at: datetime | None, state: str = "done", waived: bool = False, issue: str = "") -> Send:
    return Send(issue or day.isoformat(), day, "b" * 64, state, waived, at)


def on(day: date, hour: int = 10) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def asked_on(rows: list[Send], day: date, *, as_of: date = TENTH) -> date | None:
    return sent_record(rows, NEW_YORK).went_out(heading(day), as_of=as_of)


# -- the rules ---------------------------------------------------------------------------------------------------------


def test_an_issue_counts_on_the_local_day_of_its_first_hand_over() -> None:
    late_in_the_evening = datetime(2024, 10, 10, 2, 30, tzinfo=UTC)  # still the ninth in New York

    assert asked_on([send(NINTH, at=late_in_the_evening)], NINTH) == NINTH


def test_a_send_with_its_date_waived_counts_on_the_issues_own_date() -> None:
    assert asked_on([send(NINTH, at=datetime(2026, 3, 1, tzinfo=UTC), waived=True)], NINTH) == NINTH


def test_without_any_record_every_earlier_issue_counts_as_sent_on_its_date() -> None:
    assert asked_on([], NINTH) == NINTH


def test_an_issue_older_than_the_first_recorded_send_counts_as_sent_on_its_date() -> None:
    assert asked_on([send(NINTH, at=on(NINTH))], date(2024, 10, 8)) == date(2024, 10, 8)


def test_an_issue_that_was_due_and_not_sent_was_never_asked() -> None:
    assert asked_on([send(date(2024, 10, 8), at=on(date(2024, 10, 8)))], NINTH) is None


@pytest.mark.parametrize("state", ["planned", "preparing", "sending"])
def test_an_issue_still_to_go_out_counts_on_its_planned_date(state: str) -> None:
    rows = [send(date(2024, 10, 8), at=on(date(2024, 10, 8))), send(NINTH, at=None, state=state)]

    assert asked_on(rows, NINTH) == NINTH


@pytest.mark.parametrize("state", ["held", "paused", "cancelled", "done"])
def test_an_issue_stopped_before_its_first_hand_over_was_never_asked(state: str) -> None:
    rows = [send(date(2024, 10, 8), at=on(date(2024, 10, 8))), send(NINTH, at=None, state=state)]

    assert asked_on(rows, NINTH) is None


def test_another_issue_of_the_same_date_counts_as_planned_for_it() -> None:
    rows = [send(date(2024, 10, 8), at=on(date(2024, 10, 8)))]

    assert asked_on(rows, TENTH) == TENTH


def test_what_goes_out_after_the_issue_that_looks_back_was_not_asked_before_it() -> None:
    rows = [send(date(2024, 10, 8), at=on(date(2024, 10, 8))), send(NINTH, at=on(date(2024, 10, 12)))]

    assert asked_on(rows, NINTH) is None
    assert asked_on(rows, NINTH, as_of=date(2024, 10, 13)) == date(2024, 10, 12)
    assert asked_on([], date(2024, 10, 11)) is None


def test_of_several_sends_of_an_issue_the_first_counts() -> None:
    rows = [send(NINTH, at=on(date(2024, 10, 11))), send(NINTH, at=on(NINTH)), send(NINTH, at=None, state="planned")]

    assert asked_on(rows, NINTH) == NINTH


def test_rehearsing_an_older_issue_later_does_not_move_where_the_record_begins() -> None:
    rows = [send(TENTH, at=on(TENTH)), send(date(2024, 10, 1), at=on(date(2024, 11, 1)), waived=True)]

    assert asked_on(rows, NINTH) == NINTH


ZONES = st.sampled_from(["America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin", "Asia/Seoul"])
DAYS = st.dates(date(2024, 2, 1), date(2025, 3, 31))
ROWS = st.lists(
    st.builds(
        lambda day, hours, state, waived, handed: send(
            day, at=on(day, 0) + timedelta(hours=hours) if handed else None, state=state, waived=waived
        ),
        DAYS,
        st.integers(-48, 96),
        st.sampled_from(["planned", "preparing", "sending", "paused", "held", "done", "cancelled"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=6,
)


@given(ROWS, DAYS, DAYS, ZONES)
def test_a_day_is_never_after_the_issue_and_is_what_the_newsletters_clock_showed(
    rows: list[Send], day: date, as_of: date, zone: str
) -> None:
    found = sent_record(rows, ZoneInfo(zone)).went_out(heading(day), as_of=as_of)

    local = [row.first_handover_at.astimezone(ZoneInfo(zone)).date() for row in rows if row.first_handover_at]
    assert found is None or found <= as_of
    assert found is None or found in {day, *local}


@given(ROWS.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))), DAYS, DAYS)
def test_the_order_of_the_rows_does_not_matter(both: tuple[list[Send], list[Send]], day: date, as_of: date) -> None:
    moments = [row.first_handover_at for row in both[0] if row.first_handover_at]
    assume(len(set(moments)) == len(moments))

    assert asked_on(both[0], day, as_of=as_of) == asked_on(both[1], day, as_of=as_of)


# -- the rows ----------------------------------------------------------------------------------------------------------


def record(app: App, newsletter: str = "daily") -> SentRecord:
    with app.store.read() as connection:
        return read_sent(connection, newsletter, NEW_YORK)


def test_the_record_is_read_from_one_newsletters_sends(app: App, send_row: Callable[..., None]) -> None:
    send_row("2024-10-08", handed_over=on(date(2024, 10, 8)))
    send_row("2024-10-09", handed_over=datetime(2024, 10, 10, 2, 0, tzinfo=UTC))
    send_row("2024-10-07", handed_over=on(date(2024, 10, 7)), newsletter="weekly")
    send_row("2024-10-10", state="planned")

    found = record(app)

    assert found.begins == date(2024, 10, 8)
    assert found.went_out(heading(NINTH), as_of=TENTH) == NINTH
    assert found.build_of("2024-10-09") is not None
    assert found.build_of("2024-10-10") is None
    assert "2024-10-07" not in found.by_issue


def test_what_an_issue_carried_is_read_from_its_build(app: App, send_row: Callable[..., None]) -> None:
    send_row("2024-10-08", handed_over=on(date(2024, 10, 8)), stories=["2024-10-08/a", "2024-10-07/b"])
    send_row("2024-10-09", handed_over=on(NINTH))
    found = record(app)

    with app.store.read() as connection:
        assert stories_sent(connection, found.build_of("2024-10-08") or "") == {"2024-10-08/a", "2024-10-07/b"}
        assert stories_sent(connection, found.build_of("2024-10-09") or "") is None
        assert stories_sent(connection, "no such build") is None


# -- the issue a command means -----------------------------------------------------------------------------------------


@pytest.fixture
def chosen(app: App, newsroom: Newsroom) -> Callable[..., str]:
    for issue in ("2024-10-08", "2024-10-09", "2024-10-10"):
        newsroom.issue(issue)

    def choose(newsletter: str | None = None) -> str:
        with up_to_date(app.store, Library(app.workspace.issues)) as index:
            return next_unsent(index, newsletter)

    return choose


def test_with_nothing_sent_the_earliest_issue_is_meant(chosen: Callable[..., str]) -> None:
    assert chosen() == "2024-10-08"


def test_the_earliest_issue_not_sent_is_meant(chosen: Callable[..., str], send_row: Callable[..., None]) -> None:
    send_row("2024-10-08", handed_over=on(date(2024, 10, 8)))

    assert chosen() == "2024-10-09"


def test_when_all_are_sent_the_newest_is_meant(chosen: Callable[..., str], send_row: Callable[..., None]) -> None:
    for day in (8, 9, 10):
        send_row(f"2024-10-{day:02}", handed_over=on(date(2024, 10, day)))

    assert chosen() == "2024-10-10"


def test_an_issue_left_out_while_later_ones_went_is_passed_over(
    chosen: Callable[..., str], send_row: Callable[..., None]
) -> None:
    send_row("2024-10-09", handed_over=on(NINTH))

    assert chosen() == "2024-10-10"


def test_an_unfinished_send_is_gone_on_with(chosen: Callable[..., str], send_row: Callable[..., None]) -> None:
    send_row("2024-10-08", handed_over=on(date(2024, 10, 8)), state="paused")

    assert chosen() == "2024-10-08"


def test_each_newsletter_has_its_own_next_issue(
    chosen: Callable[..., str], newsroom: Newsroom, send_row: Callable[..., None]
) -> None:
    newsroom.issue("2024-10-05", newsletter="weekly")
    send_row("2024-10-10", handed_over=on(TENTH))

    assert chosen("weekly") == "2024-10-05"
    assert chosen("daily") == "2024-10-10"
    assert chosen() == "2024-10-05"


def test_without_issues_the_command_is_told_so(app: App) -> None:
    with up_to_date(app.store, Library(app.workspace.issues)) as index:
        with pytest.raises(NotFound, match=r"There are no issues in issues/\."):
            next_unsent(index)

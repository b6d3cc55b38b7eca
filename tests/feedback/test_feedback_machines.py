"""People, mailboxes that fetch by themselves, and scanners are told apart, whatever the order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.feedback.machines import By, Look, judge

NOON = datetime(2024, 10, 10, 12, 0, tzinfo=UTC)
PERSON = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
GMAIL_AHEAD = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 "
    "Safari/537.36 Edge/12.246 Mozilla/5.0"
)


def look(seconds: float, *, link: str | None = None, agent: str | None = PERSON, known: By = By.PERSON) -> Look:
    return Look(link is not None, NOON + timedelta(seconds=seconds), link, agent, known)


def by(*looks: Look, delivered: float | None = 0.0) -> list[str]:
    return [str(who) for who in judge(looks, None if delivered is None else NOON + timedelta(seconds=delivered))]


@pytest.mark.parametrize(
    ("agent", "who"),
    [
        (PERSON, "person"),
        ("Mozilla/5.0", "prefetch"),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "prefetch"),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "prefetch"),
        (GMAIL_AHEAD, "prefetch"),
        ("Microsoft Office Existence Discovery", "scanner"),
        ("python-requests/2.31", "scanner"),
        ("", "scanner"),
        (None, "person"),
    ],
)
def test_an_open_goes_by_the_program_that_fetched_the_picture(agent: str | None, who: str) -> None:
    assert by(look(600, agent=agent)) == [who]


def test_nobody_reads_a_mail_in_the_seconds_it_arrives() -> None:
    assert by(look(4.9), look(5.1)) == ["prefetch", "person"]
    assert by(look(1.9, link="a"), look(2.1, link="a")) == ["scanner", "person"]
    assert by(look(-1.0, link="a")) == ["scanner"]  # a gateway tries the links before it takes the mail
    assert by(look(1.0, link="a"), delivered=None) == ["person"]


def test_three_links_at_once_are_no_persons_and_two_are() -> None:
    assert by(look(60, link="a"), look(60.9, link="b"), look(62, link="c")) == ["scanner"] * 3
    assert by(look(60, link="a"), look(60.9, link="b"), look(62.1, link="c")) == ["person"] * 3
    assert by(look(60, link="a"), look(60.1, link="a"), look(60.2, link="b")) == ["person"] * 3


def test_what_a_person_follows_later_stays_hers() -> None:
    burst = [look(60 + n / 10, link=str(n)) for n in range(5)]
    assert by(*burst, look(3600, link="2")) == ["scanner"] * 5 + ["person"]


LOOKS = st.builds(
    look,
    st.sampled_from([0.0, 1.0, 2.0, 2.5, 4.0, 5.0, 60.0, 61.0, 62.0, 63.0]),
    link=st.sampled_from([None, "a", "b", "c", "d"]),
    agent=st.sampled_from([PERSON, "Mozilla/5.0", "", None, "curl/8"]),
    known=st.sampled_from(list(By)),
)


@given(st.lists(LOOKS, max_size=8), st.randoms())
def test_the_order_of_hearing_makes_no_difference(looks: list[Look], chance: object) -> None:
    shuffled = list(range(len(looks)))
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    told = by(*(looks[index] for index in shuffled))
    assert dict(zip(shuffled, told, strict=True)) == dict(enumerate(by(*looks)))


@given(st.lists(LOOKS, max_size=8), LOOKS)
def test_hearing_more_never_turns_a_machine_into_a_person(looks: list[Look], more: Look) -> None:
    before, after = by(*looks), by(*looks, more)
    assert all(now == was for was, now in zip(before, after, strict=False) if was != "person")

"""POLL-OVER: a poll that nobody can vote in holds the issue; one with little time left is a warning."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from newsdesk import CONTEXT, a_resolved_issue, errors, findings

from newsletter.editorial.polls import Poll
from newsletter.preflight.findings import Finding, Severity

SIX = datetime(2024, 10, 10, 10, 0, tzinfo=UTC)  # in New York


def polled(closes: datetime, **known: object) -> list[Finding]:
    """The good issue with a poll that closes then."""
    resolved = a_resolved_issue()
    intro, lead = resolved.blocks
    poll = Poll("wall", "Will it last?", ("Yes", "No"), closes)
    return findings(None, replace(resolved, blocks=(replace(intro, poll=poll), lead)), **known)


def test_a_poll_that_is_over_when_the_issue_goes_out_holds_it() -> None:
    going = {"leaves": SIX, "goes_out": date(2024, 10, 10)}
    [finding] = polled(SIX, **going)
    assert (finding.rule, finding.severity, finding.place.line) == ("POLL-OVER", Severity.ERROR, 6)
    assert "wall closes at 2024-10-10 06:00 EDT, and the issue goes out at 2024-10-10 06:00 EDT" in finding.message
    [finding] = polled(SIX + timedelta(minutes=119, seconds=59), **going)
    assert (finding.severity, "119 minutes to vote" in finding.message) == (Severity.WARNING, True)
    assert polled(SIX + timedelta(hours=2), **going) == []


def test_of_todays_issue_without_an_hour_the_present_counts() -> None:
    assert errors(polled(CONTEXT.now)) == {"POLL-OVER"}
    assert polled(CONTEXT.now + timedelta(hours=2)) == []


def test_an_issue_of_tomorrow_goes_by_its_rhythm_and_one_of_the_past_by_its_schedule_alone() -> None:
    before = CONTEXT.now - timedelta(days=1)
    assert errors(polled(SIX, now=before)) == {"DATE"}  # no hour is known
    assert errors(polled(SIX, now=before, leaves=SIX)) == {"DATE", "POLL-OVER"}
    after = CONTEXT.now + timedelta(days=1)
    assert errors(polled(SIX, now=after, leaves=after)) == {"DATE"}
    assert errors(polled(SIX, now=after, leaves=after, goes_out=after.date())) == {"DATE", "POLL-OVER"}

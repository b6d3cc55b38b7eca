"""Approval: a person's yes to one build; an edit voids it, and where two are asked for, two there must be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scheduled import INTRO, ISSUE, Newsroom, local
from sending_rig import add_readers, frozen, make_build

from newsletter.app import App
from newsletter.errors import NotFound, Refused
from newsletter.rendering.difference import differences
from newsletter.sending.approvals import Approval, approve, approved_by
from newsletter.sending.send import send_issue
from newsletter.sending.signing import Signed, approve_issue, compare


@pytest.fixture
def newsroom(app: App) -> Newsroom:
    """A newsletter that asks for a second person, on the morning of its issue."""
    add_readers(app, 5)
    newsroom = Newsroom(app, at=local("2024-10-10 06:30"))
    newsroom.set(second_person=True)
    newsroom.write()
    return newsroom


def signed(newsroom: Newsroom, person: str, issue: str = ISSUE) -> Signed:
    return approve_issue(newsroom.app.store, newsroom.app.workspace, issue, person=person, waive=(), now=newsroom.at)


def test_one_persons_send_counts_as_her_yes_and_goes_out_with_the_second_persons(newsroom: Newsroom) -> None:
    alone = newsroom.send(person="ann")
    assert alone.report is None
    assert alone.unapproved is not None
    assert "approved by ann; this newsletter asks for a second person's yes" in alone.unapproved.approval.in_words
    assert newsroom.sends() == []
    done = newsroom.send(person="ben")
    assert done.report is not None
    assert done.report.account.accepted == 5
    with newsroom.app.store.read() as connection:
        assert approved_by(connection, done.report.send.build) == ["ann", "ben"]


def test_who_approves_again_by_another_spelling_is_listed_once(newsroom: Newsroom) -> None:
    for person in ("ann", "ben", "Ann"):
        approval = signed(newsroom, person).approval
        newsroom.at += timedelta(minutes=1)
    assert approval is not None
    assert approval.people == ("ann", "ben")


def test_the_same_person_by_another_spelling_is_no_second_person(newsroom: Newsroom) -> None:
    signed(newsroom, "Ann Lee")
    assert newsroom.send(person="ann  LEE ").unapproved
    assert newsroom.plan(person="ANN LEE", at="07:00").unapproved


@given(
    st.lists(st.sampled_from(["Ann", " ann", "ANN ", "Ä", "ä", "a\u0308", "Ben", "ﬁ", "FI"]), max_size=5),
    st.integers(1, 2),
)
def test_people_are_counted_once_whatever_the_spelling(people: list[str], needed: int) -> None:
    plainly = {"Ann": 1, " ann": 1, "ANN ": 1, "Ä": 2, "ä": 2, "a\u0308": 2, "Ben": 3, "ﬁ": 4, "FI": 4}
    assert Approval("b", tuple(people), needed).enough == (len({plainly[person] for person in people}) >= needed)


def test_an_edit_voids_the_approval_and_what_changed_is_shown(newsroom: Newsroom) -> None:
    """Both said yes; then a word is changed, so one of them must look again."""
    signed(newsroom, "ann")
    before = signed(newsroom, "ben")
    assert before.approval is not None
    assert before.approval.enough
    newsroom.write(subject="Other news", blocks=INTRO.replace("Good morning", "Good evening"))
    refused = newsroom.send(person="ann")
    assert refused.report is None
    assert refused.unapproved is not None
    assert refused.unapproved.since == before.build.hash
    changed = {found.what: found for found in refused.unapproved.differences}
    assert (changed["subject"].before, changed["subject"].after) == ("News of 2024-10-10", "Other news")
    assert "-Good morning." in changed["text"].lines
    assert "+Good evening." in changed["text"].lines
    assert newsroom.sends() == []


def test_scheduling_needs_the_second_person_too_and_the_build_that_is_due_must_still_have_it(
    newsroom: Newsroom,
) -> None:
    refused = newsroom.plan(person="ann", at="07:00")
    assert refused.schedule is None
    assert refused.unapproved is not None
    made = newsroom.scheduled(person="ben", at="07:00")
    newsroom.at = made.due_at
    assert newsroom.ring()[0].held is None


def test_a_build_that_one_person_scheduled_is_held_when_two_are_asked_for_by_the_hour(newsroom: Newsroom) -> None:
    newsroom.set(second_person=False)
    made = newsroom.scheduled(person="ann", at="07:00")
    newsroom.set(second_person=True)
    newsroom.at = made.due_at
    held = newsroom.ring()[0].held
    assert held is not None
    assert "second person" in held


def test_no_way_in_sends_a_build_that_is_not_approved(newsroom: Newsroom) -> None:
    """The verb under `send` refuses by itself, and leaves nothing behind."""
    app, build = newsroom.app, frozen(newsroom.app, make_build())
    with pytest.raises(Refused, match="second person"):
        send_issue(app.store, app.workspace, app.keys, newsroom.transport, build, person="ann", now=newsroom.now)
    assert newsroom.sends() == []
    assert newsroom.transport.taken == []


def test_nobody_approves_what_must_not_go_out(newsroom: Newsroom) -> None:
    newsroom.write(blocks='[[blocks]]\ntype = "intro"\nbody = "{{nonsense}}"\n', subject="")
    newsroom.at = local("2024-10-11 06:30")  # and it is not its day
    found = signed(newsroom, "ann")
    assert found.approval is None
    assert "DATE" in {finding.rule for finding in found.findings}
    with newsroom.app.store.read() as connection:
        assert approved_by(connection, found.build.hash) == []


def test_an_issue_is_approved_the_evening_before_for_the_hour_at_which_it_goes_out(newsroom: Newsroom) -> None:
    newsroom.at = local("2024-10-09 20:00")
    assert signed(newsroom, "ann").approval is not None


# -- the difference ----------------------------------------------------------------------------------------------------


def test_the_same_build_has_no_difference() -> None:
    assert differences(make_build(), make_build()) == []


def test_settings_are_compared_too() -> None:
    before, after = (make_build(settings={"from_name": name, "lang": "en"}) for name in ("The Meridian", "Meridian"))
    (found,) = differences(before, after)
    assert (found.what, found.before, found.after) == ("setting from_name", "The Meridian", "Meridian")


def test_an_image_that_came_went_or_changed_is_named(newsroom: Newsroom) -> None:
    folder = newsroom.app.workspace.issues / ISSUE

    def picture(*names: str) -> None:
        blocks = [f'[[blocks]]\ntype = "image"\nsrc = "{name}"\nalt = "A wall"\ncredit = "Staff"\n' for name in names]
        newsroom.write(blocks=INTRO + "".join(blocks))

    (folder / "wall.png").write_bytes(_png(1))
    (folder / "gate.png").write_bytes(_png(2))
    picture("wall.png")
    first = signed(newsroom, "ann").build
    picture("wall.png", "gate.png")
    (folder / "wall.png").write_bytes(_png(3))
    second = signed(newsroom, "ann").build
    found = {each.what: each for each in differences(first, second)}
    gate, wall = found[f"image issues/{ISSUE}/gate.png"], found[f"image issues/{ISSUE}/wall.png"]
    assert (gate.before is None, gate.after is not None) == (True, True)
    assert wall.before != wall.after


def test_files_are_compared_with_the_build_named_else_the_scheduled_else_the_approved_one(newsroom: Newsroom) -> None:
    app = newsroom.app

    def against(build: str | None = None) -> str:
        return compare(app.store, newsroom.app.workspace, ISSUE, build=build, now=newsroom.at).frozen

    newsroom.set(second_person=False)
    first = signed(newsroom, "ann").build.hash
    newsroom.write(subject="Second")
    scheduled = newsroom.scheduled(at="07:00")
    newsroom.at = local("2024-10-10 06:35")
    newsroom.write(subject="Third")
    signed(newsroom, "ben")
    newsroom.write(subject="Fourth")
    assert against() == scheduled.build
    assert against(first[:8]) == first
    newsroom.at = local("2024-10-10 06:40")
    sent = newsroom.send().report
    assert sent is not None
    newsroom.write(subject="Fifth")
    assert against() == sent.send.build
    with pytest.raises(NotFound, match="no build `ffff"):
        against("ffffffff")


def test_a_second_yes_of_the_same_person_changes_nothing(app: App) -> None:
    build = frozen(app, make_build())
    with app.store.write() as connection:
        for _ in range(2):
            approve(connection, build.hash, person="ann", now=app.now())
        assert approved_by(connection, build.hash) == ["ann"]


def _png(size: int) -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (600 + size, 300), (size, 0, 0)).save(file, "PNG")
    return file.getvalue()

"""Leaving a newsletter: the page asks, the button and the mail program's one click act, nothing else does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from web_newsroom import Reader, every_row, reason_left_out, reopen, subscribe

from newsletter.app import App
from newsletter.audience.consent import Suppressed
from newsletter.audience.links import Purpose, sign_ticket, sign_unsubscribe
from newsletter.audience.suppression import suppress
from newsletter.web.public.body import MOST_BYTES
from newsletter.web.public.leaving import RECEIVED
from newsletter.web.public.site import create_site

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
MULTIPART = {"List-Unsubscribe": (None, "One-Click")}
BUTTON = {"from": "page"}


def test_the_page_names_the_newsletter_and_its_buttons_post_to_its_own_address(
    site: TestClient, reader: Reader
) -> None:
    page = site.get(reader.link)
    assert page.status_code == 200
    assert "Unsubscribe from The Meridian?" in page.text
    assert re.findall(r"<button[^>]*>(.*?)</button>", page.text) == ["Unsubscribe", "Pause"]
    assert page.text.count("<form") == page.text.count('<form method="post">') == 2
    assert "<script" not in page.text


def test_the_page_shows_neither_the_token_nor_the_address(site: TestClient, reader: Reader) -> None:
    page = site.get(reader.link).text
    assert reader.token not in page
    assert "ada" not in page.lower()


def test_looking_at_the_page_changes_nothing(site: TestClient, app: App, reader: Reader) -> None:
    before = every_row(app)
    site.get(reader.link)
    site.head(reader.link)
    site.get(reader.link, params=ONE_CLICK)
    assert every_row(app) == before
    assert reason_left_out(app, reader) is None


def test_the_button_unsubscribes_at_once_and_says_so(site: TestClient, app: App, reader: Reader) -> None:
    answer = site.post(reader.link, data=BUTTON)
    assert answer.status_code == 200
    assert "You are unsubscribed from The Meridian" in answer.text
    assert reason_left_out(app, reader) == "unsubscribed"


@pytest.mark.parametrize("sent", [{"data": ONE_CLICK}, {"files": MULTIPART}], ids=["urlencoded", "multipart"])
def test_one_click_unsubscribes_in_either_encoding_and_answers_as_rfc_8058_wants(
    site: TestClient, app: App, reader: Reader, sent: dict[str, object]
) -> None:
    answer = site.post(reader.link, **sent)
    assert (answer.status_code, answer.text) == (200, RECEIVED)
    assert answer.headers["content-type"].startswith("text/plain")
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert reason_left_out(app, reader) == "unsubscribed"


def test_the_26_bytes_that_gmail_posts_are_understood(site: TestClient, app: App, reader: Reader) -> None:
    body = b"List-Unsubscribe=One-Click"
    assert len(body) == 26
    answer = site.post(reader.link, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.text == RECEIVED
    assert reason_left_out(app, reader) == "unsubscribed"


@pytest.mark.parametrize("body", [BUTTON, ONE_CLICK], ids=["button", "one click"])
def test_unsubscribing_twice_is_the_same_as_once(
    site: TestClient, app: App, reader: Reader, body: dict[str, str]
) -> None:
    first = site.post(reader.link, data=body)
    after_one = every_row(app)
    second = site.post(reader.link, data=body)
    assert (second.status_code, second.text) == (first.status_code, first.text)
    assert every_row(app) == after_one


def test_only_the_reader_of_the_link_is_unsubscribed(site: TestClient, app: App, reader: Reader) -> None:
    other = subscribe(app, "grace@example.org")
    site.post(reader.link, data=BUTTON)
    assert reason_left_out(app, other) is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", ""),
        (b"", "multipart/form-data; boundary=x"),
        (b"List-Unsubscribe=Two-Clicks", "application/x-www-form-urlencoded"),
        (b"List-Unsubscribe=One-Click", "text/plain"),
        (b"List-Unsubscribe=One-Click", "multipart/form-data"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"\xff\xfe=%zz&&&==", "application/x-www-form-urlencoded; charset=utf-16"),
        (b'{"List-Unsubscribe": "One-Click"}', "application/json"),
        (b"from=page&List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (b"\x00" * 100, "\xff/\xff"),
    ],
)
def test_a_post_with_any_other_body_counts_as_the_button(
    site: TestClient, app: App, reader: Reader, body: bytes, kind: str
) -> None:
    answer = site.post(reader.link, content=body, headers={"Content-Type": kind.encode("latin-1")})
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    assert reason_left_out(app, reader) == "unsubscribed"


def forged(token: str) -> list[str]:
    key, _, signed = token.partition(".")
    turned = signed[:-1] + ("A" if signed[-1] != "A" else "Q")
    return ["x", token[:-5], f"{key}.{turned}", f"other.{signed}", "s1.", "%00", "%F0%9F%92%A9", "a" * 5000, "..", "."]


def test_an_unknown_or_forged_link_changes_nothing_and_tells_nothing(
    site: TestClient, app: App, reader: Reader
) -> None:
    before = every_row(app)
    for token in forged(reader.token)[:8]:
        looked, pressed = site.get(f"/u/{token}"), site.post(f"/u/{token}", data=BUTTON)
        assert looked.status_code == pressed.status_code == 404
        assert looked.text == pressed.text == site.get("/u/unknown").text
        assert "This link is not complete" in looked.text
        assert "editors@news.example.org" in looked.text
        for sent in ({"data": ONE_CLICK}, {"files": MULTIPART}):
            one_click = site.post(f"/u/{token}", **sent)
            assert (one_click.status_code, one_click.text) == (200, RECEIVED)
    assert every_row(app) == before


def test_a_link_to_a_newsletter_given_up_since_still_works(workspace: Path, app: App, reader: Reader) -> None:
    app = reopen(workspace, ("newsletters.daily", "newsletters.weekly"))
    site = TestClient(create_site(app), follow_redirects=False)
    assert "Unsubscribe from daily?" in site.get(reader.link).text
    assert "You are unsubscribed from daily" in site.post(reader.link, data=BUTTON).text
    with app.store.read() as connection:
        assert connection.exec_driver_sql("SELECT event FROM consent ORDER BY id").scalars().all()[-1] == "withdrawn"
    app.store.close()


def test_a_link_signed_for_a_reader_who_does_not_exist_is_no_failure(site: TestClient, app: App) -> None:
    token = sign_unsubscribe(app.keys, 999_999, "daily", "")
    assert site.post(f"/u/{token}", data=ONE_CLICK).status_code == 200
    assert site.post(f"/u/{token}", data=BUTTON).status_code < 500


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_a_body_too_large_is_refused_and_changes_nothing(
    site: TestClient, app: App, reader: Reader, chunked: bool
) -> None:
    def pieces() -> object:
        yield b"List-Unsubscribe=One-Click&x="
        for _ in range(MOST_BYTES // 100):
            yield b"x" * 100

    body = pieces() if chunked else b"x" * (MOST_BYTES + 1)
    answer = site.post(reader.link, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 413
    assert "larger than anything this page takes" in answer.text
    assert reason_left_out(app, reader) is None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_any_other_method_is_refused_and_changes_nothing(
    site: TestClient, app: App, reader: Reader, method: str
) -> None:
    before = every_row(app)
    answer = site.request(method, reader.link)
    assert answer.status_code == 405
    assert set(re.split(", ", answer.headers["allow"])) == {"GET", "HEAD", "POST"}
    assert every_row(app) == before


SECOND = """
[newsletters.weekly]
name = "<Weekly> & more"
list_id = "weekly.news.example.org"
from_name = "Weekly"
from_address = "weekly@news.example.org"
timezone = "Europe/London"
lang = "en-GB"
organisation = "The Meridian"
postal_address = "1 Example Street, Springfield"
why_receiving = "You signed up."
"""


def test_the_page_speaks_for_the_newsletter_of_the_link_where_there_are_several(workspace: Path) -> None:
    app = reopen(workspace, extra=SECOND)
    site = TestClient(create_site(app))
    page = site.get(subscribe(app, "ada@example.org", newsletter="weekly").link).text
    assert "Unsubscribe from &lt;Weekly&gt; &amp; more?" in page
    assert '<html lang="en-GB">' in page
    assert "The Meridian</a>" in site.get(subscribe(app, "ada@example.org").link).text
    unknown = site.get("/u/x").text
    assert "editors@news.example.org" in unknown
    assert "weekly@news.example.org" in unknown
    app.store.close()


# -- beside leaving ---------------------------------------------------------------------------------------------------


def undo_of(page: str) -> str:
    """Where the undo button posts to."""
    found = re.search(r'action="(/undo/[^"]+)"', page)
    assert found, page
    return found[1]


def test_pausing_says_until_when_and_resuming_ends_it(site: TestClient, app: App, reader: Reader) -> None:
    page = site.post(reader.link, data={**BUTTON, "action": "pause", "for": "1-week"})
    assert "Nothing is sent to you before Thursday, October 17, 2024." in page.text
    assert reason_left_out(app, reader) == "paused"
    assert "It is paused" in site.get(reader.link).text
    assert "The pause is over" in site.post(reader.link, data={**BUTTON, "action": "resume"}).text
    assert reason_left_out(app, reader) is None


def test_a_pause_of_no_known_length_is_a_month(site: TestClient, reader: Reader) -> None:
    for form in ({}, {"for": "ever"}):
        page = site.post(reader.link, data={"action": "pause", **form})
        assert "Sunday, November 10, 2024" in page.text


@pytest.mark.parametrize("action", ["", "leave", "LEAVE-ALL", "pause ", "x" * 500])
def test_what_names_neither_a_pause_nor_everything_leaves(
    site: TestClient, app: App, reader: Reader, action: str
) -> None:
    assert "You are unsubscribed" in site.post(reader.link, data={**BUTTON, "action": action}).text
    assert reason_left_out(app, reader) == "unsubscribed"


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_neither_pausing_nor_resuming_brings_anybody_back(
    site: TestClient, app: App, reader: Reader, action: str
) -> None:
    site.post(reader.link)
    before = every_row(app)
    assert "You are unsubscribed" in site.post(reader.link, data={"action": action}).text
    assert every_row(app) == before


def test_one_click_leaves_whatever_else_the_body_says(site: TestClient, app: App, reader: Reader) -> None:
    assert site.post(reader.link, data={**ONE_CLICK, "action": "pause"}).text == RECEIVED
    assert reason_left_out(app, reader) == "unsubscribed"


def test_the_page_of_one_who_is_out_offers_the_way_back(site: TestClient, app: App, reader: Reader) -> None:
    site.post(reader.link, data=ONE_CLICK)
    page = site.get(reader.link).text
    assert "You are unsubscribed from The Meridian" in page
    assert "It works until 06:30 New York time on October 11." in page
    assert "You are subscribed again" in site.post(undo_of(page)).text
    assert reason_left_out(app, reader) is None
    assert "Unsubscribe from The Meridian?" in site.get(reader.link).text


def test_undoing_twice_is_undoing_once_and_looking_is_not_undoing(site: TestClient, app: App, reader: Reader) -> None:
    undo = undo_of(site.post(reader.link).text)
    before = every_row(app)
    assert "Get The Meridian again?" in site.get(undo).text
    assert site.head(undo).status_code == 200
    assert every_row(app) == before
    first, after = site.post(undo), every_row(app)
    assert (first.status_code, site.post(undo).text) == (200, first.text)
    assert "You are subscribed again" in site.get(undo).text
    assert every_row(app) == after != before


def later(app: App) -> TestClient:
    """The site a day later."""
    return TestClient(create_site(replace(app, now=lambda: app.now() + timedelta(hours=24))))


def test_after_a_day_there_is_no_undo(site: TestClient, app: App, reader: Reader) -> None:
    undo = undo_of(site.post(reader.link).text)
    before = every_row(app)
    site = later(app)
    assert "/undo/" not in site.get(reader.link).text
    for answer in (site.get(undo), site.post(undo)):
        assert (answer.status_code, "can no longer be undone" in answer.text) == (410, True)
    assert every_row(app) == before


def test_a_complaint_that_came_since_is_not_undone(site: TestClient, app: App, reader: Reader) -> None:
    undo = undo_of(site.post(reader.link).text)
    with app.store.write() as connection:
        hashed = connection.exec_driver_sql("SELECT address_hash FROM subscribers").scalar_one()
        suppress(connection, str(hashed), reason=Suppressed.COMPLAINT, source="ses", at=app.now())
    assert "/undo/" not in site.get(reader.link).text
    assert site.post(undo).status_code == 410
    assert reason_left_out(app, reader) == "suppressed-complaint"


def test_an_undo_that_is_forged_or_of_an_entry_that_is_no_withdrawal_undoes_nothing(
    site: TestClient, app: App, reader: Reader
) -> None:
    undo = undo_of(site.post(reader.link).text)
    until = app.now() + timedelta(days=1)
    tokens = [*forged(undo.rpartition("/")[2])[:8], reader.token]
    tokens += [sign_ticket(app.keys, Purpose.UNDO, number, until) for number in (1, 999)]
    before = every_row(app)
    for token in tokens:
        assert site.get(f"/undo/{token}").status_code == site.post(f"/undo/{token}").status_code == 404
    assert every_row(app) == before


@pytest.fixture
def two(workspace: Path) -> Iterator[tuple[App, TestClient, Reader]]:
    """A reader of two newsletters."""
    app = reopen(workspace, extra=SECOND)
    subscribe(app, "ada@example.org", newsletter="weekly")
    yield app, TestClient(create_site(app), follow_redirects=False), subscribe(app, "ada@example.org")
    app.store.close()


def test_who_gets_several_can_leave_everything_and_take_all_of_it_back(two: tuple[App, TestClient, Reader]) -> None:
    app, site, reader = two
    weekly = Reader(reader.id, sign_unsubscribe(app.keys, reader.id, "weekly", ""))
    assert "You also get" in site.get(reader.link).text
    page = site.post(reader.link, data={**BUTTON, "action": "leave-all"}).text
    assert "You are unsubscribed from" in page
    assert "&lt;Weekly&gt; &amp; more" in page
    for link in (reader.link, weekly.link):
        assert "You are unsubscribed" in site.get(link).text
    assert site.post(reader.link, data={**BUTTON, "action": "leave-all"}).text == page
    site.post(undo_of(page))
    for link in (reader.link, weekly.link):
        assert "You also get" in site.get(link).text


def test_who_left_one_is_asked_whether_she_wants_to_leave_the_rest(two: tuple[App, TestClient, Reader]) -> None:
    _, site, reader = two
    page = site.post(reader.link, data=BUTTON).text
    assert "You still get" in page
    assert "You still get" not in site.post(reader.link, data={**BUTTON, "action": "leave-all"}).text

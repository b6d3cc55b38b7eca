"""What an editor sees of an issue while she writes it."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event, Thread

import pytest
from fastapi.testclient import TestClient

from newsletter.app import App
from newsletter.errors import NotFound
from newsletter.web.desk.draft import Drafts


def test_the_mail_is_shown_with_the_chosen_readers_name(desk: TestClient) -> None:
    assert "Good morning, Ann." in desk.get("/frame/mail?reader=ann").text
    assert "Good morning, نور الهدى." in desk.get("/frame/mail?reader=rtl").text
    assert "{{" not in desk.get("/frame/mail?reader=none").text


def test_colours_are_those_the_client_would_take(desk: TestClient) -> None:
    """The query about colours is answered in the text, and only that."""
    light, dark = desk.get("/frame/mail?scheme=light").text, desk.get("/frame/mail?scheme=dark").text
    for page in (light, dark, desk.get("/frame/mail?scheme=inverted").text):
        assert "prefers-color-scheme" not in page
    assert "@media (min-width: 0px)" in dark
    assert "@media (max-width: 0px)" in light
    strip = re.compile(r"\((?:min|max)-width: 0px\)|<style>:root.*?</style>", re.DOTALL)
    assert strip.sub("", light) == strip.sub("", dark)


def test_pictures_come_from_the_files_and_from_nowhere_else(desk: TestClient) -> None:
    frame = desk.get("/frame/mail")
    addresses = re.findall(r'<img[^>]*src="([^"]+)"', frame.text)
    assert addresses
    assert all(address.startswith("/a/") for address in addresses)
    assert all(desk.get(address).headers["content-type"].startswith("image/") for address in addresses)
    assert "img-src 'self'" in frame.headers["content-security-policy"]
    assert "img-src 'none'" in desk.get("/frame/mail?images=off").headers["content-security-policy"]


def test_no_script_of_the_copy_could_run(desk: TestClient) -> None:
    for path in ("/frame/mail", "/", "/?view=findings"):
        policy = desk.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "'unsafe-eval'" not in policy
        assert "script-src 'unsafe-inline'" not in policy
    assert "script-src" not in desk.get("/frame/mail").headers["content-security-policy"]


def test_the_text_part_and_the_headers_are_those_of_the_mail(desk: TestClient) -> None:
    assert "Good morning, Ann." in desk.get("/?view=text").text
    headers = desk.get("/?view=headers").text
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in headers
    assert "Content-Type: multipart/alternative" in headers


def test_a_change_of_a_file_is_seen_without_asking(drafts: Drafts, story: Path) -> None:
    stop = Event()
    watching = Thread(target=drafts.follow, args=(stop,))
    watching.start()
    try:
        number = drafts.current.number
        # The watch may not have begun yet: what is written again is a change again.
        for attempt in range(30):
            story.write_text(story.read_text(encoding="utf-8") + f"\nA sentence that is new, {attempt}.\n", "utf-8")
            if drafts.beyond(number, seconds=2) > number:
                break
        assert drafts.current.build is not None
        assert "A sentence that is new" in drafts.current.build.html
    finally:
        stop.set()
        watching.join()


def test_what_cannot_be_built_keeps_the_issue_on_the_screen_and_says_where_it_is_broken(
    drafts: Drafts, desk: TestClient, story: Path
) -> None:
    whole = story.read_text(encoding="utf-8")
    story.write_text(whole.replace("title = ", "titel = ", 1), encoding="utf-8")
    drafts.refresh()
    assert drafts.current.stale
    assert "Good morning, Ann." in desk.get("/frame/mail").text
    page = desk.get("/?view=findings").text
    assert "walls.md:" in page
    assert "titel" in page
    assert "cannot be built" in page
    story.write_text(whole, encoding="utf-8")
    drafts.refresh()
    assert not drafts.current.stale


def test_settings_are_read_again_too(drafts: Drafts, newsroom: App) -> None:
    config = newsroom.workspace.root / "config.toml"
    config.write_text(config.read_text(encoding="utf-8") + "\nunknown_key = 1\n", encoding="utf-8")
    drafts.refresh()
    assert drafts.current.stale
    assert any("unknown_key" in finding.message for finding in drafts.current.findings)


def test_a_finding_shows_the_lines_it_is_about_of_editors_files_alone(
    drafts: Drafts, desk: TestClient, newsroom: App
) -> None:
    definition = newsroom.workspace.issues / "2024-10-10" / "issue.toml"
    definition.write_text(definition.read_text(encoding="utf-8") + '\n[[blocks]]\ntype = "<b>leed</b>"\n', "utf-8")
    drafts.refresh()
    page = desk.get("/?view=findings").text
    assert 'class="meant"' in page
    assert "&lt;b&gt;leed&lt;/b&gt;" in page
    assert "<b>leed" not in page


def test_an_issue_that_is_not_there_is_refused_at_once(newsroom: App) -> None:
    with pytest.raises(NotFound):
        Drafts(newsroom.workspace.root, newsroom.store, "2031-01-01", newsroom.now)


def test_only_this_machine_is_answered(desk: TestClient) -> None:
    """A page elsewhere that lets its name lead here gets nothing."""
    assert desk.get("/", headers={"Host": "evil.example.net"}).status_code == 400


def test_who_waits_is_told_of_the_next_draft(drafts: Drafts, desk: TestClient) -> None:
    number = drafts.current.number
    drafts.refresh()
    assert desk.get(f"/changed?after={number}").json() == {"number": number + 1}

"""What holds for every answer: no GET changes anything, the headers are strict, and no failure shows its inside."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from web_newsroom import Reader, every_row, image_paths, make_build, publish, reopen, subscribe

from newsletter.app import App
from newsletter.rendering.build import Build
from newsletter.store import engine
from newsletter.web.public.body import fields_in
from newsletter.web.public.site import create_site


def known_addresses(issue: Build, reader: Reader) -> list[str]:
    return [
        "/",
        "/style.css",
        *image_paths(issue),
        reader.link,
        "/u/unknown",
        f"/archive/{issue.newsletter}/{issue.issue}",
        "/archive/daily/none",
        "/favicon.ico",
        "/robots.txt",
        "/docs",
        "/openapi.json",
        "/a/../..",
        "//",
        "/u/",
        f"{reader.link}/",
        f"{reader.link}?List-Unsubscribe=One-Click",
    ]


def links_in(page: str, base: str) -> list[str]:
    found = re.findall(r'(?:href|src|action)="([^"#]*)"', page)
    absolute = [urlsplit(urljoin(f"https://news.example.org{base}", link)) for link in found]
    return [link.path for link in absolute if link.netloc == "news.example.org"]


def test_a_crawler_that_gets_and_heads_everything_changes_no_row(
    site: TestClient, app: App, issue: Build, reader: Reader
) -> None:
    """Invariant 5."""
    before = every_row(app)
    waiting, seen = known_addresses(issue, reader), set()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        site.head(address)
        answer = site.get(address)
        if answer.headers["content-type"].startswith("text/html"):
            waiting += links_in(answer.text, address)
    assert len(seen) >= 15
    assert every_row(app) == before


def test_every_answer_carries_the_security_headers_and_no_cookie(
    site: TestClient, issue: Build, reader: Reader
) -> None:
    answers = [site.get(address) for address in known_addresses(issue, reader)]
    answers += [site.post(reader.link), site.post("/u/x"), site.put("/"), site.post(reader.link, content=b"x" * 20_000)]
    for answer in answers:
        headers = answer.headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in headers


def test_pages_about_one_reader_are_neither_indexed_nor_kept(site: TestClient, reader: Reader) -> None:
    for answer in (site.get(reader.link), site.post(reader.link), site.get("/u/x"), site.put(reader.link)):
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["cache-control"] == "no-store"


def test_an_address_with_a_slash_too_many_is_not_redirected(site: TestClient, reader: Reader) -> None:
    assert site.post(f"{reader.link}/", data={"List-Unsubscribe": "One-Click"}).status_code == 404


def test_a_database_that_stays_locked_gives_a_page_to_try_again(
    site: TestClient, app: App, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 0)
    app.store.engine.dispose()
    with app.store.write():
        answer = site.post(reader.link, data={"from": "page"})
    assert answer.status_code == 503
    assert "Please try again in a minute" in answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "You are unsubscribed" in site.post(reader.link).text


def test_a_database_of_another_version_gives_the_same_page(site: TestClient, app: App) -> None:
    with app.store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE archive RENAME TO other")
    answer = site.get("/")
    assert answer.status_code == 503
    assert "db upgrade" not in answer.text


def test_a_defect_gives_a_page_without_its_inside_and_a_log_without_values(
    app: App, site: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish(app, make_build("<p>{{unsubscribe_url}}</p>"), minute=1)
    monkeypatch.setattr("newsletter.web.public.archive.archive_values", lambda: 1 / 0)
    with caplog.at_level(logging.ERROR):
        answer = site.get("/archive/daily/2024-10-10?secret")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert "ZeroDivisionError" in caplog.text
    for inside in ("Traceback", "ZeroDivisionError", ".py"):
        assert inside not in answer.text
    assert "division by zero" not in caplog.text
    assert "secret" not in caplog.text


def test_a_site_under_a_path_answers_with_and_without_it_and_links_with_it(workspace: Path) -> None:
    app = reopen(workspace, ("https://news.example.org", "https://example.org/news"))
    reader = subscribe(app, "ada@example.org")
    site = TestClient(create_site(app), follow_redirects=False)
    for prefix in ("", "/news"):
        assert 'href="/news/style.css"' in site.get(f"{prefix}{reader.link}").text
        assert site.get(f"{prefix}/style.css").status_code == 200
        assert site.get(f"{prefix}/").status_code == 200
    app.store.close()


def test_the_words_of_the_pages_are_marked_as_english_where_the_newsletter_is_not(workspace: Path) -> None:
    app = reopen(workspace, ('lang = "en"', 'lang = "de"'))
    page = TestClient(create_site(app)).get("/").text
    assert '<html lang="en">' in page
    assert 'lang="de">The Meridian</a>' in page
    app.store.close()


@given(body=st.binary(max_size=200), kind=st.text(max_size=60))
def test_no_body_of_any_type_makes_reading_it_fail(body: bytes, kind: str) -> None:
    fields_in(body, kind)


@given(
    body=st.lists(
        st.sampled_from(
            [b"--x", b"--x--", b"\r\n", b"Content-Disposition: form-data; name=", b'"a"', b";", b"\xff", b"v"]
        )
    ).map(b"".join)
)
def test_no_broken_multipart_body_makes_reading_it_fail(body: bytes) -> None:
    fields_in(body, "multipart/form-data; boundary=x")

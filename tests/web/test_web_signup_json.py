"""A site's own form: what it must show, what it may ask, and who is let in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_newsroom import every_row, reopen, subscribe

from newsletter.app import App
from newsletter.audience.signup import SignUp, State, look_up
from newsletter.errors import InputError
from newsletter.web.public.signup_json import read
from newsletter.web.public.site import create_site

SITE = {"Origin": "https://www.example.org"}
ASKED = {"email": "ada@example.org", "agreed": True, "consent_version": "1"}
FORMS = '\n[web]\nform_origins = ["https://www.example.org"]\n'
WEEKLY = """
[newsletters.weekly]
name = "Weekly"
list_id = "weekly.news.example.org"
from_name = "Weekly"
from_address = "weekly@news.example.org"
timezone = "Europe/London"
organisation = "The Meridian"
postal_address = "1 Example Street, Springfield"
why_receiving = "You signed up."
consent_version = "b"
"""


@pytest.fixture
def open_site(workspace: Path) -> Iterator[tuple[TestClient, App]]:
    """A newsroom whose form www.example.org may use."""
    app = reopen(workspace, extra=FORMS)
    with TestClient(create_site(app), headers=SITE) as client:
        yield client, app
    app.store.close()


def fields(answer: Any) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


def test_a_sites_form_learns_what_to_show_and_asks_with_the_version_it_showed(
    open_site: tuple[TestClient, App],
) -> None:
    client, app = open_site
    [shown] = client.get("/signup.json").json()["newsletters"]
    daily = app.settings.newsletters["daily"]
    assert shown["newsletter"] == "daily"
    assert (shown["consent_text"], shown["consent_version"]) == (daily.wording, "1")
    assert (shown["organisation"], shown["postal_address"]) == (daily.organisation, daily.postal_address)
    asked = {**ASKED, "newsletters": ["daily"], "lang": "pt-BR", "consent_version": shown["consent_version"]}
    answer = client.post("/signup.json", json=asked)
    assert (answer.status_code, answer.json()) == (202, {"status": "pending"})
    assert look_up(app.store, app.workspace, 1, now=app.now()) == SignUp(State.WAITING, ("daily",))
    [signup] = every_row(app)["signups"]
    assert signup[3:5] == ("pt-BR", "JSON from https://www.example.org")


def test_the_answer_is_the_same_for_everybody(open_site: tuple[TestClient, App]) -> None:
    client, app = open_site
    subscribe(app, "known@example.org")
    addresses = ("known@example.org", "nobody@example.org", *["often@example.org"] * 5)
    answers = [client.post("/signup.json", json={**ASKED, "email": address}) for address in addresses]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, '{"status":"pending"}')}


def test_another_version_than_the_present_one_is_refused_and_the_present_one_told(
    open_site: tuple[TestClient, App],
) -> None:
    client, app = open_site
    before = every_row(app)
    answer = client.post("/signup.json", json={**ASKED, "consent_version": "0"})
    assert answer.status_code == 409
    assert fields(answer) == ["consent_version"]
    assert answer.json()["newsletters"][0]["consent_version"] == "1"
    assert every_row(app) == before


def test_several_newsletters_are_named_and_each_text_has_its_version(workspace: Path) -> None:
    app = reopen(workspace, extra=WEEKLY + FORMS)
    client = TestClient(create_site(app))
    both = {**ASKED, "newsletters": ["daily", "weekly"]}
    assert fields(client.post("/signup.json", json=ASKED)) == ["newsletters"]
    assert client.post("/signup.json", json=both).status_code == 409
    assert fields(client.post("/signup.json", json={**both, "consent_version": {"daily": "1"}})) == ["consent_version"]
    versions = {"daily": "1", "weekly": "b"}
    assert client.post("/signup.json", json={**both, "consent_version": versions}).status_code == 202
    app.store.close()


WRONG: list[tuple[object, list[str]]] = [
    ([], ["body"]),
    ("ada@example.org", ["body"]),
    (None, ["body"]),
    ({}, ["email", "agreed", "consent_version"]),
    ({**ASKED, "agreed": "true"}, ["agreed"]),
    ({**ASKED, "agreed": 1}, ["agreed"]),
    ({**ASKED, "agreed": False}, ["agreed"]),
    ({**ASKED, "email": ["ada@example.org"]}, ["email"]),
    ({**ASKED, "email": None}, ["email"]),
    ({**ASKED, "email": "ada"}, ["email"]),
    ({**ASKED, "email": "a@example.org\nBcc: b@example.org"}, ["email"]),
    ({**ASKED, "email": "\ud800@example.org"}, ["email"]),
    ({**ASKED, "newsletters": "daily"}, ["newsletters"]),
    ({**ASKED, "newsletters": None}, ["newsletters"]),
    ({**ASKED, "newsletters": [1]}, ["newsletters"]),
    ({**ASKED, "newsletters": []}, ["newsletters"]),
    ({**ASKED, "newsletters": ["none", "\ud800"]}, ["newsletters"]),
    ({**ASKED, "lang": 7}, ["lang"]),
    ({**ASKED, "lang": "english, please"}, ["lang"]),
    ({**ASKED, "consent_version": 1}, ["consent_version"]),
    ({**ASKED, "source": "x", "\ud800\n": 1}, ["source", "�"]),
]


def test_what_cannot_be_used_is_refused_by_field_and_stores_nothing(open_site: tuple[TestClient, App]) -> None:
    client, app = open_site
    before = every_row(app)
    for asked, wrong in WRONG:
        answer = client.post("/signup.json", content=json.dumps(asked), headers={"Content-Type": "application/json"})
        assert (answer.status_code, fields(answer)) == (422, wrong), asked
        assert all(error["message"] for error in answer.json()["errors"])
    assert every_row(app) == before


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 9_999, b"9" * 9_999, b"\xff\xfe{}", b'{"email": NaN}', b"\x00"])
@pytest.mark.sqlite
def test_a_body_that_is_no_json_object_is_refused(open_site: tuple[TestClient, App], body: bytes) -> None:
    client, _ = open_site
    answer = client.post("/signup.json", content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert answer.status_code == 422


def test_too_large_or_of_another_type_it_is_not_even_read(open_site: tuple[TestClient, App]) -> None:
    client, app = open_site
    before = every_row(app)
    for origin, allowed in ((SITE["Origin"], SITE["Origin"]), ("https://elsewhere.example.net", None)):
        answer = client.post("/signup.json", json={**ASKED, "lang": "x" * 10_000}, headers={"Origin": origin})
        assert answer.status_code == (413 if allowed else 403)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert answer.json()["errors"][0]["field"] == ("body" if allowed else "origin")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
        body = json.dumps(ASKED)
        assert client.post("/signup.json", content=body, headers={"Content-Type": kind}).status_code == 415
    assert every_row(app) == before


def test_a_browser_is_let_in_from_the_named_sites_alone(open_site: tuple[TestClient, App]) -> None:
    client, app = open_site
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = client.options("/signup.json", headers=asking)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://www.example.org"
    assert answer.headers["access-control-allow-headers"] == "Content-Type"
    assert client.get("/signup.json").headers["access-control-allow-origin"] == "https://www.example.org"
    before = every_row(app)
    for origin in ("https://evil.example", "http://www.example.org", "https://www.example.org.evil.example", "null"):
        head = {"Origin": origin}
        answers = [client.options("/signup.json", headers=head), client.get("/signup.json", headers=head)]
        answers.append(client.post("/signup.json", json=ASKED, headers=head))
        assert [answer.status_code for answer in answers] == [204, 200, 403]
        for answer in answers:
            assert "access-control-allow-origin" not in answer.headers
            assert "access-control-allow-methods" not in answer.headers
            assert answer.headers["vary"] == "Origin"
    assert every_row(app) == before


def test_a_program_without_an_origin_and_our_own_pages_may_ask(site: TestClient) -> None:
    assert site.post("/signup.json", json=ASKED).status_code == 202
    assert site.post("/signup.json", json=ASKED, headers={"Origin": "https://news.example.org"}).status_code == 202


def test_over_the_limit_of_a_network_it_says_when_to_try_again(site: TestClient) -> None:
    for number in range(20):
        site.post("/signup.json", json={**ASKED, "email": f"reader{number}@example.org"})
    answer = site.post("/signup.json", json=ASKED)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1800")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.dictionaries(
        st.sampled_from(["email", "newsletters", "lang", "agreed", "consent_version", "x"]),
        st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2)),
    )
)
def test_whatever_the_json_says_reading_it_fails_only_in_words(asked: dict[str, Any]) -> None:
    try:
        found = read(json.dumps(asked).encode(), ("daily",))
    except InputError:
        return
    assert isinstance(found.email, str)
    assert asked["agreed"] is True

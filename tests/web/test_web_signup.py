"""The sign-up pages: what is shown before anybody agrees, the same answer for everybody, and what hostile forms get."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from web_newsroom import every_row, reason_left_out, reopen, subscribe

from newsletter.app import App, open_app
from newsletter.audience.consent import Suppressed
from newsletter.audience.links import Purpose, sign_reader, sign_ticket
from newsletter.audience.suppression import suppress
from newsletter.store.tables import consent, form_uses, proofs, service_mails, signups, subscribers
from newsletter.web.public.site import create_site

FORM = {"email": "ada@example.org", "newsletter.daily": "1"}
WEEKLY = """
[newsletters.weekly]
name = "<Weekly> & more"
list_id = "weekly.news.example.org"
from_name = "Weekly"
from_address = "weekly@news.example.org"
timezone = "Europe/London"
lang = "de"
organisation = "Another House"
postal_address = "2 Other Street, Springfield"
why_receiving = "You signed up."
privacy_url = "https://news.example.org/privacy"
consent_text = "Ich möchte <Weekly>."
consent_version = "2024-b"
"""
FRAMES = '\n[web]\nform_origins = ["https://www.example.org", "https://Example.com:443"]\n'


@pytest.fixture
def several(workspace: Path) -> Iterator[TestClient]:
    """A newsroom with two newsletters whose form may stand in frames."""
    app = reopen(workspace, extra=WEEKLY + FRAMES)
    with TestClient(create_site(app), client=("192.0.2.7", 5000)) as client:
        yield client
    app.store.close()


def link(app: App, number: int = 1, *, purpose: Purpose = Purpose.CONFIRM, days: int = 7) -> str:
    return f"/c/{sign_ticket(app.keys, purpose, number, app.now() + timedelta(days=days))}"


def said(page: str) -> str:
    """The words of a page, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_form_shows_what_is_agreed_to_its_version_and_who_sends_it(site: TestClient, app: App) -> None:
    page = site.get("/signup").text
    assert app.settings.newsletters["daily"].wording in page
    assert "Consent text, version 1" in page
    assert "The Meridian, 1 Example Street, Springfield" in page
    assert "checkbox" not in page, "with one newsletter the button below its text is the agreement"
    assert site.get("/signup/daily").text == page
    assert site.get("/signup/none").status_code == 404


def test_with_several_newsletters_each_has_a_box_of_its_own_and_none_is_ticked(several: TestClient) -> None:
    page = several.get("/signup").text
    assert page.count('type="checkbox"') == 2
    assert " checked" not in page
    assert "&lt;Weekly&gt; &amp; more" in page
    assert 'lang="de">Ich möchte &lt;Weekly&gt;.</p>' in page
    assert 'value="2024-b"' in page
    assert 'href="https://news.example.org/privacy"' in page
    assert "The Meridian, 1 Example Street" in page
    assert "Another House, 2 Other Street" in page


@pytest.mark.parametrize("encoding", ["data", "files"])
def test_a_form_in_either_encoding_owes_the_mail_and_says_where_it_went(
    site: TestClient, app: App, encoding: str
) -> None:
    fields = {name: (None, value) for name, value in FORM.items()} if encoding == "files" else FORM
    answer = site.post("/signup", **{encoding: fields})
    assert answer.status_code == 200
    assert "A mail is on its way to ada@example.org" in said(answer.text).replace(" .", ".")
    assert "The link works for 7 days." in said(answer.text)
    assert [row[:4] for row in every_row(app)["service_mails"]] == [(1, "confirm:1", "confirm", 1)]
    assert "location" not in answer.headers


def test_the_answer_is_the_same_for_everybody(site: TestClient, app: App) -> None:
    subscribe(app, "known@example.org")
    pages = []
    for address in ("known@example.org", "nobody@example.org", *["often@example.org"] * 5):
        answer = site.post("/signup", data={**FORM, "email": address})
        pages.append((answer.status_code, answer.text.replace(address, "")))
    assert len(set(pages)) == 1


def test_what_was_typed_stays_and_what_is_wrong_stands_beside_it(several: TestClient) -> None:
    answer = several.post("/signup", data={"email": '"><b>x', "newsletter.weekly": "2024-b"})
    assert answer.status_code == 422
    assert "<title>Please check:" in answer.text
    box = re.search(r'<input type="email"[^>]*>', answer.text)
    assert box is not None
    assert 'value="&#34;&gt;&lt;b&gt;x"' in box[0]
    assert 'aria-invalid="true" aria-describedby="email-wrong" autofocus' in box[0]
    assert '<p class="wrong" id="email-wrong">This address cannot be used.' in answer.text
    assert re.search(r'name="newsletter.weekly"[^>]* checked', answer.text)
    assert not re.search(r'name="newsletter.daily"[^>]* checked', answer.text)


def test_without_a_choice_or_an_address_both_are_asked_for(several: TestClient) -> None:
    page = several.post("/signup").text
    assert "Choose a newsletter." in page
    assert "Write it like this: name@example.org." in page
    assert page.index(" autofocus") < page.index('type="email"'), "the first thing that is wrong has the focus"


def test_a_text_that_has_changed_is_shown_again_and_not_agreed_to(several: TestClient) -> None:
    answer = several.post("/signup", data={**FORM, "newsletter.weekly": "2024-a"})
    assert answer.status_code == 422
    assert "What you agree to has changed." in answer.text
    assert not re.search(r'name="newsletter.weekly"[^>]* checked', answer.text)
    assert re.search(r'name="newsletter.daily"[^>]* checked', answer.text)


def test_a_filled_trap_gets_the_same_answer_and_stores_nothing(site: TestClient, app: App) -> None:
    before = every_row(app)
    trapped = site.post("/signup", data={**FORM, "homepage": "https://spam.example"})
    assert every_row(app) == before
    assert trapped.text == site.post("/signup", data=FORM).text


def test_over_the_limit_of_a_network_the_form_says_when_it_works_again(site: TestClient, app: App) -> None:
    for number in range(20):
        assert site.post("/signup", data={**FORM, "email": f"reader{number}@example.org"}).status_code == 200
    before = every_row(app)
    answer = site.post("/signup", data=FORM)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1800")
    assert "It works again in 30 minutes." in answer.text
    after = every_row(app)
    assert {table for table in after if after[table] != before[table]} == {form_uses.name}


HOSTILE = [
    {"email": "x" * 9_000 + "@example.org"},
    {"email": "a@example.org\r\nBcc: victim@example.org"},
    {"email": "a@example.org\x00"},
    {"email": "a\x00b@example.org"},
    {"email": "ａｄａ@example.org"},
    {"email": "ada@exam‮ple.org"},
    {"email": "<script>alert(1)</script>@example.org"},
    {"newsletter.daily": "1\r\nX-Header: y"},
    {"newsletter.none": "1"},
    {"newsletter.\x00": "1"},
    {"newsletter.<script>": "1"},
    {"newsletter.": "1"},
]


def test_hostile_fields_are_refused_without_a_trace(site: TestClient, app: App) -> None:
    before = every_row(app)
    for fields in HOSTILE:
        answer = site.post("/signup", content=urlencode({**FORM, **fields}), headers=FORM_TYPE)
        assert answer.status_code == 422, fields
        assert "<script>" not in answer.text
        assert "x" * 400 not in answer.text
    assert every_row(app) == before


FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}


def test_a_huge_or_unreadable_body_is_refused_without_a_trace(site: TestClient, app: App) -> None:
    before = every_row(app)
    assert site.post("/signup", data={**FORM, "more": "x" * 10_000}).status_code == 413
    for body, kind in ((b"\xff\xfe", "application/x-www-form-urlencoded"), (b"{}", "application/json"), (b"", "")):
        assert site.post("/signup", content=body, headers={"Content-Type": kind}).status_code == 422
    assert every_row(app) == before


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.sampled_from(["email", "newsletter.daily", "newsletter.x", "homepage", "lang"]), st.text(max_size=40)
    )
)
@pytest.mark.sqlite
def test_no_form_makes_the_page_fail(site: TestClient, fields: dict[str, str]) -> None:
    content = urlencode({name: value.encode("utf-8", "surrogatepass") for name, value in fields.items()})
    assert site.post("/signup", content=content, headers=FORM_TYPE).status_code in (200, 422, 429)


# -- frames -----------------------------------------------------------------------------------------------------------


def test_in_a_frame_the_form_and_its_answers_may_be_shown_by_the_named_sites_alone(several: TestClient) -> None:
    for path in ("/signup/embed", "/signup/daily/embed"):
        form = {**FORM, "email": f"{len(path)}@example.org"}
        answers = [several.get(path), several.post(path), several.post(path, data=form)]
        assert [answer.status_code for answer in answers] == [200, 422, 200]
        for answer in answers:
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors https://www.example.org https://example.com" in policy
            assert "'none'" not in policy.partition("frame-ancestors")[2]
            assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in several.get("/signup").headers["content-security-policy"]
    assert several.get("/signup/none/embed").status_code == 404


def test_without_named_sites_there_is_no_form_for_frames(site: TestClient, app: App) -> None:
    before = every_row(app)
    assert site.get("/signup/embed").status_code == 404
    assert site.post("/signup/daily/embed", data=FORM).status_code == 404
    assert every_row(app) == before


# -- the confirmation -------------------------------------------------------------------------------------------------


def test_the_link_shows_a_button_and_the_button_signs_up(site: TestClient, app: App) -> None:
    site.post("/signup", data=FORM)
    before = every_row(app)
    page = site.get(link(app))
    assert site.head(link(app)).status_code == page.status_code == 200
    assert app.settings.newsletters["daily"].wording in page.text
    assert "Yes, sign me up" in page.text
    assert every_row(app) == before
    done = site.post(link(app), data={"newsletter.daily": "1"}, headers={"User-Agent": "Thunderbird"})
    assert "You are signed up" in done.text
    rows = every_row(app)
    assert rows[service_mails.name][-1][:4] == (2, "welcome:daily:2", "welcome", 1)
    assert site.post(link(app)).text == site.get(link(app)).text == done.text
    assert every_row(app) == rows


def test_the_network_address_and_agent_are_kept_as_proof_of_both_steps(app: App) -> None:
    site = TestClient(create_site(app), client=("192.0.2.7", 5000), headers={"User-Agent": "Firefox\t<1>"})
    site.post("/signup", data=FORM, headers={"X-Forwarded-For": "203.0.113.9"})
    site.post(link(app))
    with app.store.read() as connection:
        query = select(consent.c.event, proofs.c.network_address, proofs.c.agent)
        kept = [tuple(row) for row in connection.execute(query.join(proofs, proofs.c.consent_id == consent.c.id))]
    assert kept == [("requested", "192.0.2.7", "Firefox<1>"), ("confirmed", "192.0.2.7", "Firefox<1>")]


def test_a_text_changed_between_page_and_button_is_shown_again(site: TestClient, app: App) -> None:
    site.post("/signup", data=FORM)
    before = every_row(app)
    answer = site.post(link(app), data={"newsletter.daily": "0"})
    assert answer.status_code == 409
    assert "What you agree to has changed since you opened this page." in answer.text
    assert "Yes, sign me up" in answer.text
    assert every_row(app) == before


def test_a_text_changed_since_she_asked_is_not_agreed_to_by_a_button_that_names_none(
    site: TestClient, workspace: Path
) -> None:
    site.post("/signup", data=FORM)
    changed = reopen(workspace, ('why_receiving = "You', 'consent_version = "2"\nwhy_receiving = "You'))
    before = every_row(changed)
    with TestClient(create_site(changed), follow_redirects=False) as later:
        assert later.post(link(changed)).status_code == 409
        assert every_row(changed) == before
        assert later.post(link(changed), data={"newsletter.daily": "2"}).status_code == 200
    changed.store.close()


def test_links_that_are_forged_cut_expired_purged_or_for_something_else_get_a_page_with_a_way_forward(
    site: TestClient, app: App
) -> None:
    site.post("/signup", data=FORM)
    good = link(app)
    last = "A" if good[-1] != "A" else "B"
    bad = [
        "/c/x",
        good[:-1],
        good[:-1] + last,
        link(app, days=-1),
        link(app, 99),
        link(app, purpose=Purpose.PRIVATE),
        f"/c/{sign_reader(app.keys, Purpose.PREFERENCES, 1, 'daily')}",
        f"/c/{'A' * 5_000}",
        "/c/%00",
        "/c/s1.%C3%A9",
    ]
    before = every_row(app)
    for path in bad:
        for answer in (site.get(path), site.post(path, data={"newsletter.daily": "1"})):
            assert answer.status_code == 404, path
            assert 'href="/signup">Sign up again</a>' in answer.text
    with app.store.write() as connection:
        connection.execute(signups.delete())
    assert site.get(good).status_code == site.post(good).status_code == 404
    assert every_row(app) == {**before, "signups": []}


def test_an_address_that_cannot_get_mail_is_told_so_once_its_owner_has_proved_it_hers(
    site: TestClient, app: App
) -> None:
    reader = subscribe(app, "ada@example.org")
    with app.store.write() as connection:
        hashed = connection.execute(select(subscribers.c.address_hash)).scalar_one()
        suppress(connection, hashed, reason=Suppressed.COMPLAINT, source="feedback", at=app.now())
    site.post("/signup", data=FORM)
    page = site.post(link(app)).text
    assert "We cannot send to your address" in page
    assert 'href="mailto:editors@news.example.org?subject=Sign%20up"' in page
    assert "You are signed up" not in page
    assert reason_left_out(app, reader) == "suppressed-complaint"


# -- around -----------------------------------------------------------------------------------------------------------


def test_looking_at_any_page_of_the_sign_up_changes_no_row(several: TestClient, workspace: Path) -> None:
    """Invariant 5."""
    app = open_app(workspace)
    several.post("/signup", data=FORM)
    before = every_row(app)
    paths = ["/", "/signup", "/signup/daily", "/signup/embed", "/signup/daily/embed", "/signup.json", "/c/x"]
    paths += [f"{path}?email=ada@example.org&newsletter.daily=1&newsletter=daily" for path in paths]
    for path in [*paths, link(app)]:
        assert several.get(path).status_code == several.head(path).status_code
        several.options(path, headers={"Origin": "https://www.example.org"})
    assert every_row(app) == before
    app.store.close()


def test_the_front_page_leads_to_the_form_and_search_engines_may_find_it(site: TestClient) -> None:
    assert 'href="/signup"' in site.get("/").text
    assert site.get("/signup").headers["x-robots-tag"] == "all"
    assert site.post("/signup", data=FORM).headers["x-robots-tag"] == "noindex"
    assert "set-cookie" not in site.post("/signup", data=FORM).headers

"""What may be measured is stated with every call to Amazon SES, and a reader's own links never are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.settings import SesSettings
from newsletter.simulator.shapes import read_request, routes
from newsletter.transports.mail import Mail, Recipient, Tracking, Verdict
from newsletter.transports.mime import CompiledMail
from newsletter.transports.ses import SesTransport
from newsletter.transports.ses_bulk import BulkTemplate
from newsletter.transports.ses_tracking import fit_to_measure, own_links_kept

READER = Recipient(
    "ann@example.org", {"first_name": "Ann", "unsubscribe_url": "https://news.example.org/u/x"}, "abcdefgh-1-1"
)


class Amazon:
    """Takes what it is sent, and says so."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, Any]] = []
        amazon = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                amazon.posts.append((self.path, said))
                results = [{"Status": "SUCCESS", "MessageId": "m"} for _ in said.get("BulkEmailEntries", ())]
                answer = json.dumps({"MessageId": "m", "BulkEmailEntryResults": results}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def sent(self) -> list[Any]:
        return [said for path, said in self.posts if path.startswith("/v2/email/outbound")]

    def templates(self) -> list[str]:
        return [said["TemplateName"] for path, said in self.posts if path == "/v2/email/templates"]

    def transport(self, mode: str, configuration_set: str | None = "news") -> SesTransport:
        url = f"http://127.0.0.1:{self.server.server_port}"
        return SesTransport(SesSettings(endpoint_url=url, mode=mode, configuration_set=configuration_set))


@pytest.fixture
def amazon() -> Iterator[Amazon]:
    found = Amazon()
    yield found
    found.server.shutdown()
    found.server.server_close()


def choice(said: Any) -> tuple[str, str]:
    tracking = said["ConfigurationOverrides"]["Tracking"]
    return tracking["OpenTrackingEnabled"], tracking["ClickTrackingEnabled"]


ON, OFF = "ENABLED", "DISABLED"
CHOICES = {
    Tracking.NONE: (OFF, OFF),
    Tracking.OPENS: (ON, OFF),
    Tracking.CLICKS: (OFF, ON),
    Tracking.BOTH: (ON, ON),
}


@pytest.mark.parametrize("mode", ["raw", "bulk"])
def test_every_call_states_what_may_be_measured_in_words_of_the_service_model(
    amazon: Amazon, mail: Mail, mode: str
) -> None:
    transport = amazon.transport(mode)
    for tracking in CHOICES:
        [answer] = transport.hand_over(replace(mail, tracking=tracking), [READER])
        assert answer.verdict is Verdict.ACCEPTED
    assert [choice(said) for said in amazon.sent()] == list(CHOICES.values())
    operation = {"raw": "SendEmail", "bulk": "SendBulkEmail"}[mode]
    model = next(route.model for route in routes() if route.name == operation)
    for said in amazon.sent():
        read_request(model, said, labels={}, query={})  # raises for a member the service does not have


@pytest.mark.parametrize("mode", ["raw", "bulk"])
def test_without_a_configuration_set_nothing_is_measured_whatever_the_readers_allow(
    amazon: Amazon, mail: Mail, mode: str
) -> None:
    """The account's own setting is overruled too: nobody here would ever hear of it."""
    amazon.transport(mode, None).hand_over(replace(mail, tracking=Tracking.BOTH), [READER])
    [said] = amazon.sent()
    assert choice(said) == (OFF, OFF)
    assert "ConfigurationSetName" not in said
    assert amazon.templates() == []


def test_the_template_whose_links_are_measured_is_another_and_is_stored_once(amazon: Amazon, mail: Mail) -> None:
    transport = amazon.transport("bulk")
    transport.prepare(mail)
    for tracking in (Tracking.NONE, Tracking.CLICKS, Tracking.BOTH, Tracking.OPENS, Tracking.CLICKS):
        transport.hand_over(replace(mail, tracking=tracking), [READER])
    plain, measured = amazon.templates()
    used = [said["DefaultContent"]["Template"]["TemplateName"] for said in amazon.sent()]
    assert used == [plain, measured, measured, plain, measured]
    assert plain != measured


def test_a_mail_that_is_not_measured_by_link_is_byte_for_byte_what_it_was(mail: Mail) -> None:
    for tracking in (Tracking.NONE, Tracking.OPENS):
        measured = fit_to_measure(replace(mail, tracking=tracking))
        assert CompiledMail.of(measured) == CompiledMail.of(mail)
        assert BulkTemplate.of(measured) == BulkTemplate.of(mail)


def test_links_with_a_merge_field_are_kept_from_measuring_and_the_others_are_not(mail: Mail) -> None:
    html = (
        '<a class="x" href="{{unsubscribe_url}}">Leave</a> <a href=\'{{vote_url}}/poll/1\'>Yes</a> '
        '<a href="https://example.org/?n={{first_name|reader}}">You</a> <a href="https://example.org/walls">Walls</a>'
    )
    measured = fit_to_measure(replace(mail, html=html, text="{{unsubscribe_url}}", tracking=Tracking.CLICKS))
    assert marked(measured.html) == [True, True, True, False]
    assert measured.text == "{{unsubscribe_url}}"  # SES measures no plain text


class Links(HTMLParser):
    """The links of a page as a program reads them: whether each holds a merge field, and whether it is marked."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[bool, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            own = any("{{" in (value or "") for _, value in attrs)
            self.found.append((own, "ses:no-track" in dict(attrs)))


def links(html: str) -> list[tuple[bool, bool]]:
    reading = Links()
    reading.feed(html)
    reading.close()
    return reading.found


def marked(html: str) -> list[bool]:
    return [is_marked for _, is_marked in links(html)]


VALUES = st.lists(
    st.sampled_from(
        ["{{unsubscribe_url}}", "{{first_name|r}}", "<a ", "<a", ">", "</a>", "'", "x", " ", "=", "/", "&"]
    ),
    max_size=6,
).map("".join)
ATTRIBUTES = st.tuples(st.sampled_from(["href", "title", "CLASS", "data-x"]), VALUES).map(
    lambda pair: f'{pair[0]}="{pair[1]}"'
)
TAGS = st.builds(
    lambda name, space, attributes, words: f"<{name}{space}{space.join(attributes)}>{words}</{name}>",
    st.sampled_from(["a", "A", "p", "abbr", "address"]),
    st.sampled_from([" ", "\n", " \t"]),
    st.lists(ATTRIBUTES, max_size=3),
    st.sampled_from(["", "{{unsubscribe_url}}", "a &lt;a b", "it's \"", '<!-- <a href=" -->']),
)


@given(st.lists(TAGS, max_size=8).map("".join))
def test_exactly_the_links_with_a_merge_field_are_marked_whatever_stands_in_attributes(html: str) -> None:
    done = own_links_kept(html)
    assert all(own == is_marked for own, is_marked in links(done))
    assert done.replace(" ses:no-track", "") == html


@pytest.mark.parametrize(
    "html",
    [
        '<!--[if mso]><a href="{{vote_url}}">b</a><![endif]-->',  # Outlook reads it
        '<!-- <a href="--><a href="{{vote_url}}">b</a>',
        "<style>p:after{content:'<a'}</style><a href='{{vote_url}}'>b</a>",
        "<a <a href={{vote_url}}>b</a>",
        '<a/href="{{vote_url}}">b</a>',
    ],
)
def test_odd_pages_keep_their_own_links_too(html: str) -> None:
    assert own_links_kept(html).count(" ses:no-track") == 1

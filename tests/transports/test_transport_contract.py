"""What every transport promises, whichever way it goes and whoever is at the other end.

Our simulator stands beside two strangers' servers and a stranger's SMTP server, so that it cannot be wrong alone. What
a stranger lacks is named in `GAPS` and tried all the same: a server that has learned it fails the test here.
"""

from __future__ import annotations

import email
import email.policy
import uuid
from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from strangers import Stranger
from ways import Received, Way, content

from newsletter.errors import Refused
from newsletter.settings import SesSettings
from newsletter.simulator.server import Running
from newsletter.transports import fields
from newsletter.transports.mail import Mail, Recipient, Tracking, Verdict
from newsletter.transports.ses import SesTransport

Reader = Callable[..., Recipient]

OUTBOX = "outbox"
SES = ["ses raw, simulator", "ses bulk, simulator", "ses raw, node", "ses bulk, node", "ses raw, moto"]
SMTP = ["smtp", "smtp in groups", "smtp with STARTTLS and AUTH", "smtp under TLS"]
WAYS = [OUTBOX, *SES, *SMTP]

# What a server cannot do, by promise: node is aws-ses-v2-local 2.10, moto is moto's server 5.2.
GAPS: dict[str, dict[str, str]] = {
    "headers": {"ses raw, node": "takes a raw mail apart and keeps none of its headers"},
    "one press": {"ses raw, node": "takes a raw mail apart and keeps none of its headers"},
    "preparing": {"ses bulk, node": "names no error, so a template that is there already looks like trouble"},
    "tag": {
        "ses raw, node": "drops EmailTags",
        "ses bulk, node": "drops ReplacementTags",
        "ses raw, moto": "drops EmailTags",
    },
    "quota": {"ses raw, moto": "has no GetAccount"},
    "too fast": {
        "ses raw, node": "never throttles",
        "ses bulk, node": "never throttles",
        "ses raw, moto": "never throttles",
    },
}


def promised(promise: str, ways: list[str]) -> pytest.MarkDecorator:
    """A promise tried on these ways; where it is a known gap, the test must fail."""
    gaps = GAPS.get(promise, {})
    assert set(gaps) <= set(ways)
    params = []
    for way in ways:
        marks = [pytest.mark.node] if way.endswith("node") else []
        if way in gaps:
            why = f"{way}: {gaps[way]}"
            marks.append(pytest.mark.xfail(reason=why, strict=True, raises=(AssertionError, Refused)))
        params.append(pytest.param(way, marks=marks))
    return pytest.mark.parametrize("way", params, indirect=True)


@pytest.fixture
def mail(mail: Mail) -> Mail:
    """A build of its own in each test: some servers keep what was stored for another."""
    return replace(mail, key=uuid.uuid4().hex)


@pytest.fixture
def reader() -> Reader:
    """Makes readers whose tags and addresses are theirs alone."""
    send = uuid.uuid4().hex[:8]
    count = iter(range(1, 10_000))

    def make(name: str = "Ann", address: str | None = None, **own: str) -> Recipient:
        number = next(count)
        url = f"https://news.example.org/u/{number}" + "Zm9v" * 40
        tag = f"{send}-{number}-1"
        return Recipient(
            address or f"r{uuid.uuid4().hex}@example.org", {"first_name": name, "unsubscribe_url": url, **own}, tag
        )

    return make


def only(way: Way, recipient: Recipient) -> Received:
    (found,) = way.arrived(recipient)
    return found


@promised("fields", WAYS)
def test_each_reader_gets_the_mail_filled_with_their_own_fields(way: Way, mail: Mail, reader: Reader) -> None:
    readers = [reader(), reader("Bo & <Sons> 🦊"), reader("")]
    way.transport.prepare(mail)
    answers = way.transport.hand_over(mail, readers)
    assert [answer.verdict for answer in answers] == [Verdict.ACCEPTED] * 3
    assert len({answer.message_id for answer in answers}) == 3
    for one in readers:
        received = only(way, one)
        assert received.to == one.address
        assert received.subject == fields.fill(mail.subject, one.fields, fields.Place.HEADER)
        assert received.text == fields.fill(mail.text, one.fields, fields.Place.TEXT)
        assert received.html == fields.fill(mail.html, one.fields, fields.Place.HTML)


@promised("as Python", WAYS)
def test_a_mail_reads_as_the_one_that_pythons_email_package_would_have_made(
    way: Way, mail: Mail, reader: Reader
) -> None:
    one = reader("Zoë “the” Ö'Brien")
    way.transport.prepare(mail)
    way.transport.hand_over(mail, [one])
    received, expected = only(way, one), _by_python(mail, one)
    assert replace(received, data=None, kinds=(), headers={}) == replace(expected, data=None, kinds=(), headers={})


def _by_python(mail: Mail, one: Recipient) -> Received:
    message = EmailMessage(policy=email.policy.SMTP.clone(max_line_length=998))
    message["From"] = f'"{mail.from_name}" <{mail.from_address}>'
    message["To"] = one.address
    message["Reply-To"] = mail.reply_to
    message["Subject"] = fields.fill(mail.subject, one.fields, fields.Place.HEADER)
    message.set_content(fields.fill(mail.text, one.fields, fields.Place.TEXT))
    message.add_alternative(fields.fill(mail.html, one.fields, fields.Place.HTML), subtype="html")
    return Received.parse(message.as_bytes())


@promised("harmless names", WAYS)
def test_nothing_a_reader_calls_herself_gets_out_of_its_place(way: Way, mail: Mail, reader: Reader) -> None:
    one = reader('<b>"A" & Ö</b>\r\nBcc: all@example.org\r\n\r\n{{unsubscribe_url}}')
    way.transport.prepare(mail)
    way.transport.hand_over(mail, [one])
    received = only(way, one)
    assert "bcc" not in received.headers
    assert received.to == one.address
    assert "Dear &lt;b&gt;&quot;A&quot; &amp; Ö&lt;/b&gt; Bcc: all@example.org {{unsubscribe_url}}," in received.html
    assert "?n=%3Cb%3E%22A%22%20%26%20%C3%96" in received.html
    assert 'Dear <b>"A" & Ö</b> Bcc: all@example.org {{unsubscribe_url}},' in received.text


@promised("headers", WAYS)
def test_every_header_a_mailbox_provider_asks_for_arrives(way: Way, mail: Mail, reader: Reader) -> None:
    one = reader()
    way.transport.prepare(mail)
    way.transport.hand_over(mail, [one])
    received = only(way, one)
    assert received.sender == ("Élan, the Daily", "daily@news.example.org")
    assert received.reply_to == "editors@news.example.org"
    assert received.headers.get("list-unsubscribe-post") == "List-Unsubscribe=One-Click"
    assert received.headers.get("list-id") == "Élan <daily.news.example.org>"
    assert received.headers.get("content-language") == "en"


@promised("one press", WAYS)
def test_each_reader_leaves_by_a_link_of_their_own_that_is_written_out(way: Way, mail: Mail, reader: Reader) -> None:
    readers = [reader(), reader()]
    way.transport.prepare(mail)
    way.transport.hand_over(mail, readers)
    for one in readers:
        received = only(way, one)
        link = f"<{one.fields['unsubscribe_url']}>"
        assert received.headers.get("list-unsubscribe") == link
        assert received.data is None or f"\r\nList-Unsubscribe: {link}\r\n".encode() in received.data


@promised("date and id", WAYS)
def test_each_mail_has_its_date_and_an_id_of_its_own(way: Way, mail: Mail, reader: Reader) -> None:
    readers = [reader(), reader()]
    way.transport.prepare(mail)
    way.transport.hand_over(mail, readers)
    found = [only(way, one).headers for one in readers]
    assert all("date" in headers and headers.get("mime-version") == "1.0" for headers in found)
    assert len({headers.get("message-id") for headers in found} - {None}) == 2


@promised("parts", WAYS)
def test_the_text_comes_first_and_the_page_last(way: Way, mail: Mail, reader: Reader) -> None:
    one = reader()
    way.transport.prepare(mail)
    way.transport.hand_over(mail, [one])
    assert only(way, one).kinds == ("text/plain", "text/html")


@promised("tag", WAYS)
def test_a_mail_can_be_found_by_its_tag(way: Way, mail: Mail, reader: Reader) -> None:
    readers = [reader(), reader()]
    way.transport.prepare(mail)
    way.transport.hand_over(mail, readers)
    assert [way.tagged(one.tag) for one in readers] == [1, 1]


@promised("bad readers", WAYS)
def test_one_bad_reader_is_refused_and_the_others_get_their_mail(way: Way, mail: Mail, reader: Reader) -> None:
    readers = [
        reader(),
        reader(address="ännе@example.org"),
        reader(address="a@example.org, b@example.org"),
        reader(address="eve@example.org\r\nBcc: all@example.org"),
        reader(unsubscribe_url=""),
        reader(unsubscribe_url="https://news.example.org/u/" + "x" * 1000),
        Recipient("tag@example.org", reader().fields, "../../etc/passwd"),
        Recipient("tag@example.org", reader().fields, ""),
        reader(),
    ]
    way.transport.prepare(mail)
    answers = way.transport.hand_over(mail, readers)
    wanted = [Verdict.ACCEPTED, *[Verdict.REFUSED] * 7, Verdict.ACCEPTED]
    assert [answer.verdict for answer in answers] == wanted
    assert all(answer.reason for answer in answers[1:-1])
    assert len(way.arrived(readers[0])) == len(way.arrived(readers[-1])) == 1


@promised("broken mail", WAYS)
def test_a_mail_that_cannot_be_sent_is_refused_in_preparing_and_stops_the_hand_over(
    way: Way, mail: Mail, reader: Reader
) -> None:
    broken = replace(mail, headers=(("X-A", "b\r\nBcc: all@example.org"),))
    with pytest.raises(Refused, match="X-A"):
        way.transport.prepare(broken)
    (answer,) = way.transport.hand_over(broken, [reader()])
    assert answer.verdict is Verdict.STOP
    assert "X-A" in answer.reason


@promised("preparing", WAYS)
def test_preparing_twice_changes_nothing(way: Way, mail: Mail, reader: Reader) -> None:
    one = reader()
    way.transport.prepare(mail)
    way.transport.prepare(mail)
    way.transport.hand_over(mail, [one])
    assert len(way.arrived(one)) == 1


@promised("quota", WAYS)
def test_a_transport_says_what_it_allows(way: Way) -> None:
    transport = way.transport
    quota = transport.quota()
    assert quota.rate is None or quota.rate > 0
    assert transport.batch_size >= 1
    assert transport.connections >= 1
    assert transport.scope.startswith(transport.name)


@promised("lost", [*SES, *SMTP])
def test_a_reader_whose_answer_was_lost_is_in_doubt_and_whoever_is_called_untried_has_no_mail(
    way: Way, mail: Mail, reader: Reader
) -> None:
    assert way.line is not None
    long = replace(mail, text="word " * 1_000)
    way.transport.prepare(long)
    way.transport.hand_over(long, [reader()])  # the connection stands
    readers = [reader(), reader(), reader()]
    way.line.cut(after=2_000)
    answers = way.transport.hand_over(long, readers)
    assert answers[0].verdict is Verdict.UNKNOWN
    assert {answer.verdict for answer in answers} <= {Verdict.UNKNOWN, Verdict.RETRY}
    arrived = [len(way.arrived(one)) for one in readers]
    assert arrived == [answer.verdict is Verdict.UNKNOWN for answer in answers]
    assert all(answer.reason for answer in answers)
    assert way.transport.hand_over(long, [reader()])[0].verdict is Verdict.ACCEPTED


@promised("nobody there", [*SES, *SMTP])
def test_where_nobody_listens_everybody_is_tried_again(way: Way, mail: Mail, reader: Reader) -> None:
    assert way.nowhere is not None
    answers = way.nowhere.hand_over(mail, [reader(), reader()])
    assert [(answer.verdict, answer.throttled) for answer in answers] == [(Verdict.RETRY, False)] * 2
    with pytest.raises(Refused):
        way.nowhere.quota()


@promised("too fast", [*SES, *SMTP])
def test_too_fast_is_told_from_failing(way: Way, mail: Mail, reader: Reader) -> None:
    one = reader()
    way.transport.prepare(mail)
    if way.hurried is not None:
        way.hurried(one)
    (answer,) = way.transport.hand_over(mail, [one])
    assert (answer.verdict, answer.throttled) == (Verdict.RETRY, True)
    assert way.arrived(one) == []


@promised("tracking", WAYS)
@pytest.mark.parametrize("tracking", list(Tracking))
def test_a_mail_arrives_whatever_may_be_measured_of_it(
    way: Way, mail: Mail, reader: Reader, tracking: Tracking
) -> None:
    one = reader()
    wanted = replace(mail, tracking=tracking)
    way.transport.prepare(wanted)
    assert way.transport.hand_over(wanted, [one])[0].verdict is Verdict.ACCEPTED
    assert len(way.arrived(one)) == 1


def test_moto_stores_no_templates_and_so_takes_nothing_in_bulk(moto_server: Stranger, mail: Mail) -> None:
    """A gap of a whole way: once this fails, `ses bulk, moto` belongs among the ways."""
    with pytest.raises(Refused, match=r"does not store the template .*404"):
        SesTransport(SesSettings(endpoint_url=moto_server.url, mode="bulk")).prepare(mail)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.text(max_size=30), min_size=1, max_size=3),
    copy=st.lists(
        st.one_of(
            st.sampled_from(
                ["{{first_name|reader}}", "{{unsubscribe_url}}", "{", "}", "{{", "}}", "\\", "{{#if}}", "\n"]
            ),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8),
        ),
        max_size=10,
    ).map("".join),
)
@example(names=[""], copy="{\\{{")  # a lone brace before what is escaped: three in a row mean something else
@example(names=[""], copy="a {{} b")
def test_bulk_and_raw_deliver_the_same_whatever_the_copy_holds(
    simulator: Running,
    ses: Callable[[str], SesTransport],
    mail: Mail,
    reader: Reader,
    accepted: Callable[[str], list[dict[str, Any]]],
    names: list[str],
    copy: str,
) -> None:
    own = Mail(**{**mail.__dict__, "text": copy + "end\n", "html": copy + "<p>end</p>\n"})
    link = "https://news.example.org/u/x"
    readers = {mode: [reader(name, unsubscribe_url=link) for name in names] for mode in ("raw", "bulk")}
    found: dict[str, list[tuple[str, str, str]]] = {}
    for mode in ("raw", "bulk"):
        transport = ses(mode)
        transport.prepare(own)
        answers = transport.hand_over(own, readers[mode])
        assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}, answers
        rows = [accepted(one.tag)[0] for one in readers[mode]]
        messages = [_read((simulator.data / row["eml"]).read_bytes()) for row in rows]
        found[mode] = [(content(m, "plain"), content(m, "html"), m["Subject"]) for m in messages]
    assert found["raw"] == found["bulk"]


def _read(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message

"""What every transport promises, on a real wire or a real disk."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from newsletter.errors import Refused
from newsletter.simulator.server import Running
from newsletter.transports import fields
from newsletter.transports.mail import Mail, Recipient, Transport, Verdict
from newsletter.transports.outbox import OutboxTransport
from newsletter.transports.ses import SesTransport

Stored = Callable[[str], list[bytes]]
Reader = Callable[..., Recipient]


@pytest.fixture(params=["outbox", "ses-raw", "ses-bulk"])
def transport(request: pytest.FixtureRequest, tmp_path: Path) -> Transport:
    if request.param == "outbox":
        return OutboxTransport(tmp_path / "outbox")
    ses: Callable[[str], SesTransport] = request.getfixturevalue("ses")
    return ses(request.param[4:])


@pytest.fixture
def stored(transport: Transport, request: pytest.FixtureRequest) -> Stored:
    """The mails that arrived with a tag."""
    if isinstance(transport, OutboxTransport):
        return lambda tag: [path.read_bytes() for path in transport.path.rglob("*.eml") if path.stem == tag]
    simulator: Running = request.getfixturevalue("simulator")
    accepted: Callable[[str], list[dict[str, Any]]] = request.getfixturevalue("accepted")
    return lambda tag: [(simulator.data / row["eml"]).read_bytes() for row in accepted(tag)]


def _read(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return body.get_content().replace("\r\n", "\n")


def test_each_reader_gets_the_mail_filled_with_their_own_fields(
    transport: Transport, stored: Stored, mail: Mail, reader: Reader
) -> None:
    readers = [reader("ann@example.org"), reader("bo@example.com", "Bo & <Sons> 🦊"), reader("cy@example.net", "")]
    transport.prepare(mail)
    answers = transport.hand_over(mail, readers)
    assert [answer.verdict for answer in answers] == [Verdict.ACCEPTED] * 3
    assert len({answer.message_id for answer in answers}) == 3
    for one in readers:
        (data,) = stored(one.tag)
        message = _read(data)
        assert message["To"] == one.address
        assert message["Subject"] == fields.fill(mail.subject, one.fields, fields.Place.HEADER)
        assert _part(message, "plain") == fields.fill(mail.text, one.fields, fields.Place.TEXT)
        assert _part(message, "html") == fields.fill(mail.html, one.fields, fields.Place.HTML)
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_every_header_a_mailbox_provider_asks_for_arrives(
    transport: Transport, stored: Stored, mail: Mail, reader: Reader
) -> None:
    one = reader()
    transport.prepare(mail)
    transport.hand_over(mail, [one])
    (data,) = stored(one.tag)
    message = _read(data)
    assert message["From"].addresses[0].display_name == "Élan, the Daily"
    assert message["From"].addresses[0].addr_spec == "daily@news.example.org"
    assert message["Reply-To"] == "editors@news.example.org"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-ID"] == "Élan <daily.news.example.org>"
    assert message["Content-Language"] == "en"
    assert message["MIME-Version"] == "1.0"
    assert message["Message-ID"]
    assert message["Date"].datetime.tzinfo is not None
    assert f"\r\nList-Unsubscribe: <{one.fields['unsubscribe_url']}>\r\n".encode() in data


def test_one_bad_reader_is_refused_and_the_others_get_their_mail(
    transport: Transport, stored: Stored, mail: Mail, reader: Reader
) -> None:
    readers = [
        reader(),
        reader("ännе@example.org"),
        reader("a@example.org, b@example.org"),
        reader("eve@example.org\r\nBcc: all@example.org"),
        reader(unsubscribe_url=""),
        reader(unsubscribe_url="https://news.example.org/u/" + "x" * 1000),
        Recipient("tag@example.org", reader().fields, "../../etc/passwd"),
        Recipient("tag@example.org", reader().fields, ""),
        reader(),
    ]
    transport.prepare(mail)
    answers = transport.hand_over(mail, readers)
    wanted = [Verdict.ACCEPTED, *[Verdict.REFUSED] * 7, Verdict.ACCEPTED]
    assert [answer.verdict for answer in answers] == wanted
    assert all(answer.reason for answer in answers[1:-1])
    assert len(stored(readers[0].tag)) == len(stored(readers[-1].tag)) == 1


def test_a_mail_that_cannot_be_sent_is_refused_in_preparing_and_stops_the_hand_over(
    transport: Transport, mail: Mail, reader: Reader
) -> None:
    broken = Mail(**{**mail.__dict__, "headers": (("X-A", "b\r\nBcc: all@example.org"),)})
    with pytest.raises(Refused, match="X-A"):
        transport.prepare(broken)
    (answer,) = transport.hand_over(broken, [reader()])
    assert answer.verdict is Verdict.STOP
    assert "X-A" in answer.reason


def test_preparing_twice_changes_nothing(transport: Transport, stored: Stored, mail: Mail, reader: Reader) -> None:
    one = reader()
    transport.prepare(mail)
    transport.prepare(mail)
    transport.hand_over(mail, [one])
    assert len(stored(one.tag)) == 1


def test_a_transport_says_what_it_allows(transport: Transport) -> None:
    quota = transport.quota()
    assert quota.rate is None or quota.rate > 0
    assert transport.batch_size >= 1
    assert transport.connections >= 1
    assert transport.scope.startswith(transport.name)


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
    readers = {mode: [reader(name=name) for name in names] for mode in ("raw", "bulk")}
    found: dict[str, list[tuple[str, str, str]]] = {}
    for mode in ("raw", "bulk"):
        transport = ses(mode)
        transport.prepare(own)
        answers = transport.hand_over(own, readers[mode])
        assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}, answers
        rows = [accepted(one.tag)[0] for one in readers[mode]]
        messages = [_read((simulator.data / row["eml"]).read_bytes()) for row in rows]
        found[mode] = [(_part(m, "plain"), _part(m, "html"), m["Subject"]) for m in messages]
    assert found["raw"] == found["bulk"]

"""What a reader's mail program takes out of a message is what was put in."""

from __future__ import annotations

import email
import email.header
import email.policy
import email.utils
from datetime import UTC, datetime
from email.message import EmailMessage

import mailparser
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.errors import Refused
from newsletter.transports import fields
from newsletter.transports.mail import Mail, Recipient
from newsletter.transports.mime import CompiledMail

DATE = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
URL = "https://news.example.org/u/" + "Zm9vYmFy" * 30
MAIL = Mail(
    key="0" * 32,
    from_name="The Meridian",
    from_address="daily@news.example.org",
    reply_to="editors@news.example.org",
    subject="Walls at home, {{first_name|reader}}",
    html='<p lang="en">Dear {{first_name|reader}},</p>\n<p><a href="{{unsubscribe_url}}">Leave</a></p>\n',
    text="Dear {{first_name|reader}},\n\nLeave: {{unsubscribe_url}}\n",
    headers=(
        ("List-Unsubscribe", "<{{unsubscribe_url}}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-ID", "The Meridian <daily.news.example.org>"),
    ),
)


def with_(mail: Mail = MAIL, **changes: object) -> Mail:
    return Mail(**{**mail.__dict__, **changes})  # type: ignore[arg-type]


def reader(name: str = "Ann", address: str = "ann@example.org") -> Recipient:
    return Recipient(address, {"first_name": name, "unsubscribe_url": URL}, "k7f3m2qa-17-1")


def compose(mail: Mail = MAIL, recipient: Recipient | None = None) -> bytes:
    return CompiledMail.of(mail).message(recipient or reader(), message_id="<a@news.example.org>", date=DATE)


def parse(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    assert not body.defects
    return body.get_content().replace("\r\n", "\n")


def test_every_header_comes_out_as_it_went_in() -> None:
    message = parse(compose(with_(from_name="Élan, the “Daily”", lang="fr")))
    assert message["From"] == '"Élan, the “Daily”" <daily@news.example.org>'
    assert message["From"].addresses[0].display_name == "Élan, the “Daily”"
    assert message["To"] == "ann@example.org"
    assert message["Reply-To"] == "editors@news.example.org"
    assert message["Subject"] == "Walls at home, Ann"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-ID"] == "The Meridian <daily.news.example.org>"
    assert message["Content-Language"] == "fr"
    assert message["Message-ID"] == "<a@news.example.org>"
    assert message["Date"].datetime == DATE
    assert message["MIME-Version"] == "1.0"


def test_the_unsubscribe_url_stands_literally_on_one_line() -> None:
    assert f"\r\nList-Unsubscribe: <{URL}>\r\n".encode() in compose()


def test_the_text_part_comes_first_and_the_html_part_last() -> None:
    kinds = [found.get_content_type() for found in parse(compose()).iter_parts()]
    assert kinds == ["text/plain", "text/html"]


def test_another_parser_reads_the_same_mail() -> None:
    found = mailparser.parse_from_bytes(compose(with_(subject="Čtvrtek, {{first_name|reader}}"), reader("Zoë 🦊")))
    assert found.subject == "Čtvrtek, Zoë 🦊"
    assert found.from_ == [("The Meridian", "daily@news.example.org")]
    assert found.to == [("", "ann@example.org")]
    assert found.text_plain[0].replace("\r\n", "\n") == f"Dear Zoë 🦊,\n\nLeave: {URL}\n"
    assert found.text_html[0].replace("\r\n", "\n") == (
        f'<p lang="en">Dear Zoë 🦊,</p>\n<p><a href="{URL}">Leave</a></p>\n'
    )
    assert found.headers["List-Unsubscribe"] == f"<{URL}>"


def test_a_readers_markup_stays_text() -> None:
    message = parse(compose(recipient=reader('<b>"A" & Ö</b>')))
    assert "Dear &lt;b&gt;&quot;A&quot; &amp; Ö&lt;/b&gt;," in part(message, "html")
    assert 'Dear <b>"A" & Ö</b>,' in part(message, "plain")


@pytest.mark.parametrize("name", ["Ann\r\nBcc: eve@example.com", "Ann\nBcc: eve@example.com", "Ann\r\n\r\n<p>hello"])
def test_a_name_cannot_write_headers(name: str) -> None:
    message = parse(compose(recipient=reader(name)))
    assert "Bcc" not in message
    assert message["Subject"].startswith("Walls at home, Ann ")
    assert len(list(message.iter_parts())) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"from_name": "A\r\nBcc: eve@example.com"},
        {"from_address": "a@example.org\r\nBcc: eve@example.com"},
        {"reply_to": "a@example.org, b@example.org"},
        {"subject": "A\nBcc: eve@example.com"},
        {"lang": "en\r\nX: y"},
        {"headers": (("X-A\r\nBcc", "y"),)},
        {"headers": ((".X-A", "y"),)},
        {"headers": (("X-A", "y\r\nBcc: eve@example.com"),)},
        {"headers": (("X-A", "{{first_name|r}}\r\nBcc: eve@example.com"),)},
        {"headers": (("Bcc", "eve@example.com"),)},
        {"headers": (("List-ID", "a <a.b>"), ("list-id", "b <b.c>"))},
        {"headers": (("List-Unsubscribe", "<https://example.org/é>"),)},
        {"headers": (("X-A", "<" + "a" * 1000 + ">"),)},
    ],
)
def test_a_hostile_header_is_refused_before_the_first_reader(changes: dict[str, object]) -> None:
    with pytest.raises(Refused):
        CompiledMail.of(with_(**changes))


@pytest.mark.parametrize(
    "address",
    [
        "ann",
        "ann@",
        "@b.org",
        "a b@c.org",
        "ann@example.org, b@c.org",
        "ännе@example.org",
        "a@b.org\r\nX: y",
        "<a@b.org>",
    ],
)
def test_an_address_that_is_not_one_plain_address_is_refused(address: str) -> None:
    with pytest.raises(Refused, match="cannot be used"):
        compose(recipient=reader(address=address))


def test_a_reader_without_an_unsubscribe_link_is_refused() -> None:
    with pytest.raises(Refused, match="unsubscribe_url"):
        compose(recipient=Recipient("ann@example.org", {}, "t"))


def test_a_unsubscribe_url_too_long_for_a_header_is_refused() -> None:
    fields_ = {"unsubscribe_url": "https://news.example.org/" + "a" * 1000}
    with pytest.raises(Refused, match="List-Unsubscribe"):
        compose(recipient=Recipient("ann@example.org", fields_, "t"))


def test_copy_that_looks_like_our_boundary_does_not_end_the_part() -> None:
    copy = "--=_newsletter--\n\n--=_newsletter\nContent-Type: text/plain\n\n.\n..\nFrom here\n"
    message = parse(compose(with_(text=copy)))
    assert part(message, "plain") == copy


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="{}|\r")
TOKENS = ["{{first_name|reader}}", "{{unsubscribe_url}}", "{{first_name|}}"]
ENDS = ["\n", "\n.", "\n..\n", " \n", "\t\n", "\r\n", "--=_newsletter", "From "]
LENGTHS = ["é" * 80, "x" * 75, "x" * 76, "x" * 77, "x" * 1200]
SIGNS = ["=", "=3D", "{", "}", "&amp;", "שלום עולם", "مرحبا", "👩‍👩‍👧"]
HARD = st.sampled_from([*TOKENS, *ENDS, *LENGTHS, *SIGNS])
COPY = st.lists(st.one_of(HARD, st.text(CHARACTERS, max_size=30)), max_size=12).map("".join)
LINE_PARTS = st.sampled_from(
    ["{{first_name|reader}}", "é", "=?utf-8?q?x?=", ",", '"', "\\", "日本語のニュース", "🦊" * 30, "x" * 1200, "  "]
)
LINE_CHARACTERS = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="{}|<>")
LINE = st.lists(st.one_of(LINE_PARTS, st.text(LINE_CHARACTERS, max_size=20)), max_size=8).map("".join)


@settings(deadline=None, max_examples=150)
@given(text=COPY, html=COPY, name=st.text(max_size=40))
@example(text="a {{first_name|reader}}", html="{{first_name|reader}}", name="")
@example(text="x" * 75 + " \n" + "x" * 74 + "\t\n" + "é" * 13 + " \n", html="=" * 25 + " {{unsubscribe_url}}", name="")
@example(text="x" * 76 + "{{first_name|reader}}", html="x" * 73 + "={{first_name|reader}}", name="x" * 76)
@example(text=".{{first_name|reader}}.", html=".\n.{{unsubscribe_url}}.a", name=".")
@example(text=" {{first_name|reader}} \n", html="x" * 75 + "{{first_name|reader}}\n", name="é" * 80)
def test_both_parts_decode_to_the_filled_copy(text: str, html: str, name: str) -> None:
    recipient = reader(name)
    data = compose(with_(text=text, html=html), recipient)
    message = parse(data)
    for kind, copy, place in (("plain", text, fields.Place.TEXT), ("html", html, fields.Place.HTML)):
        lined = copy.replace("\r\n", "\n")
        expected = fields.fill(lined if lined.endswith("\n") else lined + "\n", recipient.fields, place)
        assert part(message, kind) == expected
    head, _, body = data.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    assert data.isascii()
    assert data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r")
    dotted = CompiledMail.of(with_(text=text, html=html), dotted=True)
    assert dotted.message(recipient, message_id="<a@news.example.org>", date=DATE) == data.replace(b"\r\n.", b"\r\n..")


@settings(deadline=None, max_examples=150)
@given(subject=LINE, from_name=LINE, name=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@example(subject="x" * 1200, from_name="", name="Ann")
def test_subject_and_sender_decode_to_what_was_written(subject: str, from_name: str, name: str) -> None:
    recipient = reader(name)
    message = parse(compose(with_(subject=subject, from_name=from_name), recipient))
    assert message["Subject"] == fields.fill(subject, recipient.fields, fields.Place.HEADER).strip()
    assert message["From"].addresses[0].addr_spec == "daily@news.example.org"
    raw = email.message_from_bytes(compose(with_(from_name=from_name)), policy=email.policy.compat32)["From"]
    shown, address = email.utils.parseaddr(raw.replace("\r\n", ""))
    assert address == "daily@news.example.org"
    decoded = str(email.header.make_header(email.header.decode_header(shown))) if shown else ""
    assert decoded == from_name.strip()

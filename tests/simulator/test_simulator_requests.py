"""The simulator takes what SES takes, refuses what SES refuses, and names the error as SES does."""

from __future__ import annotations

import email
import email.policy
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from newsletter.simulator.server import Running

RAW = b"From: a@news.example.org\r\nTo: ann@example.org\r\nSubject: Hello\r\n\r\nBody\r\n"
SIMPLE = {"Subject": {"Data": "Hello", "Charset": "UTF-8"}, "Body": {"Text": {"Data": "Body"}}}
INLINE = {
    "TemplateContent": {"Subject": "Hello {{name}}", "Text": "Dear {{name}}"},
    "TemplateData": '{"name": "reader"}',
}


def send(client: Any, content: dict[str, Any] | None = None, **more: Any) -> Any:
    ask = {
        "FromEmailAddress": "a@news.example.org",
        "Destination": {"ToAddresses": ["ann@example.org"]},
        "Content": content or {"Simple": SIMPLE},
    }
    return client.send_email(**{**ask, **more})


def bulk(client: Any, *entries: dict[str, Any], template: dict[str, Any] | None = None, **more: Any) -> Any:
    content = {"Template": template or INLINE}
    ask = {"FromEmailAddress": "a@news.example.org", "DefaultContent": content, "BulkEmailEntries": list(entries)}
    return client.send_bulk_email(**{**ask, **more})


def to(address: str = "ann@example.org", **more: Any) -> dict[str, Any]:
    return {"Destination": {"ToAddresses": [address]}, **more}


def header(name: str, value: str) -> dict[str, str]:
    return {"Name": name, "Value": value}


def stored(simulator: Running, message_id: str) -> Any:
    data = (simulator.data / "messages" / f"{message_id}.eml").read_bytes()
    return email.message_from_bytes(data, policy=email.policy.default)


def raw(data: bytes) -> dict[str, Any]:
    return {"Raw": {"Data": data}}


WRONG: list[tuple[str, Callable[[Any], Any], str]] = [
    ("no content", lambda c: send(c, Content={}), "BadRequestException"),
    ("two contents", lambda c: send(c, {"Simple": SIMPLE, **raw(RAW)}), "BadRequestException"),
    (
        "an unknown member",
        lambda c: _post(c, "outbound-emails", {"Content": {}, "Colour": "red"}),
        "BadRequestException",
    ),
    ("a wrong type", lambda c: _post(c, "outbound-emails", {"Content": {}, "EmailTags": 1}), "BadRequestException"),
    ("no destination", lambda c: send(c, Destination={}), "BadRequestException"),
    ("two addresses in one", lambda c: send(c, **to("a@example.org, b@example.org")), "BadRequestException"),
    ("a non-ASCII local part", lambda c: send(c, **to("ännе@example.org")), "BadRequestException"),
    ("a non-ASCII domain", lambda c: send(c, **to("a@bücher.example")), "BadRequestException"),
    ("a control character", lambda c: send(c, **to("a@example.org\r\nBcc: b@example.org")), "BadRequestException"),
    ("51 recipients", lambda c: send(c, Destination={"ToAddresses": ["a@example.org"] * 51}), "BadRequestException"),
    ("a tag with a colon", lambda c: send(c, EmailTags=[header("a", "b:c")]), "BadRequestException"),
    ("a tag of 257", lambda c: send(c, EmailTags=[header("a", "b" * 257)]), "BadRequestException"),
    ("no such configuration set", lambda c: send(c, ConfigurationSetName="a b"), "NotFoundException"),
    ("16 headers", lambda c: send(c, _with_headers([header(f"X-{n}", "y") for n in range(16)])), "BadRequestException"),
    ("a header value of 996", lambda c: send(c, _with_headers([header("X", "y" * 996)])), "BadRequestException"),
    ("a header name of 127", lambda c: send(c, _with_headers([header("X" * 127, "y")])), "BadRequestException"),
    ("a header with a line break", lambda c: send(c, _with_headers([header("X", "y\r\nZ: z")])), "BadRequestException"),
    ("a non-ASCII header", lambda c: send(c, _with_headers([header("X", "é")])), "BadRequestException"),
    ("a banned header", lambda c: send(c, _with_headers([header("reply-to", "a@b.org")])), "BadRequestException"),
    ("a doubled header", lambda c: send(c, _with_headers([header("X", "y"), header("x", "z")])), "BadRequestException"),
    (
        "an unencoded subject",
        lambda c: send(c, {"Simple": {**SIMPLE, "Subject": {"Data": "é"}}}),
        "BadRequestException",
    ),
    ("raw without From", lambda c: send(c, raw(b"To: a@example.org\r\n\r\nx\r\n")), "BadRequestException"),
    ("raw without a body", lambda c: send(c, raw(b"From: a@example.org\r\n")), "BadRequestException"),
    ("raw with two subjects", lambda c: send(c, raw(b"Subject: x\r\n" + RAW)), "BadRequestException"),
    ("raw with a long line", lambda c: send(c, raw(RAW + b"x" * 999 + b"\r\n")), "BadRequestException"),
    ("51 entries", lambda c: bulk(c, *[to()] * 51), "BadRequestException"),
    ("no entries", lambda c: bulk(c), "BadRequestException"),
    ("no such template", lambda c: bulk(c, to(), template={"TemplateName": "none"}), "NotFoundException"),
    ("data that is no JSON", lambda c: bulk(c, to(), template={**INLINE, "TemplateData": "{"}), "BadRequestException"),
    ("a template that does not parse", lambda c: _create(c, "x", Text="a {{ b"), "BadRequestException"),
    ("a template without a body", lambda c: _create(c, "x", Text=None), "BadRequestException"),
    ("a template too large", lambda c: _create(c, "x", Text="x" * 512_001), "LimitExceededException"),
    ("a template's name", lambda c: _create(c, "a b"), "BadRequestException"),
    ("an operation it does not know", lambda c: c.list_contact_lists(), "UnknownOperationException"),
]


def _with_headers(headers: list[dict[str, str]]) -> dict[str, Any]:
    return {"Simple": {**SIMPLE, "Headers": headers}}


def _create(client: Any, name: str, **content: Any) -> Any:
    given = {name: text for name, text in {"Subject": "s", "Text": "t", **content}.items() if text is not None}
    return client.create_email_template(TemplateName=name, TemplateContent=given)


def _post(client: Any, path: str, body: dict[str, Any]) -> None:
    """What a client without a model could send."""
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20241010/us-east-1/ses/aws4_request"}
    url = f"{client.meta.endpoint_url}/v2/email/{path}"
    try:
        urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=10)
    except urllib.error.HTTPError as error:
        code = error.headers["x-amzn-ErrorType"]
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "SendEmail") from None


@pytest.mark.parametrize(("ask", "code"), [(ask, code) for _, ask, code in WRONG], ids=[name for name, _, _ in WRONG])
def test_a_request_ses_would_refuse_is_refused_by_ses_s_name(client: Any, ask: Callable[[Any], Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        ask(client)
    assert caught.value.response["Error"]["Code"] == code


def test_raw_bytes_are_kept_but_for_the_two_headers_ses_writes(client: Any, simulator: Running) -> None:
    data = b"Message-ID: <mine@example.org>\r\nDate: Thu, 10 Oct 2024 10:30:00 +0000\r\n" + RAW
    message_id = send(client, raw(data))["MessageId"]
    kept = (simulator.data / "messages" / f"{message_id}.eml").read_bytes()
    message = email.message_from_bytes(kept, policy=email.policy.default)
    assert message["Message-ID"] == f"<{message_id}@email.amazonses.com>"
    head, _, body = kept.partition(b"\r\n\r\n")
    assert body == b"Body\r\n"
    assert head.startswith(b"From: a@news.example.org\r\nTo: ann@example.org\r\nSubject: Hello\r\nMessage-ID: ")


def test_a_simple_mail_is_composed_text_first(client: Any, simulator: Running) -> None:
    content = {
        "Subject": {"Data": "Grüße", "Charset": "UTF-8"},
        "Body": {"Html": {"Data": "<p>é</p>", "Charset": "UTF-8"}, "Text": {"Data": "é", "Charset": "UTF-8"}},
        "Headers": [header("List-Unsubscribe", "<https://example.org/u>")],
    }
    message = stored(simulator, send(client, {"Simple": content})["MessageId"])
    assert message["Subject"] == "Grüße"
    assert message["List-Unsubscribe"] == "<https://example.org/u>"
    assert [part.get_content() for part in message.iter_parts()] == ["é", "<p>é</p>"]


def test_replacement_data_is_merged_per_key_and_nothing_is_escaped(client: Any, simulator: Running) -> None:
    template = {
        "TemplateContent": {"Subject": "{{a}} {{b.c}} {{b.d}}", "Html": "{{a}} \\{{a}} {{! no }}}}", "Text": "{{{a}}}"},
        "TemplateData": json.dumps({"a": "x", "b": {"c": "1", "d": "2"}}),
    }
    data = json.dumps({"a": "<b>{{a}}", "b": {"d": 3}})
    entry = to(ReplacementEmailContent={"ReplacementTemplate": {"ReplacementTemplateData": data}})
    (result,) = bulk(client, entry, template=template)["BulkEmailEntryResults"]
    message = stored(simulator, result["MessageId"])
    assert message["Subject"] == "<b>{{a}} 1 3"
    assert message.get_body(("html",)).get_content() == "<b>{{a}} {{a}} }}"
    assert message.get_body(("plain",)).get_content() == "<b>{{a}}"


def test_replacement_headers_win_whatever_their_case(client: Any, simulator: Running) -> None:
    template = {**INLINE, "Headers": [header("X-Kind", "default"), header("X-Other", "stays")]}
    results = bulk(client, to(ReplacementHeaders=[header("x-kind", "own")]), to(), template=template)
    first, second = [stored(simulator, result["MessageId"]) for result in results["BulkEmailEntryResults"]]
    assert first.get_all("X-Kind") == ["own"]
    assert first["X-Other"] == "stays"
    assert second.get_all("X-Kind") == ["default"]


def test_a_bad_entry_is_refused_alone(client: Any) -> None:
    results = bulk(client, to(), to("nobody"), {"Destination": {}}, to("Ann Lee <ann@example.org>"))[
        "BulkEmailEntryResults"
    ]
    assert [result["Status"] for result in results] == ["SUCCESS", "INVALID_PARAMETER", "INVALID_PARAMETER", "SUCCESS"]


def test_stored_templates_can_be_made_read_changed_listed_rendered_and_removed(client: Any) -> None:
    _create(client, "walls", Text="Dear {{name}}")
    with pytest.raises(ClientError) as caught:
        _create(client, "walls")
    assert caught.value.response["Error"]["Code"] == "AlreadyExistsException"
    client.update_email_template(TemplateName="walls", TemplateContent={"Subject": "{{name}}", "Text": "Hi {{name}}"})
    assert client.get_email_template(TemplateName="walls")["TemplateContent"]["Text"] == "Hi {{name}}"
    assert "walls" in [found["TemplateName"] for found in client.list_email_templates()["TemplatesMetadata"]]
    done = client.test_render_email_template(TemplateName="walls", TemplateData='{"name": "Ann"}')["RenderedTemplate"]
    assert "Subject: Ann" in done
    with pytest.raises(ClientError, match="Attribute 'name' is not present"):
        client.test_render_email_template(TemplateName="walls", TemplateData="{}")
    client.delete_email_template(TemplateName="walls")
    with pytest.raises(ClientError) as caught:
        client.get_email_template(TemplateName="walls")
    assert caught.value.response["Error"]["Code"] == "NotFoundException"


def test_a_request_that_is_not_signed_for_ses_is_refused(simulator: Running) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{simulator.url}/v2/email/account", timeout=10)


def test_a_browser_led_here_by_another_name_gets_nothing(simulator: Running) -> None:
    ask = urllib.request.Request(f"{simulator.url}/_simulator/messages", headers={"Host": "evil.example.com"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(ask, timeout=10)

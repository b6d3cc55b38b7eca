"""What a sending request orders: each message checked, and composed only if it is kept."""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import getaddresses
from functools import lru_cache
from typing import Any

from newsletter.simulator import compose, rules
from newsletter.simulator.errors import bad_request
from newsletter.simulator.lists import ConfigurationSets
from newsletter.simulator.templates import Template, TemplateStore, merged
from newsletter.simulator.tracking import NOTHING, Measured, html_of, measured, raw_without_marks, without_marks

Ask = Mapping[str, Any]


def _never(message_id: str, at: datetime) -> bytes:
    raise AssertionError("an order must be rendered before it is kept")


def _no_html() -> str:
    return ""


@dataclass(frozen=True)
class Shelf:
    """What an order may name: stored templates and configuration sets."""

    templates: TemplateStore
    sets: ConfigurationSets


@dataclass(frozen=True)
class Through:
    """By which configuration set mail goes, which events that publishes (None without one), what may be measured."""

    name: str | None
    published: frozenset[str] | None
    measures: Measured = NOTHING

    @classmethod
    def of(cls, ask: Ask, sets: ConfigurationSets) -> Through:
        """Raises SesError for a set that does not exist."""
        name = ask.get("ConfigurationSetName")
        published = sets.types(name)
        return cls(name, published, measured(ask, published))


@dataclass(slots=True)
class Order:
    """One message to accept."""

    operation: str
    sender: str
    destination: list[str]
    tags: dict[str, str]
    through: Through
    compose: Callable[[str, datetime], bytes] = _never  # the message for its id and time
    html: Callable[[], str] = _no_html  # its HTML part, marks and all
    subject: str | None = None
    template: str | None = None
    failure: str | None = None  # why it was accepted and yet cannot be rendered


def single(ask: Ask, shelf: Shelf) -> Order:
    """What SendEmail orders. Raises SesError."""
    content = ask["Content"]
    kinds = [kind for kind in ("Simple", "Raw", "Template") if content.get(kind) is not None]
    if len(kinds) != 1:
        raise bad_request("Content must have exactly one of Simple, Raw and Template.")
    tags = rules.tags(ask.get("EmailTags") or ())
    through = Through.of(ask, shelf.sets)
    if kinds == ["Raw"]:
        return _raw(ask, tags, through)
    sender, reply_to = sender_of(ask)
    given, own = ask.get("Destination") or {}, content[kinds[0]]
    order = Order("SendEmail", sender, rules.destination(given), tags, through)
    no_attachments(own)
    letter = compose.Letter(
        sender=sender,
        to=given.get("ToAddresses") or (),
        cc=given.get("CcAddresses") or (),
        reply_to=reply_to,
        headers=rules.headers(own.get("Headers") or ()),
    )
    if kinds == ["Simple"]:
        parts = _simple_parts(own)
        written = _Written(letter, lambda: parts, through.measures.clicks)
        return replace(order, compose=written.message, html=written.html, subject=parts["Subject"])
    template, name = template_of(own, shelf.templates)
    data = data_of(own.get("TemplateData"))
    written = _Written(letter, lambda: template.render(data), through.measures.clicks)
    order = replace(order, compose=written.message, html=written.html)
    return replace(order, template=name, failure=template.missing(data))


@dataclass(slots=True)
class _Written:
    """A message made of parts, which are rendered only if somebody looks at them."""

    letter: compose.Letter
    render: Callable[[], dict[str, str]]
    clicks: bool  # are measured

    def html(self) -> str:
        return self.render().get("Html", "")

    def message(self, message_id: str, at: datetime) -> bytes:
        parts = self.render()
        if self.clicks and "Html" in parts:
            parts = {**parts, "Html": without_marks(parts["Html"])}
        return replace(self.letter, parts=parts).message(message_id, at)


def _raw(ask: Ask, tags: dict[str, str], through: Through) -> Order:
    try:
        data = binascii.a2b_base64(ask["Content"]["Raw"]["Data"], strict_mode=True)
    except (binascii.Error, ValueError):
        raise bad_request("Content.Raw.Data is not base64.") from None
    headers = rules.raw_headers(data)
    if "from" not in headers:
        raise bad_request("Missing final '@domain': the message has no From header.")
    sender = " ".join((ask.get("FromEmailAddress") or headers["from"]).split())
    rules.address(sender)
    given = ask.get("Destination") or {}
    if not any(given.values()):
        written = [headers[name] for name in ("to", "cc", "bcc") if name in headers]
        given = {"ToAddresses": [address for _, address in getaddresses(written)]}

    def stamped(message_id: str, at: datetime) -> bytes:
        seen = raw_without_marks(data) if through.measures.clicks else data
        return compose.restamped(seen, message_id, at)

    return Order(
        "SendEmail",
        sender,
        rules.destination(given),
        tags,
        through,
        stamped,
        html=lambda: html_of(data),
        subject=headers.get("subject"),
    )


@dataclass(frozen=True)
class Bulk:
    """What the entries of one bulk call share."""

    base: Order
    template: Template
    data: dict[str, Any]
    letter: compose.Letter

    @classmethod
    def of(cls, ask: Ask, shelf: Shelf) -> Bulk:
        """Raises SesError, for the whole call."""
        own = ask["DefaultContent"].get("Template")
        if own is None:
            raise bad_request("DefaultContent must have a Template.")
        no_attachments(own)
        sender, reply_to = sender_of(ask)
        through, tags = Through.of(ask, shelf.sets), rules.tags(ask.get("DefaultEmailTags") or ())
        template, name = template_of(own, shelf.templates)
        letter = compose.Letter(sender=sender, reply_to=reply_to, headers=rules.headers(own.get("Headers") or ()))
        base = Order("SendBulkEmail", sender, [], tags, through, template=name)
        return cls(base, template, data_of(own.get("TemplateData")), letter)

    def order(self, entry: Ask) -> Order:
        """One entry's message. Raises SesError, for this entry alone."""
        given, base, template = entry["Destination"], self.base, self.template
        content = (entry.get("ReplacementEmailContent") or {}).get("ReplacementTemplate") or {}
        data = merged(self.data, data_of(content.get("ReplacementTemplateData")))
        headers = rules.replaced(self.letter.headers, rules.headers(entry.get("ReplacementHeaders") or ()))
        to, cc = given.get("ToAddresses") or (), given.get("CcAddresses") or ()

        def letter() -> _Written:
            own = replace(self.letter, to=to, cc=cc, headers=headers)
            return _Written(own, lambda: template.render(data), base.through.measures.clicks)

        return Order(
            base.operation,
            base.sender,
            rules.destination(given),
            {**base.tags, **rules.tags(entry.get("ReplacementTags") or ())},
            base.through,
            lambda message_id, at: letter().message(message_id, at),
            lambda: letter().html(),
            template=base.template,
            failure=template.missing(data),
        )


def template_of(given: Ask, templates: TemplateStore) -> tuple[Template, str]:
    """The template a request means, and its name (none for one given inline). Raises SesError."""
    named = [key for key in ("TemplateName", "TemplateArn", "TemplateContent") if given.get(key) is not None]
    if len(named) != 1:
        raise bad_request("Template must have exactly one of TemplateName, TemplateArn and TemplateContent.")
    if named == ["TemplateContent"]:
        content = given["TemplateContent"]
        return _inline(tuple(sorted((name, text) for name, text in content.items() if text is not None))), ""
    name = given[named[0]].rpartition("/")[2]
    return templates.get(name), name


@lru_cache(maxsize=16)
def _inline(content: tuple[tuple[str, str], ...]) -> Template:
    return Template.of(dict(content))


def sender_of(ask: Ask) -> tuple[str, Sequence[str]]:
    """The From and the Reply-To addresses. Raises SesError."""
    sender = ask.get("FromEmailAddress")
    if not sender:
        raise bad_request("FromEmailAddress is missing.")
    reply_to = ask.get("ReplyToAddresses") or ()
    for address in (sender, *reply_to):
        rules.address(address)
    return sender, reply_to


def no_attachments(content: Ask) -> None:
    """Raises SesError."""
    if content.get("Attachments"):
        raise bad_request("The simulator takes no attachments.")


def _simple_parts(own: Ask) -> dict[str, str]:
    subject, body = own["Subject"], own["Body"]
    if not subject["Data"].isascii() and not subject.get("Charset"):
        raise bad_request("A subject that is not 7-bit ASCII needs a Charset.")
    parts = {kind: body[kind]["Data"] for kind in ("Text", "Html") if body.get(kind)}
    if not parts:
        raise bad_request("Body must have a Text or an Html part.")
    return {"Subject": subject["Data"], **parts}


def data_of(text: str | None) -> dict[str, Any]:
    """Template data as given: a JSON object in a string. Raises SesError."""
    if not text:
        return {}
    try:
        data = json.loads(text)
    except ValueError:
        raise bad_request("The template data is not JSON.") from None
    if not isinstance(data, dict):
        raise bad_request("The template data is not a JSON object.")
    return data

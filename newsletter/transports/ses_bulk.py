"""A mail as an Amazon SES template, so that fifty readers go out in one call.

SES fills its templates without escaping and parses every `{{`, so nothing of ours is left to it: each form of a merge
field (html, link, text, subject) is a variable of its own holding the finished text, and braces that stand in the copy
go in as variables too. Every entry names every variable: a missing one would be a mail silently not sent.

An entry is JSON that holds JSON: written out once per template, with places for a reader's values, escaped for both.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from json.encoder import encode_basestring, encode_basestring_ascii

from newsletter.errors import BuildError, Refused
from newsletter.transports import fields, headers
from newsletter.transports.mail import Mail, Recipient
from newsletter.transports.mime import Header, split_headers

MAX_TEMPLATE = 500 * 1000  # bytes of subject, text and html together
MAX_DATA = 262_144
MAX_HEADERS = 15
MAX_VALUE = 995

# What Handlebars may read as its own: in a run of these, a pair of opening braces, and whatever touches a variable.
_SYNTAX = re.compile(r"[\\{}]+")
_PRINTABLE = re.compile(r"[ -~]{1,995}")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")

_ENTRY = (
    '{{"Destination": {{"ToAddresses": ["%s"]}}, "ReplacementTags": [{{"Name": "delivery", "Value": "%s"}}], '
    '"ReplacementHeaders": [{headers}], '
    '"ReplacementEmailContent": {{"ReplacementTemplate": {{"ReplacementTemplateData": "{{{data}}}"}}}}}}'
)

NamedValue = dict[str, str]


@dataclass
class _Variables:
    """The variables of one template: by merge field form, and for text that must not be parsed."""

    slots: dict[fields.Slot, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def of_slot(self, slot: fields.Slot) -> str:
        name = self.slots.setdefault(slot, f"{slot.name}_{slot.place}_{len(self.slots)}")
        return "{{" + name + "}}"

    def of_text(self, match: re.Match[str]) -> str:
        touches = match.start() == 0 or match.end() == len(match.string)
        if "{{" not in match[0] and not touches:
            return match[0]
        return "{{" + self.texts.setdefault(match[0], f"literal_{len(self.texts)}") + "}}"

    def template(self, copy: str, place: fields.Place) -> str:
        split = fields.compile(copy, place)
        parts = [_SYNTAX.sub(self.of_text, split.literals[0])]
        for slot, literal in zip(split.slots, split.literals[1:], strict=True):
            parts += [self.of_slot(slot), _SYNTAX.sub(self.of_text, literal)]
        return "".join(parts)


@dataclass(frozen=True)
class BulkTemplate:
    """One mail in the form SES stores, and what each reader adds to it."""

    name: str
    content: Mapping[str, str]
    default_data: str
    sender: str
    reply_to: str | None
    fixed: tuple[NamedValue, ...]  # headers alike for all
    own: tuple[Header, ...]  # headers that differ from reader to reader
    slots: tuple[tuple[str, fields.Slot], ...]
    texts: Mapping[str, str]

    @classmethod
    def of(cls, mail: Mail) -> BulkTemplate:
        """Raises Refused when SES could not store or send it."""
        variables = _Variables()
        fixed, own = split_headers(mail)
        content = {
            "Subject": variables.template(mail.subject.strip(), fields.Place.HEADER),
            "Text": variables.template(mail.text, fields.Place.TEXT),
            "Html": variables.template(mail.html, fields.Place.HTML),
        }
        size = sum(len(part.encode()) for part in content.values())
        if size > MAX_TEMPLATE:
            raise Refused(
                f"The mail is {size:,} bytes as a template; SES stores {MAX_TEMPLATE:,}. Shorten the issue, or send it "
                'with `[ses] mode = "raw"`.'
            )
        shared = [_named(name, value) for name, value in fixed if name != "Subject"]
        shared.append(_named("Content-Language", mail.lang))
        own = tuple(header for header in own if header.name != "Subject")
        if len(shared) + len(own) > MAX_HEADERS:
            raise Refused(f"The mail has {len(shared) + len(own)} headers of its own; SES takes {MAX_HEADERS} in bulk.")
        texts = {name: text for text, name in variables.texts.items()}
        slots = tuple((name, slot) for slot, name in variables.slots.items())
        default = {**texts, **{name: slot.value(fields.archive_values()) for name, slot in slots}}
        digest = hashlib.sha256(json.dumps([content, default]).encode()).hexdigest()
        return cls(
            # Named by its content: another program's or variant's template of the same build is another one.
            name=f"{re.sub(r'[^A-Za-z0-9_-]', '-', mail.key)[:31]}-{digest[:32]}",
            content=content,
            default_data=json.dumps(default, ensure_ascii=False),
            sender=headers.mailbox(mail.from_name, mail.from_address, fold=" "),
            reply_to=headers.plain_address(mail.reply_to) if mail.reply_to else None,
            fixed=tuple(shared),
            own=own,
            slots=slots,
            texts=texts,
        )

    def entry(self, recipient: Recipient) -> str:
        """One reader's entry of SendBulkEmail, as JSON. Raises Refused, for this reader alone."""
        address, tag = addressed(recipient)
        try:
            own = [_once(_checked(header.name, header.value.fill(recipient.fields))) for header in self.own]
            values = [_twice(slot.value(recipient.fields)) for _, slot in self.slots]
        except BuildError as error:
            raise Refused(str(error)) from None
        entry = self._entry % (address, tag, *own, *values)
        if len(entry) > MAX_DATA:
            _refuse_too_much(entry)
        return entry

    @cached_property
    def _entry(self) -> str:
        """An entry as `json.dumps` writes it, with a place for each of a reader's values."""
        texts = [f"{encode_basestring(name)}: {encode_basestring(text)}" for name, text in self.texts.items()]
        data = [_literal(text) for text in texts]
        data += [_literal(f'{encode_basestring(name)}: "') + '%s\\"' for name, _ in self.slots]
        own = [f'{{"Name": {encode_basestring_ascii(header.name)}, "Value": "%s"}}' for header in self.own]
        return _ENTRY.format(headers=", ".join(own), data=", ".join(data))


@lru_cache(maxsize=32)  # the variants of the sends under way, and service mail
def bulk_template(mail: Mail) -> BulkTemplate:
    """`BulkTemplate.of`, remembered. Raises Refused."""
    return BulkTemplate.of(mail)


def addressed(recipient: Recipient) -> tuple[str, str]:
    """A reader's address and tag, both as SES takes them. Raises Refused."""
    if not _TAG.fullmatch(recipient.tag):
        raise Refused(f"{recipient.tag[:80]!r} cannot be a tag: use letters, digits, - and _.")
    return headers.plain_address(recipient.address), recipient.tag


def _named(name: str, value: str) -> NamedValue:
    return {"Name": name, "Value": _checked(name, value)}


def _checked(name: str, value: str) -> str:
    done = headers.field(name, value, fold=" ")
    if not _PRINTABLE.fullmatch(done) or len(name) + len(done) > MAX_VALUE + 1:
        raise Refused(f"The header {name} cannot go through SES in bulk: it must be 1 to {MAX_VALUE} characters.")
    return done


def _once(value: str) -> str:
    """A value as it stands inside a string of the request's JSON."""
    return encode_basestring_ascii(value)[1:-1]


def _twice(value: str) -> str:
    """A value as it stands inside a string of the data's JSON, which is itself a string of the request's."""
    return encode_basestring_ascii(encode_basestring(value)[1:-1])[1:-1]


def _literal(data: str) -> str:
    """A piece of the data's JSON, for the pattern of an entry."""
    return _once(data).replace("%", "%%")


def _refuse_too_much(entry: str) -> None:
    content = json.loads(entry)["ReplacementEmailContent"]
    length = len(content["ReplacementTemplate"]["ReplacementTemplateData"])
    if length > MAX_DATA:
        raise Refused(f"The reader's merge fields are {length:,} characters long; SES takes {MAX_DATA:,}.")

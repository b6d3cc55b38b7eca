"""From what a mail is about to the mail itself: the words of each kind, once, as HTML and as plain text.

A letter's template holds its words and calls the parts (paragraph, button, quotation); the parts exist twice, and the
frame around them too. The look is the theme's own style sheet. What comes from outside is escaped by the template
engine and is never a template or a merge field itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from newsletter.audience.addresses import normalise
from newsletter.audience.links import PATHS, Purpose, sign_reader, sign_ticket
from newsletter.audience.mail_owed import MailKind
from newsletter.audience.preferences import masked
from newsletter.config import Workspace
from newsletter.errors import InputError
from newsletter.rendering import markdown, plaintext
from newsletter.rendering.dates import direction, long_date, until_words
from newsletter.rendering.fragments import dress
from newsletter.rendering.inline import inline_css
from newsletter.sending.messages import list_id
from newsletter.sending.service.matters import Matter
from newsletter.settings import NewsletterSettings, PolicySettings
from newsletter.store.keys import KeyRing
from newsletter.transports.mail import Mail

# Transports read `{{word}}` as a merge field, and a letter has none: its own braces go through this one.
BRACES = "open_braces"
FIELDS: Mapping[str, str] = {BRACES: "{{"}

TEMPLATES = Path(__file__).parent / "templates"
_SUBSCRIBED_ALREADY = "subscribed-already"
_SUBJECTS: dict[str, str] = {
    MailKind.CONFIRM: "Please confirm: {names}",
    _SUBSCRIBED_ALREADY: "You are subscribed: {names}",
    MailKind.WELCOME: "Welcome to {name}",
    MailKind.PRIVATE_LINK: "Your private link to {name}",
    MailKind.ADDRESS_CONFIRM: "Please confirm your new address for {name}",
    MailKind.ADDRESS_TOLD: "Your address for {name} was changed",
    MailKind.POLICY_NOTICE: "{name}: a change to our privacy policy",
    MailKind.POLICY_RECONSENT: "{name}: do you agree to our new privacy policy?",
}
_LONGEST_NAMES = 100  # of a subject
# For people on the list about being on it; the others answer one person's own request (RFC 3834).
_TO_THE_LIST = frozenset({MailKind.WELCOME, MailKind.POLICY_NOTICE, MailKind.POLICY_RECONSENT})
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Letter:
    """A mail, and the address it goes to."""

    mail: Mail
    address: str


def write(matter: Matter, workspace: Workspace, ring: KeyRing) -> Letter:
    """Compose it. Raises NotFound, BuildError or OSError when the newsletter's theme cannot be used."""
    settings = workspace.settings.newsletters[matter.request.newsletter]
    links = _Links(ring, workspace.settings.public_url, matter)
    kind = _SUBSCRIBED_ALREADY if matter.already else str(matter.request.kind)
    words = _words(matter, settings, workspace.settings.newsletters, links)
    names = [workspace.settings.newsletters[name].name for name in matter.newsletters]
    subject = _subject(kind, names, settings.name)
    style = _style_sheet(workspace.theme(settings.theme) / "style.css")
    page = _render("html", kind, {**words, "subject": subject, "style": style})
    return Letter(
        Mail(
            key=hashlib.sha256(matter.request.tag.encode()).hexdigest()[:32],
            from_name=settings.from_name,
            from_address=settings.from_address,
            reply_to=settings.reply_to,
            subject=_no_fields(subject),
            html=_no_fields(inline_css(page)),
            text=_no_fields(_render("txt", kind, {**words, "subject": subject})),
            headers=_headers(matter, settings, links),
            lang=str(words["lang"]),
        ),
        _ascii(matter.address),
    )


@dataclass(frozen=True)
class _Links:
    """The addresses a letter leads to."""

    ring: KeyRing
    public_url: str
    matter: Matter

    def own(self, purpose: Purpose) -> str:
        """A reader's link, which works for ever."""
        request = self.matter.request
        return self._to(purpose, sign_reader(self.ring, purpose, request.subscriber_id, request.newsletter))

    def ticket(self, purpose: Purpose, number: int) -> str:
        return self._to(purpose, sign_ticket(self.ring, purpose, number, self.matter.until))

    def archive(self, settings: NewsletterSettings) -> str:
        return "" if settings.archive == "off" else f"{self.public_url}/archive/{self.matter.request.newsletter}"

    def _to(self, purpose: Purpose, token: str) -> str:
        return f"{self.public_url}/{PATHS[purpose]}/{token}"


def _words(
    matter: Matter, settings: NewsletterSettings, known: Mapping[str, NewsletterSettings], links: _Links
) -> dict[str, object]:
    """What a letter may speak of."""
    request = matter.request
    lang = settings.lang if settings.lang.partition("-")[0] == "en" else "en"  # the words of letters are English
    asked = (matter.asked_at or request.queued_at).astimezone(settings.zone)
    until = matter.until.astimezone(settings.zone)
    to_the_list = request.kind in _TO_THE_LIST
    return {
        "about": settings,
        "newsletters": [known[name] for name in matter.newsletters],
        "address": matter.address,
        "forgets": "request" if matter.known_otherwise else "address",
        "masked": masked(matter.own_address),
        "lang": lang,
        "direction": direction(lang),
        "asked": long_date(asked.date(), lang),
        "until_day": long_date(until.date(), lang),
        "until": until_words(until, lang, beside=asked.date()),
        "write_to": settings.reply_to or settings.from_address,
        "policy": _policy(settings, request.detail),
        "action": _action(matter, links),
        "archive": links.archive(settings),
        "preferences": links.own(Purpose.PREFERENCES) if to_the_list or matter.already else "",
        "unsubscribe": links.own(Purpose.UNSUBSCRIBE) if to_the_list else "",
        "day": lambda found: long_date(found, lang),
    }


def _action(matter: Matter, links: _Links) -> str:
    """The one thing a letter asks its reader to do, or ""."""
    request = matter.request
    match request.kind:
        case MailKind.CONFIRM if not matter.already:
            return links.ticket(Purpose.CONFIRM, request.reference or 0)
        case MailKind.PRIVATE_LINK:
            return links.ticket(Purpose.PRIVATE, request.id)
        case MailKind.ADDRESS_CONFIRM:
            return links.ticket(Purpose.ADDRESS, request.id)
        case MailKind.POLICY_RECONSENT:
            return links.ticket(Purpose.AGREE, request.id)
    return ""


def _policy(settings: NewsletterSettings, version: str | None) -> PolicySettings | None:
    return next((policy for policy in settings.policies if policy.version == version), None)


def _headers(matter: Matter, settings: NewsletterSettings, links: _Links) -> tuple[tuple[str, str], ...]:
    if matter.request.kind not in _TO_THE_LIST:
        return (("Auto-Submitted", "auto-generated"),)
    return (
        ("List-ID", _no_fields(list_id(settings.name, settings.list_id))),
        ("List-Unsubscribe", f"<{links.own(Purpose.UNSUBSCRIBE)}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    )


def _subject(kind: str, names: Sequence[str], name: str) -> str:
    several = ", ".join(names)
    if len(several) > _LONGEST_NAMES:
        several = f"{len(names)} newsletters"
    return _SUBJECTS[kind].format(names=several, name=name)


def _ascii(address: str) -> str:
    """As mail is addressed; what is no address is left for the transport to refuse."""
    try:
        return normalise(address).ascii
    except InputError:
        return address


def _no_fields(text: str) -> str:
    return text.replace("{{", "{{" + BRACES + "}}")


# -- templates --------------------------------------------------------------------------------------------------------


def _render(form: str, kind: str, words: Mapping[str, object]) -> str:
    """A letter in one of its two forms."""
    environment = _environment(form)
    parts = environment.get_template(f"parts.{form}.j2").module
    body = environment.get_template(f"{kind}.j2").render(part=parts, **words)
    frame = environment.get_template(f"frame.{form}.j2")
    # What a template rendered is escaped already; what it was given is not.
    page = frame.render(part=parts, body=Markup(body) if form == "html" else body, **words)  # noqa: S704
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", page, flags=re.MULTILINE)).strip() + "\n"


@cache
def _environment(form: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=form == "html",  # noqa: S701 - the other form is plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["flow"] = _flow
    environment.filters["copy"] = _copy_html if form == "html" else _copy_text
    return environment


def _flow(text: str, indent: str = "") -> str:
    """Running text in lines of 72 columns, whatever line breaks its pieces held."""
    return plaintext.wrap(_SPACE.sub(" ", text).strip(), indent=indent)


def _copy_html(text: str, lang: str) -> Markup:
    return dress(markdown.to_html(text, lang=lang), under=1)


def _copy_text(text: str, lang: str) -> str:
    notes = plaintext.Footnotes()
    return f"{plaintext.to_text(text, notes, lang=lang)}\n\n{notes.render()}".strip()


def _style_sheet(path: Path) -> Markup:
    """A theme's style sheet without its comments."""
    css = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    return Markup(re.sub(r"/\*.*?\*/\s*", "", css, flags=re.DOTALL).strip())  # noqa: S704 - the theme's own

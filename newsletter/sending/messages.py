"""Invariant 4: what is sent is the frozen build, byte for byte, but for the registered merge fields.

The sender too comes from the build's manifest: the person who approved the hash approved it, whatever the settings say
by now.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from newsletter.audience.addresses import unfit_name
from newsletter.audience.links import PATHS, Purpose, sign_reader
from newsletter.rendering.build import DEFAULT_VARIANT, Build
from newsletter.settings import NewsletterSettings
from newsletter.store.keys import KeyRing
from newsletter.transports.mail import Mail

KEY_LENGTH = 32
_BRACKETS = re.compile(r"[<>]")  # they would end the name


def mails_of(build: Build, settings: NewsletterSettings) -> dict[str, Mail]:
    """The mail of each variant of this build, by the variant's name."""
    return {variant: mail_of(build, settings, variant) for variant in build.variants}


def mail_of(build: Build, settings: NewsletterSettings, variant: str = DEFAULT_VARIANT) -> Mail:
    """The mail every reader of this variant of the build gets, merge fields still in it."""
    frozen, seen = _frozen(build), build.seen_by(variant)

    def setting(name: str) -> str:
        return str(frozen[name] if name in frozen else getattr(settings, name) or "")

    name = str(frozen.get("name") or settings.name)
    return Mail(
        key=_key(build, variant),
        from_name=setting("from_name"),
        from_address=setting("from_address"),
        reply_to=setting("reply_to") or None,
        subject=seen.subject,
        html=seen.html,
        text=seen.text,
        headers=(
            ("List-ID", list_id(name, setting("list_id"))),
            ("List-Unsubscribe", "<{{unsubscribe_url}}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ),
        lang=setting("lang"),
    )


def _key(build: Build, variant: str) -> str:
    """Names one variant of one build: a hash of both, where there is more than the default."""
    own = build.hash if variant == DEFAULT_VARIANT else hashlib.sha256(f"{build.hash} {variant}".encode()).hexdigest()
    return own[:KEY_LENGTH]


def public_url_of(build: Build, default: str) -> str:
    """Where this build's links lead: the address it was built for."""
    return str(_frozen(build).get("public_url") or default)


def list_id(name: str, identifier: str) -> str:
    """RFC 2919: the newsletter's name and its identifier. The transport quotes or encodes the name as it needs."""
    return f"{_BRACKETS.sub('', name).strip()} <{identifier}>".lstrip()


@dataclass(frozen=True)
class Fields:
    """Fills in one reader's own values for a send."""

    ring: KeyRing
    newsletter: str
    send_id: str
    public_url: str
    wanted: frozenset[str] = frozenset()  # fields that the mail uses; signing links nobody follows would cost time

    def of(self, subscriber_id: int, first_name: str | None) -> dict[str, str]:
        # Other programs let people type anything for a name: one that is a link or code gives way to the fallback.
        name = "" if first_name is None or unfit_name(first_name) else first_name
        found = {"first_name": name, "unsubscribe_url": self._link(Purpose.UNSUBSCRIBE, subscriber_id)}
        if "preferences_url" in self.wanted:
            found["preferences_url"] = self._link(Purpose.PREFERENCES, subscriber_id)
        if "vote_url" in self.wanted:
            found["vote_url"] = self._link(Purpose.VOTE, subscriber_id)
        return found

    def _link(self, purpose: Purpose, subscriber_id: int) -> str:
        token = sign_reader(self.ring, purpose, subscriber_id, self.newsletter, self.send_id)
        return f"{self.public_url}/{PATHS[purpose]}/{token}"


def _frozen(build: Build) -> Mapping[str, object]:
    found = build.manifest.get("settings")
    return found if isinstance(found, Mapping) else {}

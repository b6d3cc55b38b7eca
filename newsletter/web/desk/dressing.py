"""A mail as one reader's client would show it: her merge fields, her colours, with or without pictures.

The build's bytes are not touched but for what a client does too. Which colours a client takes is decided by media
queries, and a page cannot decide them for a frame inside it; so the query is answered in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from newsletter.rendering.build import Build
from newsletter.transports.fields import Place, archive_values, fill
from newsletter.web.public.around import Pieces, put_around


class Scheme(StrEnum):
    """What the client makes of the colours."""

    LIGHT = "light"
    DARK = "dark"  # the client honours the mail's own dark colours
    INVERTED = "inverted"  # it knows nothing of them and turns every colour round, as some do


@dataclass(frozen=True)
class Reader:
    """A made-up reader to try merge fields with."""

    label: str
    first_name: str


READERS = {
    "ann": Reader("Ann", "Ann"),
    "long": Reader("A long name", "Bartholomäus-Maximilian Featherstonehaugh"),
    "none": Reader("No name given", ""),
    "rtl": Reader("A name in Arabic", "نور الهدى"),
}

_ASKS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)
_YES, _NO = "(min-width: 0px)", "(max-width: 0px)"
_HEAD = {
    Scheme.LIGHT: "<style>:root{color-scheme:only light}</style>",
    Scheme.DARK: "<style>:root{color-scheme:only dark}</style>",
    # Pictures are turned round twice: clients that invert leave them alone.
    Scheme.INVERTED: (
        "<style>:root{color-scheme:only light;background:#fff;filter:invert(1) hue-rotate(180deg)}"
        "img,video{filter:invert(1) hue-rotate(180deg)}</style>"
    ),
}


def as_seen(build: Build, *, reader: Reader, scheme: Scheme) -> str:
    """The HTML part for this reader in these colours; pictures come from this server."""
    html = fill(build.html, values_of(reader), Place.HTML)
    answered = "light" if scheme is Scheme.INVERTED else scheme.value
    html = _ASKS.sub(lambda asked: _YES if asked[1].lower() == answered else _NO, html)
    return put_around(_pictures_from_here(html, build), Pieces(head=_HEAD[scheme]))


def text_for(build: Build, reader: Reader) -> str:
    """The plain-text part for this reader."""
    return fill(build.text, values_of(reader), Place.TEXT)


def values_of(reader: Reader) -> dict[str, str]:
    """Her fields; links lead nowhere."""
    return {**archive_values(), "first_name": reader.first_name}


def _pictures_from_here(html: str, build: Build) -> str:
    public_url = str(build.manifest.get("settings", {}).get("public_url", ""))
    return html.replace(f"{public_url}/a/", "/a/") if public_url else html

"""A story: front matter and Markdown, one file. Its id is its path in `issues/` without the suffix."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from newsletter.documents import Document
from newsletter.editorial.fields import (
    Day,
    Embargo,
    FrontMatter,
    ImageName,
    Line,
    OptionalUrl,
    QuestionId,
    StoryId,
    Words,
)

Status = Literal["answered", "partly", "still-open", "dropped"]

_BY = re.compile(r"(?:by|von|par|por|di|da|door)\s+", re.IGNORECASE)
_AND = re.compile(r"\s*[,;/&]\s*(?:and\s+)?|\s+(?:and|und|et|y|e|en)\s+", re.IGNORECASE)
_FEWEST_WORDS = 8  # of copy that is known again by its words alone


class Asks(FrontMatter):
    """A question this story leaves open."""

    id: QuestionId
    question: Words
    promised_by: Day | None = None


class Answers(FrontMatter):
    """What this story has to say to a question asked before."""

    question: QuestionId
    status: Status = "answered"
    answer: str = ""


class Image(FrontMatter):
    """A story's picture; `src` is a file beside the story."""

    src: ImageName
    alt: str
    caption: str = ""
    credit: str = ""


class StoryMeta(FrontMatter):
    """The front matter of a story."""

    title: Line = Field(min_length=1)
    kicker: str = ""
    dek: str = ""
    byline: str = ""
    date: Day | None = None
    tags: tuple[str, ...] = ()
    section: str = ""
    source: str = ""
    url: OptionalUrl = ""
    image: Image | None = None
    follows: tuple[StoryId, ...] = ()
    asks: tuple[Asks, ...] = ()
    answers: tuple[Answers, ...] = ()
    embargo: Embargo | None = None  # nothing that goes out before may have it
    notes: str = ""


@dataclass(frozen=True)
class Story:
    """One piece of copy, read from its file."""

    id: str  # "2024-10-10/walls"
    issue: str  # "2024-10-10", or "_inbox"
    meta: StoryMeta
    body: str  # Markdown
    body_line: int  # the line of the file its body starts on
    path: str  # as shown to people, relative to the workspace
    source: bytes  # the file as it was read; hashed into the build
    front: Document  # to find lines again


def authors(byline: str) -> frozenset[str]:
    """Who a byline names: "By Ada Byron and Grace Hopper" both of them, and the two together."""
    named = _BY.sub("", byline.strip(), count=1) if _BY.match(byline.strip()) else byline.strip()
    return frozenset(name for name in (named, *_AND.split(named)) if name)


def copy_key(body: str) -> tuple[str, ...]:
    """What the copy is known by wherever it stands; nothing for a few words, which many stories may have."""
    words = body.casefold().split()
    return (hashlib.sha256(" ".join(words).encode()).hexdigest(),) if len(words) >= _FEWEST_WORDS else ()

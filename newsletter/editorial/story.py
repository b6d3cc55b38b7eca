"""A story: front matter and Markdown, one file. Its id is its path in `issues/` without the suffix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date as Date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from newsletter.documents import Document

Status = Literal["answered", "partly", "still-open", "dropped"]
QuestionId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
StoryId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?$", max_length=200)]


class FrontMatter(BaseModel):
    """A table that editors write; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Asks(FrontMatter):
    """A question this story leaves open."""

    id: QuestionId
    question: str = Field(min_length=1)
    promised_by: Date | None = None


class Answers(FrontMatter):
    """What this story has to say to a question asked before."""

    question: QuestionId
    status: Status = "answered"
    answer: str = ""


class Image(FrontMatter):
    """A story's picture; `src` is a file beside the story."""

    src: str = Field(min_length=1)
    alt: str
    caption: str = ""
    credit: str = ""


class StoryMeta(FrontMatter):
    """The front matter of a story."""

    title: str = Field(min_length=1)
    kicker: str = ""
    dek: str = ""
    byline: str = ""
    date: Date | None = None
    tags: tuple[str, ...] = ()
    section: str = ""
    source: str = ""
    url: str = ""
    image: Image | None = None
    follows: tuple[StoryId, ...] = ()
    asks: tuple[Asks, ...] = ()
    answers: tuple[Answers, ...] = ()
    embargo_until: str = ""
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

"""An issue's definition: `issue.toml`, its blocks in order.

Each block type is one small model; the tag `type` chooses among them. Text fields are Markdown. Unknown keys are
errors. See the block table in docs/writing.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from newsletter.config import Address
from newsletter.editorial.fields import (
    BlockId,
    Closing,
    Day,
    Days,
    FrontMatter,
    ImageName,
    Language,
    Line,
    Options,
    QuestionId,
    StoryId,
    Url,
    Words,
)

Markdown = Words


class Select(FrontMatter):
    """A query over the library, reckoned from the issue's date, never from the clock."""

    tags: tuple[str, ...] = ()
    section: str | None = None
    source: str | None = None
    since: Days | None = None  # "3d": issues dated up to three days earlier
    unsent: bool = Field(default=False, strict=True)  # not in an issue that went out
    limit: int = Field(default=5, ge=1, le=50, strict=True)


class BlockBase(FrontMatter):
    """What every block may carry."""

    id: BlockId | None = None
    label: str = ""  # the kicker
    title: str = ""
    audience: str | None = None  # a segment
    notes: str = ""  # never rendered


class Link(FrontMatter):
    """A labelled link."""

    text: Words
    url: Url


class Intro(BlockBase):
    type: Literal["intro"]
    body: Markdown


class StoryBlock(BlockBase):
    """One story, as the lead or as one among others."""

    type: Literal["lead", "story"]
    story: StoryId
    image: Literal["top", "left", "none"] = "top"
    cta: Link | None = None


class Stories(BlockBase):
    type: Literal["stories"]
    stories: tuple[StoryId, ...] = ()
    select: Select | None = None
    show: Literal["full", "brief", "headline"] = "brief"

    @model_validator(mode="after")
    def _one_way(self) -> Stories:
        if bool(self.stories) == (self.select is not None):
            raise ValueError("needs either `stories` (ids) or `select` (a query).")
        return self


class WatchingItem(FrontMatter):
    lead: Words  # bold
    body: Markdown
    url: Url | None = None


class Watching(BlockBase):
    type: Literal["watching"]
    title: str = "What we're watching"
    items: tuple[WatchingItem, ...] = ()
    stories: tuple[StoryId, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Watching:
        if bool(self.items) == bool(self.stories):
            raise ValueError("needs either `items` or `stories` (ids).")
        return self


class BriefItem(FrontMatter):
    body: Markdown
    url: Url | None = None
    source: str = ""


class Briefs(BlockBase):
    type: Literal["briefs"]
    items: tuple[BriefItem, ...] = Field(min_length=1)


class NumberItem(FrontMatter):
    value: str = Field(min_length=1, max_length=40)
    body: Markdown
    url: Url | None = None
    source: str = ""


class Numbers(BlockBase):
    type: Literal["numbers"]
    title: str = "Hard numbers"
    items: tuple[NumberItem, ...] = Field(min_length=1)


class Quote(BlockBase):
    type: Literal["quote"]
    text: Markdown
    speaker: Words
    role: str = ""
    url: Url | None = None


class QAndAItem(FrontMatter):
    question: Markdown
    answer: Markdown


class QAndA(BlockBase):
    type: Literal["q-and-a"]
    who: Words
    role: str = ""
    items: tuple[QAndAItem, ...] = ()
    story: StoryId | None = None

    @model_validator(mode="after")
    def _one_way(self) -> QAndA:
        if bool(self.items) == bool(self.story):
            raise ValueError("needs either `items` or a `story`.")
        return self


class FollowUpBlock(BlockBase):
    """Ties a question to its answer; the words in front of it are computed."""

    type: Literal["follow-up"]
    question: QuestionId
    story: StoryId | None = None  # the answering story, when it is not to be found by itself
    answer: str = ""  # in place of the answer in the story's front matter


class Previously(BlockBase):
    """What readers were told of a story before: the thread its `follows` make."""

    type: Literal["previously"]
    title: str = "Previously"
    story: StoryId
    limit: int = Field(default=5, ge=1, le=20, strict=True)  # the newest so many


class Video(BlockBase):
    type: Literal["video"]
    title: Words
    url: Url
    image: ImageName
    alt: str = ""
    duration: str = ""
    body: str = ""


class ImageBlock(BlockBase):
    type: Literal["image"]
    src: ImageName
    alt: str
    width: int | None = Field(default=None, ge=40, le=600, strict=True)
    caption: str = ""
    credit: str = ""
    href: Url | None = None


class RelatedItem(FrontMatter):
    headline: Words
    url: Url
    source: str = ""


class Related(BlockBase):
    type: Literal["related"]
    title: str = "Related"
    items: tuple[RelatedItem, ...] = Field(min_length=1)


class Sponsor(BlockBase):
    type: Literal["sponsor"]
    name: Words
    label: Words  # "Presented by"
    body: Markdown
    url: Url | None = None
    image: ImageName | None = None
    disclosure: str = ""
    from_: Day | None = Field(default=None, alias="from")
    until: Day | None = None


class Cta(BlockBase):
    type: Literal["cta"]
    text: Words
    url: Url


class PollBlock(BlockBase):
    """A question to readers, who vote by the link in their mail."""

    type: Literal["poll"]
    id: BlockId  # the poll's name within its issue
    question: Line = Field(min_length=1)
    options: Options
    closes: Closing | None = None  # a day means its end


class CorrectionBlock(BlockBase):
    """Puts right what an earlier issue said; the archive shows it on top of that issue."""

    type: Literal["correction"]
    issue: Words
    was: Words
    is_: Words = Field(alias="is")


class Divider(BlockBase):
    type: Literal["divider"]


Block = Annotated[
    Intro
    | StoryBlock
    | Stories
    | Watching
    | Briefs
    | Numbers
    | Quote
    | QAndA
    | FollowUpBlock
    | Previously
    | Video
    | ImageBlock
    | Related
    | Sponsor
    | Cta
    | PollBlock
    | CorrectionBlock
    | Divider,
    Field(discriminator="type"),
]


class IssueDefinition(FrontMatter):
    """The whole of an `issue.toml`."""

    newsletter: str
    date: Day
    subject: Line = ""  # an empty one is preflight's finding SUBJ, so that a draft can be built and looked at
    preheader: Line = ""
    from_name: Line | None = None
    reply_to: Address | None = None
    lang: Language | None = None
    notes: str = ""
    blocks: tuple[Block, ...] = Field(min_length=1)


StoryPath = tuple[tuple[str | int, ...], str]  # the key a story is named under, within its block, and the name


def placed_names(definition: IssueDefinition) -> Iterator[str]:
    """The stories an issue places by name, as written. What only quotes a story does not place it."""
    for block in definition.blocks:
        yield from (name for _, name in story_names(block))


def story_names(block: Block) -> tuple[StoryPath, ...]:
    """The stories a block places by name."""
    if isinstance(block, StoryBlock):
        return ((("story",), block.story),)
    if isinstance(block, QAndA) and block.story:
        return ((("story",), block.story),)
    if isinstance(block, Stories | Watching):
        return tuple((("stories", index), name) for index, name in enumerate(block.stories))
    return ()

"""An issue's definition: `issue.toml`, its blocks in order.

Each block type is one small model; the tag `type` chooses among them. Text fields are Markdown. Unknown keys are
errors. See the block table in docs/writing.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from newsletter.editorial.fields import (
    BlockId,
    Cell,
    Closing,
    Day,
    FrontMatter,
    ImageName,
    Language,
    Line,
    Options,
    PollName,
    QuestionId,
    SharedFile,
    StoryId,
    Url,
    Words,
)
from newsletter.editorial.query import Select
from newsletter.values import Address

Markdown = Words
MOST_COLUMNS = 6  # of a table that is to be read on a phone


class BlockBase(FrontMatter):
    """What every block may carry."""

    id: BlockId | None = None
    label: str = ""  # the kicker
    title: str = ""  # some types have a title of their own where none is given: `rendering.phrases`
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
    """Ties a question to its answer, or a poll to its result; the words in front of it are computed."""

    type: Literal["follow-up"]
    question: QuestionId | None = None
    poll: PollName | None = None  # of an earlier issue
    story: StoryId | None = None  # the answering story, when it is not to be found by itself
    answer: str = ""  # in place of the answer in the story's front matter; under a poll's result, what to say of it

    @model_validator(mode="after")
    def _one_way(self) -> FollowUpBlock:
        if bool(self.question) == bool(self.poll):
            raise ValueError("needs either a `question` (an id) or a `poll` (2024-10-09/ask-next).")
        if self.poll and self.story:
            raise ValueError("a poll is answered by its readers: leave out `story`, or write `answer`.")
        return self


class Previously(BlockBase):
    """What readers were told of a story before: the thread its `follows` make."""

    type: Literal["previously"]
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


class TableBlock(BlockBase):
    """Data in rows; a column of numbers is set flush right. A row's first cell names it."""

    type: Literal["table"]
    caption: str = ""
    columns: tuple[Words, ...] = Field(min_length=2, max_length=MOST_COLUMNS)
    rows: tuple[tuple[Cell, ...], ...] = Field(min_length=1, max_length=60)
    as_of: str = ""  # the time the figures are of, in the editor's words
    note: str = ""


class CalendarItem(FrontMatter):
    when: Words
    what: Markdown
    url: Url | None = None


class Calendar(BlockBase):
    type: Literal["calendar"]
    items: tuple[CalendarItem, ...] = Field(min_length=1)


class Letter(FrontMatter):
    body: Markdown
    name: str = ""
    place: str = ""


class Mail(BlockBase):
    """Letters from readers."""

    type: Literal["mail"]
    items: tuple[Letter, ...] = Field(min_length=1)


class HtmlBlock(BlockBase):
    """HTML written by hand; what mail cannot have is taken out and named by the rule HTML-BLOCK."""

    type: Literal["html"]
    html: Words


class Include(BlockBase):
    """Stands for the blocks of a file in `issues/_shared/` (include.py puts them in its place)."""

    type: Literal["include"]
    file: SharedFile

    @model_validator(mode="after")
    def _bare(self) -> Include:
        if self.id or self.label or self.title:
            raise ValueError("takes only `file`, `audience` and `notes`. The rest stands in the shared file.")
        return self


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

    def facts(self) -> dict[str, str]:
        """What a build's manifest keeps of it; the id ties it to the correction on record."""
        return {"issue": self.issue, "was": self.was, "is": self.is_, **({"id": self.id} if self.id else {})}


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
    | TableBlock
    | Calendar
    | Mail
    | HtmlBlock
    | Include
    | Cta
    | PollBlock
    | CorrectionBlock
    | Divider,
    Field(discriminator="type"),
]


class SharedBlocks(FrontMatter):
    """The whole of a file in `issues/_shared/`."""

    notes: str = ""
    blocks: tuple[Block, ...] = Field(min_length=1)


class IssueDefinition(FrontMatter):
    """The whole of an `issue.toml`."""

    newsletter: str
    date: Day
    subject: Line = ""  # an empty one is preflight's finding SUBJ, so that a draft can be built and looked at
    preheader: Line = ""
    from_name: Line | None = None
    reply_to: Address | None = None
    lang: Language | None = None
    readers_of: Words | None = None  # it goes to just those who had that earlier issue
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

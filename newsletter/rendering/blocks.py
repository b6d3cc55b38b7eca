"""What a theme sees: an issue and its blocks, with stories, pictures and follow-ups in place.

Copy stays Markdown here; each template turns it into its own kind of text with the filters `copy` and `line`, which
sanitise. So no template can forget to, and copy is data all the way: nothing in it is ever evaluated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date

from newsletter.editorial.definition import (
    Block,
    ImageBlock,
    Sponsor,
    Stories,
    StoryBlock,
    TableBlock,
    Video,
    Watching,
    WatchingItem,
)
from newsletter.editorial.include import home_of
from newsletter.editorial.resolved import Earlier, FollowUp, ResolvedBlock
from newsletter.editorial.story import Story, StoryMeta
from newsletter.errors import Place
from newsletter.rendering.dates import short_date, until_words
from newsletter.rendering.images import Gallery, Picture
from newsletter.rendering.phrases import TITLED, no_answer, phrases
from newsletter.rendering.poll_result import PollResult, poll_result
from newsletter.rendering.tabular import number_columns

SHEET = 600  # the width of the sheet, and of a picture across it
BESIDE = 160  # a picture to the left of its story
BOX = 486  # inside the sponsor's box

# Blocks that part the sheet by themselves: no hairline stands next to one.
_UNRULED = frozenset({"divider", "sponsor", "image", "cta"})
_NOT_PROSE = re.compile(r"\s*(#|>|[-*+] |\d+[.)] |!\[|\||```|---)")


@dataclass(frozen=True)
class StoryView:
    """A story as a block shows it."""

    meta: StoryMeta
    body: str
    dek: str  # "" where the copy begins with the same words
    summary: str  # its dek, else its first paragraph
    picture: Picture | None = None


@dataclass(frozen=True)
class EarlierView:
    """A story that readers were told before."""

    title: str
    date: str
    url: str  # the issue online; "" where issues are not


@dataclass(frozen=True)
class BlockView:
    """A block with everything it names. `block` holds the editor's own words."""

    block: Block
    stories: tuple[StoryView, ...] = ()
    watched: tuple[WatchingItem, ...] = ()
    picture: Picture | None = None
    follow_up: FollowUp | None = None
    result: PollResult | None = None  # of a follow-up to a poll
    earlier_url: str = ""  # the issue that asked, or is corrected, online; "" when it did not go out
    earlier_date: str = ""
    thread: tuple[EarlierView, ...] = ()  # oldest first
    numbers: tuple[bool, ...] = ()  # of a table's columns, which hold numbers
    closes: str = ""  # until when a poll is open
    status: str = ""
    no_answer: str = ""  # what a follow-up says in place of one
    ruled: bool = False  # a hairline stands between it and the block before

    @property
    def type(self) -> str:
        return self.block.type


@dataclass(frozen=True)
class Setting:
    """What every block of one issue shares."""

    issue: str
    day: date
    lang: str
    archive: str  # the address under which the newsletter's issues are read online; "" when they are not
    gallery: Gallery


def block_views(blocks: tuple[ResolvedBlock, ...], setting: Setting) -> tuple[BlockView, ...]:
    """The blocks in order. Images that cannot be used are noted in the gallery's problems."""
    views: list[BlockView] = []
    for resolved in blocks:
        view = _view(resolved, setting)
        ruled = bool(views) and not {views[-1].type, view.type} & _UNRULED
        views.append(replace(view, ruled=ruled))
    return tuple(views)


def _view(resolved: ResolvedBlock, setting: Setting) -> BlockView:
    block = _titled(resolved.block, setting.lang)
    slot = _story_slot(block)
    stories = tuple(_story(story, resolved.place, slot, setting) for story in resolved.stories)
    if isinstance(block, Watching):
        watched = block.items or tuple(
            WatchingItem(lead=story.meta.title, body=story.summary or story.meta.title, url=story.meta.url or None)
            for story in stories
        )
        return BlockView(block, watched=watched)
    if isinstance(block, TableBlock):
        return BlockView(block, numbers=number_columns(block.rows))
    asked = resolved.follow_up
    if asked is not None:
        sent = asked.asked_on if asked.asked_in else None
        return BlockView(
            block,
            follow_up=asked,
            earlier_url=_online(asked.asked_in, setting) if sent else "",
            earlier_date=short_date(sent, setting.lang, beside=setting.day) if sent else "",
            status=phrases(setting.lang)[asked.status],
            no_answer=no_answer(asked.status, setting.lang),
        )
    if resolved.readers_said is not None:
        polled = resolved.readers_said
        return BlockView(
            block,
            result=poll_result(polled, lang=setting.lang, day=setting.day),
            earlier_url=_online(polled.issue, setting),
            earlier_date=short_date(polled.asked_on, setting.lang, beside=setting.day),
        )
    if resolved.poll is not None:
        return BlockView(block, closes=until_words(resolved.poll.closes, setting.lang, beside=setting.day))
    if resolved.thread:
        return BlockView(block, thread=tuple(_earlier(each, setting) for each in resolved.thread))
    wrong = resolved.corrected
    if wrong is not None:
        said_on = short_date(wrong.day, setting.lang, beside=setting.day)
        online = _online(wrong.issue, setting) if wrong.went_out else ""
        return BlockView(block, earlier_url=online, earlier_date=said_on)
    return BlockView(block, stories, picture=_picture(block, resolved.place, setting))


def _titled(block: Block, lang: str) -> Block:
    """The block with the theme's own title, where its editor says nothing of one."""
    if block.type not in TITLED or "title" in block.model_fields_set:
        return block
    return block.model_copy(update={"title": phrases(lang)[block.type]})


def _earlier(told: Earlier, setting: Setting) -> EarlierView:
    day = short_date(told.day, setting.lang, beside=setting.day)
    return EarlierView(told.story.meta.title, day, _online(told.issue, setting))


def _online(issue: str | None, setting: Setting) -> str:
    return f"{setting.archive}/{issue}" if setting.archive else ""


def _story_slot(block: Block) -> int:
    """How wide the pictures of a block's stories are shown; 0 for not at all."""
    if isinstance(block, StoryBlock):
        return {"top": SHEET, "left": BESIDE, "none": 0}[block.image]
    return SHEET if isinstance(block, Stories) and block.show == "full" else 0


def _story(story: Story, place: Place, slot: int, setting: Setting) -> StoryView:
    meta = story.meta
    picture = None
    if meta.image and slot:
        where = story.front.place(["image", "src"])
        picture = setting.gallery.hang(meta.image.src, issue=story.issue, place=where, slot=slot, alt=meta.image.alt)
        if picture:
            picture = replace(picture, caption=meta.image.caption, credit=meta.image.credit)
    first = first_paragraph(story.body)
    dek = "" if meta.dek.split() == first.split() else meta.dek
    return StoryView(meta, story.body, dek, meta.dek or first, picture)


def _picture(block: Block, place: Place, setting: Setting) -> Picture | None:
    def hang(name: str, slot: int, alt: str) -> Picture | None:
        return setting.gallery.hang(name, issue=home_of(place) or setting.issue, place=place, slot=slot, alt=alt)

    if isinstance(block, ImageBlock):
        found = hang(block.src, block.width or SHEET, block.alt)
        return replace(found, caption=block.caption, credit=block.credit) if found else None
    if isinstance(block, Video):
        return hang(block.image, SHEET, block.alt or block.title)
    if isinstance(block, Sponsor) and block.image:
        return hang(block.image, BOX, block.name)
    return None


def first_paragraph(body: str) -> str:
    """The first paragraph of prose: not a heading, list, quotation, table or picture."""
    for chunk in re.split(r"\n\s*\n", body.strip()):
        if chunk and not _NOT_PROSE.match(chunk):
            return chunk
    return ""

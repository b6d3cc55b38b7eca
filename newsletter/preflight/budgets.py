"""BUDGET: how long an issue and its parts may be. The newsletter sets it; without a budget nothing is too long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from newsletter.editorial.definition import Briefs, HtmlBlock, Stories, StoryBlock, Watching
from newsletter.editorial.resolved import ResolvedBlock, ResolvedIssue
from newsletter.editorial.story import Story
from newsletter.errors import Place
from newsletter.preflight.examined import Examined, shortened, warning
from newsletter.preflight.findings import Finding
from newsletter.preflight.sources import copy_in
from newsletter.rendering.blocks import first_paragraph
from newsletter.rendering.handmade import as_markdown
from newsletter.rendering.plaintext import WIDTH, Footnotes, to_text
from newsletter.rendering.readtime import count_words, minutes

_CUT = "Cut it, or raise the budget in config.toml."


@dataclass(frozen=True)
class _Unit:
    """A part with a length of its own."""

    kind: str
    place: Place
    copy: str
    title: str = ""


def budgets(examined: Examined) -> Iterator[Finding]:
    """BUDGET: words of each part and of the issue, and the minutes it takes to read."""
    budget, resolved = examined.context.budgets, examined.resolved
    if resolved is not None and budget.words:
        yield from _parts(resolved, {str(kind): most for kind, most in budget.words.items()})
    inside = _between_rules(examined.text)
    place, words, time = examined.sources.key("blocks"), count_words(inside), minutes(inside)
    if budget.issue and words > budget.issue:
        message = f"the issue has {words:,} words, {words - budget.issue:,} over its budget of {budget.issue:,}."
        yield warning("BUDGET", place, message, _CUT)
    if budget.read_minutes and time > budget.read_minutes:
        message = f"the issue takes {time} minutes to read; its budget is {budget.read_minutes}."
        yield warning("BUDGET", place, message, _CUT)


def _parts(resolved: ResolvedIssue, most: Mapping[str, int]) -> Iterator[Finding]:
    numbers = {id(block): number for number, block in enumerate(resolved.definition.blocks)}
    for block in resolved.blocks:
        for unit in _units(resolved, block, numbers[id(block.block)]):
            limit = most.get(unit.kind)
            words = count_words(to_text(unit.copy, Footnotes())) if limit else 0
            if limit and words > limit:
                what = f"“{shortened(unit.title)}”" if unit.title else f"the {unit.kind}"
                message = f"{what} has {words} words, {words - limit} over the budget of {limit} for `{unit.kind}`."
                yield warning("BUDGET", unit.place, message, _CUT)


def _units(resolved: ResolvedIssue, found: ResolvedBlock, index: int) -> Iterator[_Unit]:
    block, place = found.block, found.place
    if isinstance(block, StoryBlock):
        yield from (_Unit(block.type, place, _whole(story), story.meta.title) for story in found.stories)
        return
    if isinstance(block, Stories) and block.show == "full":
        yield from (_Unit("story", place, _whole(story), story.meta.title) for story in found.stories)
    elif isinstance(block, Watching) or (isinstance(block, Stories) and block.show == "brief"):
        yield from (_Unit("brief", place, _summary(story), story.meta.title) for story in found.stories)
    elif isinstance(block, Briefs):
        for number, item in enumerate(block.items):
            yield _Unit("brief", resolved.document.place(["blocks", index, "items", number]), item.body)
    yield _Unit(block.type, place, _all_of(found))


def _whole(story: Story) -> str:
    return f"{story.meta.dek}\n\n{story.body}"


def _summary(story: Story) -> str:
    return story.meta.dek or first_paragraph(story.body)


def _all_of(found: ResolvedBlock) -> str:
    """Everything a block says, as Markdown."""
    block = found.block
    told = _whole if getattr(block, "show", "") == "full" or block.type == "q-and-a" else _summary
    if isinstance(block, HtmlBlock):
        return as_markdown(block.html)
    written = [copy for _, copy in copy_in(block)]
    answer = [found.follow_up.answer] if found.follow_up else []
    return "\n\n".join([*written, *answer, *(told(story) for story in found.stories)])


def _between_rules(text: str) -> str:
    """The text part without its head and foot: from its first rule to its last, as the read time is reckoned."""
    parts = text.split(f"\n{'-' * WIDTH}\n")
    return "\n".join(parts[1:-1]) if len(parts) > 2 else text

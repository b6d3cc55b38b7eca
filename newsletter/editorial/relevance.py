"""The words a story is found by, and how well it fits some of them.

The index ranks by how rare a word is in the whole store, which tomorrow is another number. What an issue selects must
not depend on that: this goes by the story alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from newsletter.editorial.story import Story
from newsletter.editorial.terms import terms

_TITLE, _LABEL, _MOST = 8, 4, 4  # a word in the copy weighs one, as often as it stands there, up to so much


def title_terms(story: Story) -> list[str]:
    return terms(story.meta.title)


def label_terms(story: Story) -> list[str]:
    """Tags and the like."""
    meta = story.meta
    asked = (asks.question for asks in meta.asks)
    return terms(" ".join((*meta.tags, meta.kicker, meta.section, meta.source, *asked)))


def copy_terms(story: Story) -> list[str]:
    return terms(f"{story.meta.dek}\n{story.body}")


def relevance(story: Story, words: Sequence[str]) -> int:
    """How much a story is about these words (`terms.sought`); 0 when one of them is not in it at all."""
    places = ((title_terms(story), _TITLE, _TITLE), (label_terms(story), _LABEL, _LABEL), (copy_terms(story), 1, _MOST))
    counted = [(Counter(found), weight, most) for found, weight, most in places]
    total = 0
    for word in words:
        here = sum(min(_count(found, word) * weight, most) for found, weight, most in counted)
        if not here:
            return 0
        total += here
    return total


def _count(found: Counter[str], word: str) -> int:
    if not word.endswith("*"):
        return found[word]
    return sum(count for each, count in found.items() if each.startswith(word[:-1]))

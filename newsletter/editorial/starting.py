"""Opening a new issue, or a new story: files that build as they stand, for an editor to fill."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from newsletter.documents import read_toml, validate
from newsletter.editorial.definition import IssueDefinition
from newsletter.editorial.fields import NAME
from newsletter.editorial.incoming.intake import Intake
from newsletter.editorial.library import DEFINITION
from newsletter.editorial.story import StoryMeta
from newsletter.editorial.suggesting import Suggestion
from newsletter.editorial.writing import write_new
from newsletter.errors import InputError, Place, Problem, Refused

_DEFINITION = """\
newsletter = "{newsletter}"
date = {date}
subject = ""                      # 35 characters that carry the news, 60 at most
preheader = ""                    # the second line in the inbox; do not repeat the subject

[[blocks]]
type = "lead"
story = "lead"

# More blocks: intro, story, stories, watching, briefs, numbers, quote, q-and-a, follow-up, previously,
# video, image, related, sponsor, poll, correction, cta, divider. docs/writing.md shows each.
"""

_STORY = """\
+++
title = "The lead's headline"
+++

The first paragraph of the lead.
"""


def draft_story(title: str, suggested: Iterable[Suggestion] = ()) -> Intake:
    """A story to be written: its title, and as comments the stories it seems to continue. Raises InputError."""
    front = f"title = {json.dumps(' '.join(title.split()), ensure_ascii=False)}\ntags = []\n"
    found = list(suggested)
    if found:
        front += "# It seems to continue one of these:\n"
    for each in found:
        asks = f" (asks {', '.join(each.questions)})" if each.questions else ""
        front += f'# follows = ["{each.story}"]  # {" ".join(each.title.split())}{asks}\n'
    meta = validate(StoryMeta, read_toml(front, "the new story"))
    return Intake(meta.title, "The first paragraph.\n", front, ())


def start_issue(issues: Path, issue_id: str, *, newsletter: str, day: date, comments: str = "") -> Path:
    """Make `issues/<issue_id>/` with an issue.toml and a story. Raises Refused, or InputError for a bad name.

    `comments` are lines for the editor's eye, below the definition.
    """
    if not NAME.fullmatch(issue_id) or issue_id.startswith("_"):
        message = "an issue's name is letters, digits, dots, dashes and underscores, such as 2024-10-10-breaking."
        raise InputError([Problem(Place(f'issue "{issue_id}"'), message)])
    definition = _DEFINITION.format(newsletter=newsletter, date=day.isoformat()) + comments
    validate(IssueDefinition, read_toml(definition, DEFINITION))
    folder = issues / issue_id
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise Refused(f"{folder} is there already; nothing was changed.") from None
    write_new(folder / DEFINITION, definition.encode())
    write_new(folder / "lead.md", _STORY.encode())
    return folder

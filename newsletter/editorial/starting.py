"""Opening a new issue, or a new story: files that build as they stand, for an editor to fill."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from newsletter.documents import read_toml, validate
from newsletter.documents.reading import MOST_DOTS
from newsletter.editorial.corrections import Correction
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

{blocks}# More blocks: intro, story, stories, watching, briefs, numbers, quote, q-and-a, follow-up, previously,
# video, image, related, sponsor, poll, correction, cta, divider. docs/writing.md shows each.
"""

_CORRECTION = """\
[[blocks]]
type = "correction"
id = "{id}"                  # which correction on record this is: newsletter correction list
issue = {issue}
was = {was}
is = {is_}

"""

_CORRECTION_ISSUE = """\
newsletter = "{newsletter}"
date = {day}
{lang}subject = {subject}
preheader = {preheader}
readers_of = {readers_of}       # it goes to those who had that issue, and to nobody else

[[blocks]]
type = "intro"
body = {intro}

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


def start_issue(
    issues: Path,
    issue_id: str,
    *,
    newsletter: str,
    day: date,
    comments: str = "",
    corrections: Iterable[Correction] = (),
) -> Path:
    """Make `issues/<issue_id>/` with an issue.toml and a story. Raises Refused, or InputError for a bad name.

    `comments` are lines for the editor's eye, below the definition; each correction becomes a block.
    """
    blocks = "".join(map(_correction_block, corrections))
    definition = _DEFINITION.format(newsletter=newsletter, date=day.isoformat(), blocks=blocks) + comments
    return _start(issues, issue_id, definition, story=_STORY)


def start_correction(
    issues: Path,
    issue_id: str,
    *,
    newsletter: str,
    day: date,
    readers_of: str,
    corrections: Iterable[Correction],
    lang: str | None,
    words: Mapping[str, str],
) -> Path:
    """Make an issue that puts an earlier one right and does nothing else. Raises as `start_issue` does.

    `lang` where it is not the newsletter's; `words` are its subject, preheader and intro.
    """
    said = {name: _string(text) for name, text in (*words.items(), ("readers_of", readers_of))}
    lang = f"lang = {_string(lang)}\n" if lang else ""
    head = _CORRECTION_ISSUE.format(newsletter=newsletter, day=day.isoformat(), lang=lang, **said)
    return _start(issues, issue_id, head + "".join(map(_correction_block, corrections)), story=None)


def _correction_block(found: Correction) -> str:
    return _CORRECTION.format(
        id=found.block_id, issue=_string(found.issue), was=_string(found.was), is_=_string(found.is_)
    )


def _string(text: str) -> str:
    """As TOML writes it; JSON's strings are TOML's but for one character. No line has more dots than a reader takes."""
    written = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return written if written.count(".") < MOST_DOTS else written.replace(".", "\\u002e")


def require_new(issues: Path, issue_id: str) -> Path:
    """The folder of an issue to be made. Raises InputError for a bad name, and Refused when it is there already."""
    if not NAME.fullmatch(issue_id) or issue_id.startswith("_"):
        message = "an issue's name is letters, digits, dots, dashes and underscores, such as 2024-10-10-breaking."
        raise InputError([Problem(Place(f'issue "{issue_id}"'), message)])
    folder = issues / issue_id
    if folder.exists():
        raise Refused(f"{folder} is there already; nothing was changed.")
    return folder


def _start(issues: Path, issue_id: str, definition: str, *, story: str | None) -> Path:
    folder = require_new(issues, issue_id)
    validate(IssueDefinition, read_toml(definition, DEFINITION))
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise Refused(f"{folder} is there already; nothing was changed.") from None
    write_new(folder / DEFINITION, definition.encode())
    if story is not None:
        write_new(folder / "lead.md", story.encode())
    return folder

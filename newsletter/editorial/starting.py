"""Opening a new issue: a folder with a definition that builds, for an editor to fill."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from newsletter.documents import read_toml, validate
from newsletter.editorial.definition import IssueDefinition
from newsletter.editorial.fields import NAME
from newsletter.editorial.library import DEFINITION
from newsletter.errors import InputError, Place, Problem, Refused

_DEFINITION = """\
newsletter = "{newsletter}"
date = {date}
subject = ""                      # 35 characters that carry the news, 60 at most
preheader = ""                    # the second line in the inbox; do not repeat the subject

[[blocks]]
type = "lead"
story = "lead"

# More blocks: intro, story, stories, watching, briefs, numbers, quote, q-and-a, follow-up,
# video, image, related, sponsor, cta, divider. docs/writing.md shows each.
"""

_STORY = """\
+++
title = "The lead's headline"
+++

The first paragraph of the lead.
"""


def start_issue(issues: Path, issue_id: str, *, newsletter: str, day: date) -> Path:
    """Make `issues/<issue_id>/` with an issue.toml and a story. Raises Refused, or InputError for a bad name."""
    if not NAME.fullmatch(issue_id) or issue_id.startswith("_"):
        message = "an issue's name is letters, digits, dots, dashes and underscores, such as 2024-10-10-breaking."
        raise InputError([Problem(Place(f'issue "{issue_id}"'), message)])
    definition = _DEFINITION.format(newsletter=newsletter, date=day.isoformat())
    validate(IssueDefinition, read_toml(definition, DEFINITION))
    folder = issues / issue_id
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise Refused(f"{folder} is there already; nothing was changed.") from None
    (folder / DEFINITION).write_text(definition, encoding="utf-8")
    (folder / "lead.md").write_text(_STORY, encoding="utf-8")
    return folder

"""A small good build and its sources, made by hand, and ways to break one thing of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from newsletter.documents import read_toml, validate
from newsletter.editorial.definition import IssueDefinition
from newsletter.editorial.resolve import ResolvedBlock, ResolvedIssue
from newsletter.editorial.story import Story, StoryMeta
from newsletter.preflight.check import check
from newsletter.preflight.context import Context
from newsletter.preflight.findings import Finding, Severity
from newsletter.rendering.build import Build, canonical_json

IMAGE = b"picture"
DIGEST = hashlib.sha256(IMAGE).hexdigest()
SOURCE = f"https://news.meridian-daily.com/a/{DIGEST}/wall.jpg"
ADDRESS = "1 Example Street, Springfield"

STORY = """\
+++
title = "Walls go up at home"
[image]
src = "wall.jpg"
alt = "Soldiers building a wall"
credit = "Staff"
+++

The answer appears to be yes, "several" sources say.

Read [the full report](https://www.bbc.com/news/report) on the wall, {{first_name|reader}}.
"""

ISSUE = """\
newsletter = "daily"
date = 2024-10-10
subject = "Walls at home, troops abroad"
preheader = "Plus, what the European Parliament heard on Wednesday"

[[blocks]]
type = "intro"
body = "Good morning. Here is the news."

[[blocks]]
type = "lead"
story = "walls"
"""

HTML = f"""\
<!DOCTYPE html>
<html lang="en" dir="ltr"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><meta name="x-apple-disable-message-reformatting">
<meta name="format-detection" content="telephone=no"><title>Walls at home, troops abroad</title>
<style>@media (max-width:600px){{.a{{padding:0!important}}}}</style></head>
<body style="font-size:17px">
<div style="display:none">Plus, what the European Parliament heard on Wednesday</div>
<!--[if mso]><table role="presentation" width="600"><tr><td><![endif]-->
<table role="presentation" width="100%"><tr><td class="a">
<h1>The Meridian</h1>
<p>Good morning. Here is the news.</p>
<h2>Walls go up at home</h2>
<img src="{SOURCE}" alt="Soldiers building a wall" width="600" height="300">
<p>The answer appears to be yes, “several” sources say.</p>
<p>Read <a href="https://www.bbc.com/news/report">the full report</a> on the wall, {{{{first_name|reader}}}}.</p>
<p style="font-size:13px">{ADDRESS} <a href="{{{{unsubscribe_url}}}}">Unsubscribe</a></p>
</td></tr></table>
<!--[if mso]></td></tr></table><![endif]-->
</body></html>
"""

TEXT = f"""\
Walls at home, troops abroad

Good morning. Here is the news.

WALLS GO UP AT HOME

The answer appears to be yes, “several” sources say.

Read the full report [1] on the
wall, {{{{first_name|reader}}}}.

[1] https://www.bbc.com/news/report

Unsubscribe: {{{{unsubscribe_url}}}}
{ADDRESS}
"""

CONTEXT = Context(
    now=datetime(2024, 10, 10, 10, 30, tzinfo=UTC),
    zone=ZoneInfo("America/New_York"),
    transport="ses",
    postal_address=ADDRESS,
    public_url="https://news.meridian-daily.com",
)


def a_build(
    *,
    html: str = HTML,
    text: str = TEXT,
    subject: str = "Walls at home, troops abroad",
    preheader: str = "Plus, what the European Parliament heard on Wednesday",
    day: str = "2024-10-10",
    image: bytes = IMAGE,
) -> Build:
    """The good build, with parts of it replaced."""
    manifest = {"newsletter": "daily", "issue": "2024-10-10", "date": day}
    return Build(
        {
            "subject.txt": f"{subject}\n".encode(),
            "preheader.txt": f"{preheader}\n".encode(),
            "body.html": html.encode(),
            "body.txt": text.encode(),
            f"assets/{DIGEST}/wall.jpg": image,
            "manifest.json": canonical_json(manifest),
        }
    )


def a_resolved_issue(story: str = STORY, issue: str = ISSUE) -> ResolvedIssue:
    """The sources of the good build, each as text."""
    document = read_toml(issue, "issues/2024-10-10/issue.toml")
    definition = validate(IssueDefinition, document)
    path = "issues/2024-10-10/walls.md"
    _, front, body = story.split("+++\n", 2)
    read = read_toml(front, path, first_line=2)
    line = story[: len(story) - len(body.lstrip("\n"))].count("\n") + 1
    meta = validate(StoryMeta, read)
    lead = Story("2024-10-10/walls", "2024-10-10", meta, body.lstrip("\n"), line, path, story.encode(), read)
    blocks = tuple(
        ResolvedBlock(block, document.place(["blocks", index]), (lead,) if block.type in {"lead", "stories"} else ())
        for index, block in enumerate(definition.blocks)
    )
    return ResolvedIssue(
        "2024-10-10",
        definition,
        document,
        blocks,
        {document.name: issue.encode(), path: story.encode()},
        stories=(lead,),
    )


def findings(
    build: Build | None = None, resolved: ResolvedIssue | None = None, context: Context = CONTEXT, **changes: object
) -> list[Finding]:
    """What the rules find in the good issue with these changes to it; `changes` are those of the context."""
    circumstances = replace(context, **changes)  # type: ignore[arg-type]
    return check(build or a_build(), resolved or a_resolved_issue(), circumstances)


def errors(found: list[Finding]) -> set[str]:
    """The rules that block."""
    return {finding.rule for finding in found if finding.severity is Severity.ERROR}

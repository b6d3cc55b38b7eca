"""Copy from outside becomes a story in the inbox, or in an issue: repaired, and never over another file."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from newsletter.documents import read_toml, validate
from newsletter.editorial.fields import NAME
from newsletter.editorial.incoming.markup import looks_like_html, to_markdown
from newsletter.editorial.incoming.repairs import Repair, repair
from newsletter.editorial.library import INBOX, SUFFIX
from newsletter.editorial.story import StoryMeta
from newsletter.editorial.writing import write_new
from newsletter.errors import InputError, NotFound, Place, Problem, Refused

LONGEST = 1_000_000  # characters: more than any story, less than a page made to harm


@dataclass(frozen=True)
class Origin:
    """Where a piece of copy is from, and what is known of it beforehand."""

    name: str  # as shown to people: a file's name, or "pasted text"
    title: str = ""
    source: str = ""
    url: str = ""
    day: date | None = None


@dataclass(frozen=True)
class Intake:
    """A story ready to be written, and everything that was repaired or noticed."""

    title: str
    text: str
    front: str
    repairs: tuple[Repair, ...]

    @property
    def file(self) -> str:
        return f"+++\n{self.front}+++\n\n{self.text}"


def take_in(copy: str, origin: Origin, *, is_html: bool | None = None, refuse: Collection[str] = ()) -> Intake:
    """Make a story of copy; `is_html` None: by its look. Raises InputError for what cannot be one."""
    if len(copy) > LONGEST:
        raise _unusable(origin, f"is {len(copy):,} characters long; at most {LONGEST:,} are read.")
    title, text = origin.title, copy
    if is_html or (is_html is None and looks_like_html(copy)):
        page = to_markdown(copy)
        title, text = title or page.title, page.text
    done = repair(text, refuse=refuse)
    title, body = (title, done.text) if title else _title_of(done.text)
    title = " ".join(title.split())
    if not body.strip() or not title:
        raise _unusable(origin, "has no text in it.")
    front = "".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
        for key, value in (("title", title), ("source", origin.source), ("url", origin.url))
        if value
    )
    if origin.day:
        front += f"date = {origin.day.isoformat()}\n"
    validate(StoryMeta, read_toml(front, origin.name))
    return Intake(title, body.strip() + "\n", front, done.repairs)


def write_story(issues: Path, intake: Intake, *, folder: str = INBOX, name: str | None = None) -> Path:
    """Write it as a new file. Raises NotFound for an issue there is not, Refused when the name is taken."""
    chosen = name or slug(intake.title)
    if not NAME.fullmatch(chosen) or chosen.startswith("_"):
        raise InputError([Problem(Place(f'story "{chosen}"'), "cannot be a file's name.", "Say another with --name.")])
    place = issues / folder
    if folder != INBOX and not (place / "issue.toml").is_file():
        raise NotFound(f"There is no issue `{folder}`. Leave out --to to put the story into the inbox.")
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{chosen}{SUFFIX}"
    try:
        write_new(path, intake.file.encode())
    except FileExistsError:
        raise Refused(f"{path} is there already; nothing was changed. Say another name with --name.") from None
    return path


def slug(title: str) -> str:
    """A title as a file's name: `Walls at home, again` becomes `walls-at-home-again`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall(r"[a-z0-9]+", plain)[:8])[:60].strip("-") or "story"


def _title_of(text: str) -> tuple[str, str]:
    """The first line of pasted text, when it can be a headline; else the first words, and the whole text."""
    first, _, rest = text.strip().partition("\n")
    headline = first.strip("#* \t")
    if rest.strip() and len(headline) <= 120 and not headline.endswith((".", ":", ";")):
        return headline, rest
    words = headline.split()
    return " ".join(words[:10]) + ("…" if len(words) > 10 else ""), text


def _unusable(origin: Origin, message: str) -> InputError:
    return InputError([Problem(Place(origin.name), message)])

"""What two builds of an issue have different, in words a person can check: what readers see first, then the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import unified_diff
from typing import Any

from newsletter.rendering.build import Build

SCREENFUL = 40  # lines of one text part
_SHORT = 200  # letters of one value

# What a build says of other issues, and what names each saying.
_TOLD = {
    "follow_ups": "question",
    "poll_follow_ups": "poll",
    "previously": "story",
    "follows": "story",
    "polls": "id",
    "corrections": "issue",
}

Table = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """One thing that differs: what it was and is (None: not there), or the lines that changed."""

    what: str
    before: str | None = None
    after: str | None = None
    lines: tuple[str, ...] = ()  # what went with -, what came with +, what is around them with a space; … between
    left_off: int = 0  # further lines

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def differences(before: Build, after: Build) -> list[Difference]:
    """Everything that makes the one another build than the other; nothing when they are the same."""
    if before.hash == after.hash:
        return []
    one, other = before.manifest, after.manifest
    found = [
        *_table("", {"date": one.get("date")}, {"date": other.get("date")}),
        *_bodies(before, after),
        *_table("image ", _images(one), _images(other)),
        *_table("setting ", one.get("settings", {}), other.get("settings", {})),
        *_theme(one.get("theme", {}), other.get("theme", {})),
        *_table("segment ", one.get("segments", {}), other.get("segments", {})),
        *_facts(one.get("facts", {}), other.get("facts", {})),
        *_table("file ", _short_hashes(one.get("sources", {})), _short_hashes(other.get("sources", {}))),
    ]
    return found or [Difference("the build's own record", before.hash[:12], after.hash[:12])]


def _bodies(before: Build, after: Build) -> Iterator[Difference]:
    """Variant by variant: the lines at the top, the text, and whether the look changed beside them."""
    for name in dict.fromkeys([*before.variants, *after.variants]):
        mark = f" for {name}" if before.variants.get(name, ()) or after.variants.get(name, ()) else ""
        if name not in after.variants or name not in before.variants:
            yield from _table("variant ", _readers_of(before, name), _readers_of(after, name))
            continue
        one, other = before.seen_by(name), after.seen_by(name)
        top = [{f"subject{mark}": build.subject, f"preheader{mark}": build.preheader} for build in (one, other)]
        yield from _table("", *top)
        lines = _changed_lines(one.text, other.text)
        if lines:
            yield Difference(f"text{mark}", lines=lines[:SCREENFUL], left_off=max(0, len(lines) - SCREENFUL))
        elif one.html != other.html:
            yield Difference(f"HTML{mark}", "the words are the same", "the look, the links or the pictures changed")


def _readers_of(build: Build, variant: str) -> dict[str, str]:
    """The segments a variant is for, if the build has it."""
    return {variant: " and ".join(build.variants[variant])} if variant in build.variants else {}


def _changed_lines(before: str, after: str) -> tuple[str, ...]:
    """The changed lines with one around them."""
    found = list(unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm=""))[3:]
    return tuple("…" if line.startswith("@@") else line for line in found if line.strip())


def _images(manifest: Table) -> dict[str, str]:
    return _short_hashes(manifest.get("assets", {}))


def _short_hashes(files: Table) -> dict[str, str]:
    return {path: str(digest)[:12] for path, digest in files.items()}


def _theme(before: Table, after: Table) -> Iterator[Difference]:
    yield from _table("", {"theme": before.get("name")}, {"theme": after.get("name")})
    yield from _table("theme file ", _short_hashes(before.get("files", {})), _short_hashes(after.get("files", {})))


def _facts(before: Table, after: Table) -> Iterator[Difference]:
    """What the build says of other issues: who asked when, which stories it carries, its polls and corrections."""
    yield from _table("", *({"stories": ", ".join(facts.get("stories", [])) or None} for facts in (before, after)))
    for kind, key in _TOLD.items():
        told = [{f"{entry.get(key)}": _said(entry) for entry in facts.get(kind, [])} for facts in (before, after)]
        yield from _table(f"{kind.removesuffix('s').replace('_', '-')} ", *told)


def _said(entry: object) -> str:
    """A fact as one line; a follow-up by what readers are told of it."""
    if isinstance(entry, dict) and "lead_in" in entry:
        told = entry.get("status") or f"votes {entry.get('votes')}"
        return f"“{entry['lead_in']}” ({entry.get('asked_on') or 'never asked'}), {told}"
    return json.dumps(entry, ensure_ascii=False, sort_keys=True)


def _table(mark: str, before: Table, after: Table) -> Iterator[Difference]:
    """The keys whose values differ."""
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            yield Difference(f"{mark}{key}", _shortened(before.get(key)), _shortened(after.get(key)))


def _shortened(value: object) -> str | None:
    text = " ".join(str(value).split()) if value is not None else None
    return text if text is None or len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"

"""Finds the line of the editors' files where something in a build comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from newsletter.documents import decode
from newsletter.editorial.definition import Block, HtmlBlock
from newsletter.editorial.resolve import ResolvedIssue
from newsletter.errors import Place
from newsletter.rendering.handmade import spoken

_QUOTES = {"'": "['’‘‚]", "’": "['’]", "‘": "['‘]", '"': '["“”„«»]', "“": '["“]', "”": '["”]'}


@dataclass(frozen=True)
class Copy:
    """A piece of Markdown as an editor wrote it, or what a piece of HTML says, and where its first line stands."""

    text: str
    file: str
    line: int
    whole: bool = True  # whether all of it is shown, not only a summary
    lines: tuple[int, ...] = ()  # where each line stands, when they do not simply follow one another
    one_paragraph: bool = False  # its block sets it as one
    handmade: bool = False  # of HTML: the words between its tags, cut as `handmade.spoken` does
    written: date | None = None  # the day it was written for, where that is not the issue's

    @property
    def shown(self) -> str:
        """What readers see of it: all, or as much as a summary takes."""
        return self.text if self.whole else self.text.lstrip("\n").split("\n\n")[0]

    def place(self, line: int) -> Place:
        """The place of a line counted from 1 within this copy."""
        return Place(self.file, self.lines[line - 1] if line <= len(self.lines) else self.line + line - 1)


class Sources:
    """The files an issue was made from. Without them every place is the build's own file."""

    def __init__(self, resolved: ResolvedIssue | None) -> None:
        self._resolved = resolved

    @cached_property
    def _files(self) -> list[tuple[str, str]]:
        """Stories first: copy stands there; the definition often names it too."""
        if self._resolved is None:
            return []
        definition = self._resolved.document.name
        named = sorted(self._resolved.sources.items(), key=lambda item: item[0] == definition)
        return [(path, data.decode("utf-8", "replace")) for path, data in named]

    def find(self, snippet: str) -> Place | None:
        """The first place where this text stands, however its quotes, spaces and line breaks were written."""
        pattern = _pattern(snippet)
        for path, text in self._files if pattern else ():
            if pattern and (found := pattern.search(text)):
                return Place(path, text.count("\n", 0, found.start()) + 1)
        return None

    def find_by_hand(self, snippet: str) -> Place | None:
        """Where HTML written by hand says this, however its tags and character references cut it up."""
        pattern = _pattern(snippet)
        for copy in self.copies if pattern else ():
            if pattern and copy.handmade and (found := pattern.search(copy.text)):
                return copy.place(copy.text.count("\n", 0, found.start()) + 1)
        return None

    def key(self, name: str) -> Place:
        """The place of a key of the issue's definition."""
        return self._resolved.document.place([name]) if self._resolved else Place(f"{name}.txt")

    @cached_property
    def copies(self) -> list[Copy]:
        """Every piece of copy the issue uses, each once."""
        if self._resolved is None:
            return []
        found = {(copy.file, copy.line, copy.text): copy for copy in _copies(self._resolved)}
        return list(found.values())


def _pattern(snippet: str) -> re.Pattern[str] | None:
    words = snippet.split()
    return re.compile(r"\s+".join(map(_loosely, words))) if words else None


def _loosely(word: str) -> str:
    return "".join(_QUOTES.get(char) or re.escape(char) for char in word)


def _copies(resolved: ResolvedIssue) -> Iterator[Copy]:
    numbers = {id(block): number for number, block in enumerate(resolved.definition.blocks)}
    for block in resolved.blocks:
        index = numbers[id(block.block)]  # not its place among those that are left
        full = block.block.type in {"lead", "story", "q-and-a"} or getattr(block.block, "show", "") == "full"
        for story in block.stories if block.block.type != "follow-up" else ():
            title, written = story.front.place(["title"]), resolved.written.get(story.id)
            yield Copy(story.meta.title, title.file, title.line or 1, written=written)
            yield Copy(story.body, story.path, story.body_line, whole=full, written=written)
            if story.meta.dek:
                dek = story.front.place(["dek"])
                yield Copy(story.meta.dek, dek.file, dek.line or 1, whole=False, written=written)
        for path, text in copy_in(block.block):
            joined = block.block.type in _ONE_PARAGRAPH and path[-1] == "body"
            yield replace(_in_block(resolved, ("blocks", index, *path), text), one_paragraph=joined)
        if isinstance(block.block, HtmlBlock):
            by_hand = _in_block(resolved, ("blocks", index, "html"), block.block.html)
            yield replace(by_hand, text=spoken(by_hand.text), handmade=True)
        if block.readers_said is not None and block.readers_said.answer:
            place = resolved.document.place(["blocks", index, "answer"])
            yield Copy(block.readers_said.answer, place.file, place.line or 1)
        if block.follow_up is not None and block.follow_up.answer:
            sources = Sources(resolved)
            answer = block.follow_up.answer
            place = sources.find(answer.split("\n")[0]) or block.place
            yield Copy(answer, place.file, place.line or 1)


def _in_block(resolved: ResolvedIssue, path: Sequence[str | int], text: str) -> Copy:
    """What stands at a key of a block, with the lines it has there."""
    place = resolved.document.place(path)
    first = place.line or 1
    lines = tuple(_toml_lines(_lines_of(resolved, place), first, text.count("\n") + 1))
    return Copy(text, place.file, first, lines=lines)


def copy_in(block: Block) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The Markdown an editor wrote into a block, each piece with the path of its key within the block."""
    return _written(block.model_dump(by_alias=True, exclude={"notes"}), ())


def _lines_of(resolved: ResolvedIssue, place: Place) -> list[str]:
    """The lines of the file a block was written in: the definition, or a shared one."""
    source = resolved.sources.get(place.file)
    return (resolved.document.text if source is None else decode(source, place.file)).split("\n")


def _toml_lines(source: list[str], line: int, count: int) -> Iterator[int]:
    """Where the lines of a value in triple quotes stand: the first may follow the quotes, and `\\` joins two."""
    opening = _TRIPLE.match(source[line - 1])
    if opening is None:
        return
    if not opening["rest"].strip(" \t\\"):
        line += 1
    while line < len(source) and not source[line - 1].strip():
        line += 1  # blank lines at the start are no part of the value
    for _ in range(count):
        yield line
        while opening["quotes"] == '"""' and _CONTINUED.search(source[min(line, len(source)) - 1]):
            line += 1
        line += 1


_TRIPLE = re.compile(r"[^=]*=\s*(?P<quotes>\"\"\"|''')(?P<rest>.*)$")
_CONTINUED = re.compile(r"(?<!\\)(?:\\\\)*\\[ \t]*$")
_ONE_PARAGRAPH = {"watching", "briefs", "numbers"}
_COPY_KEYS = {"body", "text", "lead", "answer", "question", "caption", "headline", "disclosure", "value", "title"}
_COPY_KEYS |= {"was", "is", "when", "what", "as_of", "note"}
_CELLS = {"columns", "rows"}
_NOT_COPY = {"follow-up": {"question", "answer"}}


def _written(fields: dict[str, object], path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The Markdown of a block, and the path of its key."""
    skipped = _NOT_COPY.get(str(fields.get("type")), set())
    for key, value in fields.items():
        if isinstance(value, str) and value and key in _COPY_KEYS and key not in skipped:
            yield (*path, key), value
        elif isinstance(value, tuple | list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _written(item, (*path, key, index))
                elif key in _CELLS:
                    cells = [item] if isinstance(item, str) else item
                    yield from (((*path, key, index), cell) for cell in cells if cell)
        elif isinstance(value, dict):
            yield from _written(value, (*path, key))

"""Reads a story's file: front matter between `+++` lines (TOML) or `---` lines (YAML), then Markdown.

Line numbers are those of the file. The bytes are kept as they were read, since they are what a build's name covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from newsletter.documents import Document, decode, read_toml, read_yaml, validate
from newsletter.documents.reading import UNFIT
from newsletter.editorial.story import Story, StoryMeta
from newsletter.errors import InputError, Place, Problem, shown_path

LARGEST_FILE = 1024 * 1024
FENCES = ("+++", "---")


def read_bytes(path: Path, name: str) -> bytes:
    """The bytes of a file people wrote. Raises InputError when it is too large to be that, or cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError([Problem(Place(name), f"cannot be read: {error.strerror}.")]) from None
    if len(data) > LARGEST_FILE:
        raise InputError([Problem(Place(name), "is larger than 1 MB, too large to be copy.")])
    return data


def read_story(path: Path, root: Path) -> Story:
    """Read the story at `path` in the workspace `root`. Raises InputError with every problem of the file.

    The caller has made sure that `path` lies inside the workspace.
    """
    name = shown_path(path, root)
    return parse_story(read_bytes(path, name), path, name)


def parse_story(source: bytes, path: Path, name: str) -> Story:
    """The story in these bytes of the file at `path`, shown to people as `name`. Raises InputError."""
    parts = _split(decode(source, name), name)
    problems = _body_problems(parts, name)
    read = read_toml if parts.fence == "+++" else read_yaml
    try:
        front = read(parts.front, name, first_line=2)
        meta = validate(StoryMeta, front)
    except InputError as error:
        raise InputError([*error.problems, *problems]) from None
    problems = [*_repeated(front, meta), *problems]
    if problems:
        raise InputError(problems)
    return Story(
        id=f"{path.parent.name}/{path.stem}",
        issue=path.parent.name,
        meta=meta,
        body=parts.body,
        body_line=parts.body_line,
        path=name,
        source=source,
        front=front,
    )


@dataclass(frozen=True)
class _Parts:
    fence: str
    front: str
    body: str
    body_line: int


def _split(text: str, name: str) -> _Parts:
    lines = text.split("\n")
    fence = lines[0].rstrip()
    if fence not in FENCES:
        raise _no_front_matter(lines, name)
    closing = next((index for index, line in enumerate(lines[1:], 1) if line.rstrip() == fence), None)
    if closing is None:
        raise _unclosed(lines, fence, name)
    first = next((index for index in range(closing + 1, len(lines)) if lines[index].strip()), closing + 1)
    front = "".join(line + "\n" for line in lines[1:closing])
    return _Parts(fence, front, "\n".join(lines[first:]).rstrip() + "\n", first + 1)


def _no_front_matter(lines: Sequence[str], name: str) -> InputError:
    later = next((index for index, line in enumerate(lines, 1) if line.strip()), None)
    if later is None:
        return InputError([Problem(Place(name, 1), "the file is empty.", _HOW)])
    if lines[later - 1].strip() in FENCES:
        fence = lines[later - 1].strip()
        return InputError([Problem(Place(name, later), f"`{fence}` must be the very first thing in the file.")])
    return InputError([Problem(Place(name, 1), "there is no front matter.", _HOW)])


_HOW = 'Begin the file with a line `+++`, then `title = "…"`, then another line `+++`.'


def _unclosed(lines: Sequence[str], fence: str, name: str) -> InputError:
    message = f"the front matter opened here with `{fence}` is never closed."
    other = FENCES[fence == FENCES[0]]
    wrong = next((index for index, line in enumerate(lines[1:], 2) if line.rstrip() == other), None)
    remedy = f"Line {wrong} has `{other}` instead." if wrong else f"Put a line `{fence}` between it and the text."
    return InputError([Problem(Place(name, 1), message, remedy)])


def _body_problems(parts: _Parts, name: str) -> list[Problem]:
    if not parts.body.strip():
        return [Problem(Place(name, parts.body_line), "the story has no text after its front matter.")]
    return [
        Problem(Place(name, number), "there is a control character in the text.", "Delete it.")
        for number, line in enumerate(parts.body.split("\n"), parts.body_line)
        if UNFIT.search(line)
    ]


def _repeated(front: Document, meta: StoryMeta) -> list[Problem]:
    """A story asks a question once, and answers it once."""
    asked = [asks.id for asks in meta.asks]
    answered = [answers.question for answers in meta.answers]
    return [
        Problem(front.place([table, index, key]), f'the story {verb} "{question}" twice.', "Keep one of them.")
        for table, key, verb, questions in (("asks", "id", "asks", asked), ("answers", "question", "answers", answered))
        for index, question in enumerate(questions)
        if question in questions[:index]
    ]

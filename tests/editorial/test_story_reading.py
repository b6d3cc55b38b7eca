"""Reading a story's file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.editorial import reading
from newsletter.editorial.reading import read_story
from newsletter.editorial.story import Story
from newsletter.errors import InputError

TOML = """\
+++
title = "Walls at home"
date = 2024-10-10
tags = ["korea", "ukraine"]
follows = ["2024-10-09/really"]

[image]
src = "wall.jpg"
alt = "A wall"

[[answers]]
question = "nk-troops"
answer = "Apparently yes."
+++

The answer appears to be yes.

A second paragraph.
"""

YAML = """\
---
title: Walls at home
date: 2024-10-10
tags: [korea, ukraine]
follows:
  - 2024-10-09/really
image:
  src: wall.jpg
  alt: A wall
answers:
  - question: nk-troops
    answer: Apparently yes.
---

The answer appears to be yes.

A second paragraph.
"""


def story(tmp_path: Path, source: str | bytes) -> Story:
    path = tmp_path / "issues" / "2024-10-10" / "walls.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return read_story(path, tmp_path)


def test_a_story_knows_its_name_its_place_and_its_text(tmp_path: Path) -> None:
    read = story(tmp_path, TOML)

    assert (read.id, read.issue, read.path) == ("2024-10-10/walls", "2024-10-10", "issues/2024-10-10/walls.md")
    assert read.meta.date == date(2024, 10, 10)
    assert read.body == "The answer appears to be yes.\n\nA second paragraph.\n"
    assert TOML.split("\n")[read.body_line - 1] == "The answer appears to be yes."


def test_yaml_front_matter_reads_to_the_same_story(tmp_path: Path) -> None:
    toml, yaml = story(tmp_path, TOML), story(tmp_path, YAML)

    assert toml.meta == yaml.meta
    assert toml.body == yaml.body


def test_lines_of_the_front_matter_are_lines_of_the_file(tmp_path: Path) -> None:
    for source in (TOML, YAML):
        line = story(tmp_path, source).front.place(["image", "src"]).line

        assert "wall.jpg" in source.split("\n")[(line or 0) - 1]


def test_line_ends_and_a_byte_order_mark_change_the_source_but_not_the_story(tmp_path: Path) -> None:
    windows = b"\xef\xbb\xbf" + TOML.replace("\n", "\r\n").encode()

    read, plain = story(tmp_path, windows), story(tmp_path, TOML)

    assert (read.meta, read.body, read.body_line) == (plain.meta, plain.body, plain.body_line)
    assert read.source == windows
    assert plain.source == TOML.encode()


def test_spaces_behind_a_fence_do_not_matter(tmp_path: Path) -> None:
    assert story(tmp_path, '+++  \ntitle = "x"\n+++\t\nText.').body == "Text.\n"


def test_a_rule_in_the_text_does_not_end_the_front_matter_again(tmp_path: Path) -> None:
    assert story(tmp_path, "---\ntitle: x\n---\nOne.\n\n---\n\nTwo.\n").body == "One.\n\n---\n\nTwo.\n"


def test_a_file_too_large_to_be_copy_is_refused_without_reading_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_FILE", 100)

    with pytest.raises(InputError, match="is larger than 1 MB, too large to be copy"):
        story(tmp_path, TOML)


@given(st.text("+-\n\r\t abc=:[]\"'#", max_size=40) | st.binary(max_size=40))
def test_whatever_a_file_holds_it_is_a_story_or_a_message(
    tmp_path_factory: pytest.TempPathFactory, source: str | bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    framed = source if isinstance(source, bytes) else f'+++\ntitle = "x"\n{source}\n+++\n{source}'
    try:
        story(folder, framed)
    except InputError as error:
        lines = [problem.place.line or 0 for problem in error.problems]
        raw = framed if isinstance(framed, bytes) else framed.encode()
        last = max(raw.count(b"\n"), raw.count(b"\r")) + raw.count(b"\r") + 2
        bad = [line for line in lines if not 1 <= line <= last]
    else:
        bad = []
    assert bad == []

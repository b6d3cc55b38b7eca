"""Variants: one body for each combination of segments, all of them frozen and hashed together."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from issue_by_hand import HEAD, STORY, make_issue, workspace_of

from newsletter.app import App
from newsletter.config import open_workspace
from newsletter.editorial.resolve import resolve
from newsletter.errors import BuildError, InputError
from newsletter.rendering.build import Build
from newsletter.rendering.freeze import freeze, load_build
from newsletter.rendering.render import build_issue
from newsletter.rendering.variants import LONGEST_NAME, variant_name

NOW = datetime(2024, 10, 10, 10, 30, tzinfo=UTC)
LEAD = '[[blocks]]\ntype = "lead"\nstory = "walls"\n'


def block(segment: str | None, words: str) -> str:
    audience = f'audience = "{segment}"\n' if segment else ""
    return f'[[blocks]]\ntype = "cta"\ntext = "{words}"\nurl = "https://example.org/{words}"\n{audience}'


def segments(root: Path, *names: str, lang: str = "de") -> None:
    (root / "segments").mkdir(exist_ok=True)
    for name in names:
        text = f'title = "{name}"\n[where]\nlang = "{lang}"\n'
        (root / "segments" / f"{name}.toml").write_text(text, encoding="utf-8")


def built(root: Path, blocks: str) -> Build:
    return build_issue(workspace_of(root), make_issue(root, blocks, {"walls": STORY}))


def test_each_combination_of_segments_has_a_body_with_its_blocks(workspace: Path) -> None:
    segments(workspace, "a", "b")
    build = built(workspace, LEAD + block("a", "quince") + block(None, "all") + block("b", "pear"))
    assert build.variants == {"default": (), "a": ("a",), "b": ("b",), "a+b": ("a", "b")}
    for variant, its in build.variants.items():
        seen = build.seen_by(variant)
        for part in (seen.html, seen.text):
            assert "all" in part
            assert [word in part for word in ("quince", "pear")] == ["a" in its, "b" in its]
        assert (seen.subject, seen.preheader) == (build.subject, build.preheader)
    assert build.html == build.seen_by("default").html


def test_a_variant_has_the_same_four_files_as_the_build_itself(workspace: Path) -> None:
    segments(workspace, "a")
    build = built(workspace, LEAD + block("a", "quince"))
    names = {"subject.txt", "preheader.txt", "body.html", "body.txt"}
    assert {path for path in build.files if path != "manifest.json"} == names | {f"variants/a/{name}" for name in names}


def test_the_manifest_hashes_every_variant_and_keeps_the_segments_in_full(workspace: Path) -> None:
    segments(workspace, "a")
    build = built(workspace, LEAD + block("a", "quince"))
    source = (workspace / "segments" / "a.toml").read_bytes()
    assert build.manifest["segments"] == {"a": source.decode()}
    assert build.manifest["sources"]["segments/a.toml"] == hashlib.sha256(source).hexdigest()
    digest = hashlib.sha256(build.files["variants/a/body.html"]).hexdigest()
    assert build.manifest["variants"]["a"]["body.html"] == digest


def test_another_definition_of_a_segment_is_another_build(workspace: Path) -> None:
    segments(workspace, "a")
    first = built(workspace, LEAD + block("a", "quince"))
    segments(workspace, "a", lang="fr")
    assert built(workspace, LEAD + block("a", "quince")).hash != first.hash


def test_a_build_without_segments_says_nothing_of_them(workspace: Path) -> None:
    segments(workspace, "a")
    build = built(workspace, LEAD + block(None, "quince"))
    assert build.variants == {"default": ()}
    assert not {"segments", "combinations"} & set(build.manifest)
    assert set(build.manifest["variants"]) == {"default"}


def test_the_links_of_a_text_part_are_numbered_within_its_variant(workspace: Path) -> None:
    segments(workspace, "a")
    story = '[[blocks]]\ntype = "intro"\nbody = "See [one](https://example.org/1)."\naudience = "a"\n'
    build = built(workspace, story + LEAD)
    assert "[1] https://example.org/second" in build.text
    assert "[2] https://example.org/second" in build.seen_by("a").text


def test_three_segments_are_the_most_and_the_message_names_them_all(workspace: Path) -> None:
    segments(workspace, "a", "b", "c", "d")
    three = LEAD + block("a", "w") + block("b", "x") + block("c", "y")
    assert len(built(workspace, three).variants) == 8
    with pytest.raises(InputError) as caught:
        built(workspace, three + block("d", "z"))
    (problem,) = caught.value.problems
    assert "4 segments (a, b, c, d)" in problem.message
    assert "16 variants" in problem.message
    line = (workspace / "issues" / "2024-10-10" / "issue.toml").read_text().splitlines()[(problem.place.line or 0) - 1]
    assert line == 'audience = "d"'


def test_readers_in_no_segment_get_an_issue_too(workspace: Path) -> None:
    segments(workspace, "a")
    with pytest.raises(InputError, match="neither a `lead` nor an `intro`"):
        built(workspace, LEAD + 'audience = "a"\n' + block(None, "quince"))


def test_names_of_variants_fit_the_ledger_and_are_always_the_same() -> None:
    assert variant_name(()) == "default"
    assert variant_name(("a", "b")) == "a+b"
    long = (f"{'a' * 30}", f"{'b' * 30}")
    other = (f"{'a' * 30}", f"{'b' * 29}c")
    assert variant_name(long) == variant_name(long) != variant_name(other)
    assert max(len(variant_name(names)) for names in (long, other)) == LONGEST_NAME


def test_a_build_with_variants_freezes_and_is_read_back_whole(app: App) -> None:
    root = app.workspace.root
    segments(root, "a")
    build = built(root, LEAD + block("a", "quince"))
    folder = freeze(app.store, app.workspace, build, now=NOW)
    assert (folder / "variants" / "a" / "body.html").read_bytes() == build.files["variants/a/body.html"]
    assert dict(load_build(app.store, build.hash).files) == dict(build.files)


def test_a_variant_that_was_changed_is_not_frozen(app: App) -> None:
    segments(app.workspace.root, "a")
    build = built(app.workspace.root, LEAD + block("a", "quince"))
    with pytest.raises(BuildError, match=r"variants/a/body\.txt"):
        freeze(app.store, app.workspace, Build({**build.files, "variants/a/body.txt": b"other"}), now=NOW)


def test_a_block_for_a_segment_there_is_not_names_the_nearest(app: App) -> None:
    root = app.workspace.root
    segments(root, "supporters")
    folder = root / "issues" / "2024-10-10"
    folder.mkdir()
    (folder / "walls.md").write_text(STORY, encoding="utf-8")
    (folder / "issue.toml").write_text(HEAD + LEAD + block("suporters", "x"), encoding="utf-8")
    with pytest.raises(InputError, match=r'there is no segment "suporters".*Did you mean `supporters`'):
        resolve(open_workspace(root), app.store, "2024-10-10")


def test_a_broken_segment_stops_a_build_with_its_own_line(workspace: Path) -> None:
    segments(workspace, "a")
    (workspace / "segments" / "a.toml").write_text('title = "A"\n[where]\nlangs = "de"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"segments/a\.toml:3: unknown key `langs`"):
        built(workspace, LEAD + block("a", "quince"))

"""The default theme keeps what mail clients need: little CSS, dark twins, ghost tables, sizes in the markup."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from issue_by_hand import STORY, build
from lxml import html as lxml_html
from test_blocks import BLOCKS, block

from newsletter.config import shipped
from newsletter.errors import BuildError
from newsletter.rendering.theme import Theme, caps, load_theme

LEAD = '[[blocks]]\ntype = "lead"\nstory = "walls"\n'
STORIES = {"walls": STORY}


@pytest.fixture
def page(workspace: Path) -> str:
    return build(workspace, LEAD, STORIES).html


@pytest.fixture
def every_block(workspace: Path) -> str:
    return build(workspace, "".join(block(kind) for kind in BLOCKS if kind not in {"video", "image"}), STORIES).html


def kept_styles(page: str) -> str:
    return "".join(re.findall(r"<style[^>]*>(.*?)</style>", page, re.DOTALL))


def test_the_head_says_what_clients_and_screen_readers_ask_for(page: str) -> None:
    tree = lxml_html.document_fromstring(page)
    names = {str(name): str(tree.xpath(f'//meta[@name="{name}"]/@content')) for name in tree.xpath("//meta/@name")}
    assert page.startswith("<!DOCTYPE html>")
    assert (tree.get("lang"), tree.get("dir")) == ("en", "ltr")
    assert tree.xpath("string(//title)") == "The subject"
    assert "light dark" in names["color-scheme"]
    assert "The preheader" in names["description"]
    assert {"viewport", "supported-color-schemes", "x-apple-disable-message-reformatting", "format-detection"} <= set(
        names
    )
    assert 'charset="utf-8"' in page.lower()


def test_the_preheader_is_first_hidden_and_padded_with_invisible_room(page: str) -> None:
    first = lxml_html.document_fromstring(page).xpath("//body/*")[0]
    assert "display:none" in first.get("style").replace(" ", "")
    assert first.text.startswith("The preheader")
    assert len(first.text) - len("The preheader") >= 100


def test_an_issue_without_subject_or_preheader_can_still_be_looked_at(workspace: Path) -> None:
    built = build(workspace, LEAD, STORIES, head='newsletter = "daily"\ndate = 2024-10-10\n')
    assert built.subject == ""
    assert built.preheader == ""


def test_styles_that_stay_in_the_head_are_small_and_ask_for_nothing_from_outside(page: str) -> None:
    styles = kept_styles(page)
    assert len(styles.encode()) < 8_000
    assert "@import" not in page
    assert "url(" not in page
    assert not lxml_html.document_fromstring(page).xpath("//link | //body//style | //script")


def test_dark_mode_reaches_every_role_by_media_query_and_by_outlooks_own_hooks(every_block: str) -> None:
    page = every_block
    styles = kept_styles(page)
    dark = styles[styles.index("prefers-color-scheme: dark") :]
    for role in ("desk", "paper", "ink", "soft", "accent", "link", "rule", "bar", "press"):
        assert re.search(rf"\.{role}\b[^}}]*!important", dark), role
        assert re.search(rf"\[data-ogs[cb]\] \.{role}\b", styles), role
    used = set(" ".join(lxml_html.document_fromstring(page).xpath("//@class")).split())
    assert {"desk", "paper", "ink", "soft", "accent", "link", "rule", "bar", "press"} <= used


def test_every_rule_in_a_media_query_overrides_what_is_inlined(page: str) -> None:
    for media in re.findall(r"@media[^{]*\{(.*?\})\s*\}", kept_styles(page), re.DOTALL):
        for declaration in re.findall(r"[a-z-]+\s*:\s*[^;{}]+(?=[;}])", media):
            assert "!important" in declaration


def test_colours_are_never_pure_black_or_white_and_lengths_are_in_pixels(page: str) -> None:
    inline = " ".join(re.findall(r'style="([^"]*)"', page))
    assert not re.search(r"#(000|fff)(000|fff)?\b", page, re.IGNORECASE)
    assert not re.search(r"\d(rem|em|vw|vh)\b|var\(|calc\(|!important", inline)


def test_layout_tables_are_presentational_and_outlook_gets_its_ghosts(every_block: str) -> None:
    page = every_block
    tables = lxml_html.document_fromstring(page).xpath("//table")
    for table in tables:
        assert (table.get("role") == "presentation") != bool(table.xpath("./thead/tr/th[@scope='col']"))
        assert (table.get("cellpadding"), table.get("cellspacing"), table.get("border")) == ("0", "0", "0")
    assert page.count("<!--[if mso]>") == page.count("<![endif]-->") >= 3
    assert '<table role="presentation" align="center" width="600"' in page


def test_the_footer_says_why_how_to_leave_and_who_sends(workspace: Path) -> None:
    built = build(workspace, LEAD, STORIES)
    for part in (built.html, built.text):
        assert "You get this because you signed up for The Meridian." in part
        assert "{{unsubscribe_url}}" in part
        assert "The Meridian, 1 Example Street, Springfield" in part


def test_right_to_left_languages_turn_the_page(workspace: Path) -> None:
    head = 'newsletter = "daily"\ndate = 2024-10-10\nsubject = "S"\nlang = "ar"\n'
    built = build(workspace, LEAD, STORIES, head=head)
    assert 'dir="rtl"' in built.html
    assert "2024-10-10" in built.text


def test_a_themes_mistake_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(shipped("templates") / "default", folder)
    (folder / "blocks" / "lead.txt.j2").write_text("fine\n{% if %}\n")
    with pytest.raises(BuildError, match=r"theme mine, blocks/lead\.txt\.j2:2"):
        _render_lead(load_theme(folder))
    (folder / "blocks" / "lead.txt.j2").write_text("{{ block.headlin }}")
    with pytest.raises(BuildError, match=r"theme mine, blocks/lead\.txt\.j2: .*headlin"):
        _render_lead(load_theme(folder))


def test_a_theme_cannot_reach_out_of_its_sandbox(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(shipped("templates") / "default", folder)
    (folder / "blocks" / "lead.txt.j2").write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(BuildError):
        _render_lead(load_theme(folder))


def test_a_theme_file_that_is_a_link_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(shipped("templates") / "default", folder)
    (tmp_path / "outside.css").write_text(".a{}")
    (folder / "style.css").unlink()
    (folder / "style.css").symlink_to(tmp_path / "outside.css")
    with pytest.raises(BuildError, match="symbolic link"):
        load_theme(folder)


@pytest.mark.parametrize(("written", "shown"), [
    ("the wall", "THE WALL"), ("dear {{first_name|kind reader}}!", "DEAR {{first_name|kind reader}}!"),
])  # fmt: skip
def test_capitals_leave_merge_fields_alone(written: str, shown: str) -> None:
    assert caps(written) == shown


def _render_lead(theme: Theme) -> None:
    from newsletter.editorial.definition import StoryBlock
    from newsletter.rendering.blocks import BlockView

    theme.sections([BlockView(StoryBlock(type="lead", story="walls"))], "en")

"""Each block type in HTML and in text: its face, its words, its links, and its silence towards hostile copy."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from issue_by_hand import ASKED, HEAD, ISSUE, STORY, build, make_issue
from lxml import html as lxml_html
from PIL import Image

from newsletter.errors import InputError
from newsletter.rendering.build import Build
from newsletter.rendering.theme import href

BLOCKS = {
    "intro": 'body = "Good morning. [Write to us](mailto:editors@example.org)."',
    "lead": 'story = "walls"\nlabel = "The answer"\ncta = { text = "Read all of it", url = "https://example.org/all" }',
    "story": 'story = "walls"\nimage = "left"',
    "stories": 'title = "More"\nstories = ["walls"]\nshow = "full"',
    "watching": 'items = [{ lead = "The vote.", body = "It is *close*.", url = "https://example.org/vote" }]',
    "briefs": 'title = "In brief"\nitems = [{ body = "A nib.", url = "https://example.org/nib", source = "A paper" }]',
    "numbers": 'items = [{ value = "123 million", body = "people voted.", url = "https://example.org/n" }]',
    "quote": 'text = "We shall see."\nspeaker = "A minister"\nrole = "in parliament"\nurl = "https://example.org/q"',
    "q-and-a": 'who = "An expert"\nrole = "of walls"\nitems = [{ question = "Why?", answer = "Because." }]',
    "follow-up": 'question = "nk-troops"',
    "previously": 'story = "walls"\ntitle = "What came before"',
    "video": 'title = "A talk"\nurl = "https://example.org/v"\nimage = "wall.jpg"\nduration = "9 min"',
    "image": 'src = "wall.jpg"\nalt = "A wall"\ncaption = "The wall"\ncredit = "Drawing: us"',
    "related": 'items = [{ headline = "Another", url = "https://example.org/r", source = "A paper" }]',
    "sponsor": 'label = "Presented by"\nname = "Harbour"\nbody = "Come."\ndisclosure = "Paid."\nurl = "https://example.com"',
    "poll": 'id = "wall"\nquestion = "Will it *last*?"\noptions = ["It will", "It will not", "Not for long"]',
    "correction": 'issue = "2024-10-09"\nwas = "The wall is *long*."\nis = "The wall is [short](https://example.org/w)."',
    "table": 'caption = "The week in [figures](https://example.org/f)"\ncolumns = ["City", "Rain", "Wind"]\n'
    'rows = [["Oslo", "12 mm", 4], ["A *long* way", "–", 17.5]]\nas_of = "Wednesday, 18:00"\nnote = "Our own gauge."',
    "calendar": 'title = "To come"\nitems = [{ when = "On June 1", what = "A *vote*.", url = "https://example.net" }]',
    "mail": 'title = "You wrote"\nitems = [{ body = "Dear editors, [look](https://example.org/m).", name = "Ada B.", '
    'place = "New Delhi" }, { body = "And another." }]',
    "html": "html = \"<h2>By hand</h2><p>Some <b>bold</b> words, <a href='https://example.org/h'>a link</a>.</p>\"",
    "include": 'file = "house.toml"',
    "cta": 'text = "Join us"\nurl = "https://example.org/join"',
    "divider": 'title = "Part two"',
}
STORIES = {"walls": STORY.replace("+++\n\nIts", '\n[image]\nsrc = "wall.jpg"\nalt = "A wall"\n+++\n\nIts')}


@pytest.fixture
def newsroom(workspace: Path) -> Path:
    folder = workspace / "issues" / ISSUE
    folder.mkdir()
    picture = io.BytesIO()
    Image.new("RGB", (1200, 600), "#8c1d18").save(picture, "JPEG")
    (folder / "wall.jpg").write_bytes(picture.getvalue())
    return workspace


def block(kind: str, fields: str | None = None) -> str:
    return f'[[blocks]]\ntype = "{kind}"\n{BLOCKS[kind] if fields is None else fields}\n'


def visible(page: str) -> str:
    tree = lxml_html.document_fromstring(page)
    for hidden in tree.xpath('//head | //style | //comment() | //*[contains(concat(" ", @class, " "), " hidden ")]'):
        hidden.drop_tree()
    return " ".join(" ".join(tree.itertext()).split())


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def links(page: str) -> set[str]:
    return {str(href) for href in lxml_html.document_fromstring(page).xpath("//a/@href")}


def assert_text_says_all(built: Build) -> None:
    assert words(visible(built.html)) <= words(built.text)
    told = built.text.replace("\n", " ")
    assert {link for link in links(built.html) if link.removeprefix("mailto:") not in told} == set()


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_visible_word_and_link_of_a_block_is_in_the_text_part(newsroom: Path, kind: str) -> None:
    built = build(newsroom, block(kind), STORIES)
    assert_text_says_all(built)
    written = [value for value in re.findall(r'"([^"<]+)"', BLOCKS[kind]) if " " in value]
    assert words(" ".join(written).replace("mailto:", "")) <= words(built.text)


def test_all_blocks_together_make_one_issue_with_one_h1_and_no_skipped_heading(newsroom: Path) -> None:
    built = build(newsroom, "".join(block(kind) for kind in BLOCKS), STORIES)
    levels = [int(tag.tag[1]) for tag in lxml_html.document_fromstring(built.html).xpath("//h1|//h2|//h3|//h4")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert_text_says_all(built)


def test_headings_inside_a_story_start_below_its_headline(newsroom: Path) -> None:
    story = '+++\ntitle = "T"\n+++\n\n# Shallow\n\nText.\n\n#### Deep\n\nText.\n'
    page = build(newsroom, block("lead", 'story = "s"'), {"s": story}).html
    found = [tag.tag for tag in lxml_html.document_fromstring(page).xpath("//h1|//h2|//h3|//h4|//h5")]
    assert found == ["h1", "h2", "h3", "h4"]


def test_a_follow_up_says_what_was_asked_when_and_what_the_answer_is(newsroom: Path) -> None:
    built = build(newsroom, block("follow-up"))
    assert "Yesterday we asked: Are they really there?" in built.text
    assert "Today: Apparently yes." in built.text
    assert "(Answered)" in built.text
    assert "https://news.example.org/archive/daily/2024-10-09" in links(built.html)
    assert "October 9" in visible(built.html)


def test_a_follow_up_never_asked_or_not_answered_says_so_neutrally(newsroom: Path) -> None:
    asked = replace(ASKED, lead_in="The question", answer_label="", answer="", status="still-open", asked_on=None)
    built = build(newsroom, block("follow-up"), asked=asked)
    assert "The question: Are they really there?" in built.text
    assert "So far: No answer yet." in built.text
    assert "Still open" in visible(built.html)
    assert not any("archive/daily/2024-10-09" in link for link in links(built.html))


def test_a_question_asked_last_year_names_the_year(newsroom: Path) -> None:
    built = build(newsroom, block("follow-up"), asked=replace(ASKED, asked_on=date(2023, 12, 30)))
    assert "From the issue of December 30, 2023" in visible(built.html)


def test_a_poll_has_a_button_an_option_and_each_leads_to_its_number_by_the_readers_own_link(newsroom: Path) -> None:
    built = build(newsroom, block("poll"))
    assert {link for link in links(built.html) if "vote_url" in link} == {
        "{{vote_url}}/wall/1",
        "{{vote_url}}/wall/2",
        "{{vote_url}}/wall/3",
    }
    assert "1) It will: {{vote_url}}/wall/1\n2) It will not: {{vote_url}}/wall/2" in built.text
    for part in (visible(built.html), built.text.replace("\n", " ")):
        assert "You can vote, and change your mind, until 18:00 New York time on October 17." in part


def test_a_correction_says_what_was_written_where_and_what_is_right(newsroom: Path) -> None:
    built = build(newsroom, block("correction"))
    assert "In the issue of October 9 [1] we wrote:\n\nThe wall is long.\n\nIt is:\n\nThe wall is short" in built.text
    assert "https://news.example.org/archive/daily/2024-10-09" in links(built.html)


@pytest.mark.parametrize("kind", ["follow-up", "correction"])
def test_where_nothing_is_read_online_no_mail_promises_it(newsroom: Path, kind: str) -> None:
    config = newsroom / "config.toml"
    config.write_text(config.read_text() + 'archive = "off"\n')
    built = build(newsroom, block(kind))
    for part in (built.html, built.text):
        assert "/archive/" not in part
        assert "online" not in part
        assert "issue of October 9" in part or kind == "follow-up"


def test_numbers_read_as_figure_dash_sentence_in_text(newsroom: Path) -> None:
    assert "123 million - people voted." in build(newsroom, block("numbers")).text


def test_a_sponsor_is_labelled_before_anything_else_in_both_parts(newsroom: Path) -> None:
    built = build(newsroom, block("sponsor"))
    assert "PRESENTED BY HARBOUR" in built.text
    assert visible(built.html).index("Presented by Harbour") < visible(built.html).index("Come.")


def test_a_picture_is_shown_in_text_by_its_alt_and_credit(newsroom: Path) -> None:
    assert "[Photo: A wall. The wall. Drawing: us.]" in build(newsroom, block("image")).text


def test_stories_in_brief_show_the_dek_or_else_the_first_paragraph(newsroom: Path) -> None:
    bare = '+++\ntitle = "B"\n+++\n\n## Not this\n\nThe first words.\n\nNot these.\n'
    deks = '+++\ntitle = "D"\ndek = "The dek."\n+++\n\nNot this either.\n'
    text = build(newsroom, block("stories", 'stories = ["b", "d"]\nshow = "brief"'), {"b": bare, "d": deks}).text
    assert "The first words." in text
    assert "The dek." in text
    assert "Not th" not in text


def test_stories_to_watch_are_told_by_title_and_summary(newsroom: Path) -> None:
    text = build(newsroom, block("watching", 'stories = ["walls"]'), STORIES).text
    assert "A wall at home Its first paragraph." in text


def test_notes_are_never_rendered(newsroom: Path) -> None:
    built = build(newsroom, block("intro", 'body = "Hello."\nnotes = "call the lawyer"'))
    assert "lawyer" not in built.html + built.text


HOSTILE = (
    '<script>alert(1)</script> {{7*7}} {% include "secrets.toml" %} {{ issue.__class__ }} '
    "[x](javascript:alert(1)) <img src=x onerror=alert(1)> </td></table> <!--[if mso]>"
)
_KEYS = "body|text|answer|question|title|label|speaker|who|role|lead|name|source|was|is|when|what|place|note|caption"
_COPY = re.compile(rf'((?:{_KEYS}|as_of) = )"[^"]*"')


@pytest.mark.parametrize(
    "kind",
    [
        *("intro", "numbers", "watching", "briefs", "quote", "q-and-a", "sponsor", "poll", "correction"),
        *("table", "calendar", "mail"),
    ],
)
def test_hostile_copy_is_only_words(newsroom: Path, kind: str) -> None:
    fields = _COPY.sub(lambda found: f"{found[1]}'{HOSTILE}'", BLOCKS[kind])
    built = build(newsroom, block(kind, fields))
    tree = lxml_html.document_fromstring(built.html)
    assert not tree.xpath("//script | //@onerror")
    assert not any(link.lower().startswith("javascript") for link in links(built.html))
    assert "{{7*7}}" in visible(built.html)
    assert "49" not in words(visible(built.html))
    assert built.html.count("<!--[if mso]>") == built.html.count("<![endif]-->")
    assert "<script>" in built.text or "<script>" in visible(built.html)


def test_a_hostile_headline_and_alt_text_stay_inside_their_element(newsroom: Path) -> None:
    story = f"+++\ntitle = '{HOSTILE}'\n[image]\nsrc = \"wall.jpg\"\nalt = '\" onload=\"alert(1)'\n+++\n\nText.\n"
    page = build(newsroom, block("lead", 'story = "h"'), {"h": story}).html
    assert not lxml_html.document_fromstring(page).xpath("//script | //@onload")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", " java\\tscript:alert(1)", "data:text/html,x", "../secrets.toml"]
)
def test_a_link_that_leads_to_no_page_never_becomes_one(newsroom: Path, url: str) -> None:
    with pytest.raises(InputError, match=r"issues/2024-10-10/issue\.toml:8"):
        make_issue(newsroom, block("cta", f'text = "Go"\nurl = "{url}"'))
    assert href(url) == ""


def test_only_a_merge_field_that_is_an_address_may_begin_a_link() -> None:
    assert href("{{unsubscribe_url}}") == "{{unsubscribe_url}}"
    assert href("{{first_name|javascript:alert(1)}}") == ""
    assert href("{{7*7}}") == ""


def test_merge_fields_come_through_every_part_unchanged(newsroom: Path) -> None:
    head = HEAD.replace("The subject", "For {{first_name|you}}").replace("The preheader", "{{first_name|you}}")
    body = block(
        "intro",
        'title = "Dear {{first_name|you}}"\nbody = "Hi {{first_name|dear reader}}, [leave]({{unsubscribe_url}})."',
    )
    built = build(newsroom, body, head=head)
    assert built.subject == "For {{first_name|you}}"
    assert built.preheader == "{{first_name|you}}"
    for part in (built.html, built.text):
        assert "{{first_name|dear reader}}" in part
        assert "ear {{first_name|you}}" in part or "EAR {{first_name|you}}" in part
        assert part.count("{{unsubscribe_url}}") == 2


def test_what_is_to_come_leads_on_by_its_own_words(newsroom: Path) -> None:
    items = """items = [
      { when = "Friday", what = "The vote", url = "https://example.org/vote" },
      { when = "Sunday", what = "The [ferry](https://example.org/ferry)", url = "https://example.org/harbour" },
    ]"""
    built = build(newsroom, block("calendar", items))
    linked = {link.get("href"): link.text_content() for link in lxml_html.document_fromstring(built.html).xpath("//a")}
    assert linked["https://example.org/vote"] == "The vote"
    assert linked["https://example.org/ferry"] == "ferry"
    assert linked["https://example.org/harbour"] == "example.org"
    assert "- Friday: The vote [" in built.text
    assert "example.org [" not in built.text


def test_a_dek_that_says_what_the_copy_begins_with_is_said_once(newsroom: Path) -> None:
    story = '+++\ntitle = "Rail"\ndek = "The wall cuts road and rail."\n+++\n\nThe wall cuts road\nand rail.\n\nOn.\n'
    for copy, times in ((story, 1), (story.replace("rail.\n\n", "rail twice.\n\n"), 2)):
        built = build(newsroom, block("lead", 'story = "rail"'), {"rail": copy})
        assert " ".join(built.text.split()).count("The wall cuts road and rail") == times
        assert visible(built.html).count("The wall cuts road and rail") == times


def test_a_table_in_copy_has_no_gaps_in_its_lines(newsroom: Path) -> None:
    page = build(newsroom, block("intro", 'body = "| a | b |\\n|---|---|\\n| 1 | 2 |"')).html
    [table] = lxml_html.document_fromstring(page).xpath("//table[.//th[text()='a']][not(.//table)]")
    assert (table.get("cellspacing"), table.get("border")) == ("0", "0")

"""Every rule looks at every variant, and says of which it speaks."""

from __future__ import annotations

from pathlib import Path

from newsletter.app import App
from newsletter.preflight.candidate import candidate
from newsletter.preflight.check import check
from newsletter.preflight.context import context_of
from newsletter.preflight.findings import Finding
from newsletter.rendering.build import Build

ISSUE = "2024-10-10"
HEAD = """\
newsletter = "daily"
date = 2024-10-10
subject = "Walls at home, troops abroad"
preheader = "Plus, the Commission's hearings and six stories worth your time."

[[blocks]]
type = "intro"
body = "Good morning."
"""
FOR_GERMANS = '\n[[blocks]]\ntype = "quote"\nspeaker = "Ann"\ntext = """{words}"""\naudience = "german"\n'


def findings(app: App, blocks: str) -> list[Finding]:
    write(app, blocks)
    return list(candidate(app.workspace, app.store, ISSUE, now=app.now()).findings)


def write(app: App, blocks: str) -> None:
    folder: Path = app.workspace.issues / ISSUE
    folder.mkdir(exist_ok=True)
    (folder / "issue.toml").write_text(HEAD + blocks, encoding="utf-8")
    app.workspace.segments.mkdir(exist_ok=True)
    for name in ("german", "friends"):
        text = f'title = "{name}"\n[where]\nlang = "de"\n'
        (app.workspace.segments / f"{name}.toml").write_text(text, encoding="utf-8")


def test_a_good_variant_adds_nothing(app: App) -> None:
    plain = findings(app, "")
    assert findings(app, FOR_GERMANS.format(words="Guten Morgen.")) == plain


def test_a_slip_in_a_block_for_a_segment_is_found_once_and_at_its_line(app: App) -> None:
    blocks = FOR_GERMANS.format(words="It is is late.") + '\n[[blocks]]\ntype = "cta"\ntext = "Friends"\n'
    found = findings(app, blocks + 'url = "https://www.bbc.com/x"\naudience = "friends"\n')
    (slip,) = [finding for finding in found if finding.rule == "COPY"]
    assert slip.message == "in variant german: “is is” stands twice."
    assert (slip.place.file, slip.place.line) == ("issues/2024-10-10/issue.toml", 13)


def test_a_variant_too_large_for_gmail_is_named_and_the_default_is_not(app: App) -> None:
    paragraph = " ".join(f"word{n}" for n in range(12_000))
    found = [f for f in findings(app, FOR_GERMANS.format(words=paragraph)) if f.rule == "SIZE-HTML"]
    (only,) = found
    assert only.place.file == "variants/german/body.html"
    assert only.message.startswith("in variant german: the HTML is ")


def test_a_variant_without_a_way_out_blocks_the_whole_issue(app: App) -> None:
    write(app, FOR_GERMANS.format(words="Guten Morgen."))
    made = candidate(app.workspace, app.store, ISSUE, now=app.now())
    path = "variants/german/body.html"
    spoilt = Build({**made.build.files, path: made.build.files[path].replace(b"{{unsubscribe_url}}", b"#")})
    context = context_of(app.workspace, made.resolved, now=app.now())
    (found,) = [finding for finding in check(spoilt, made.resolved, context) if finding.rule == "UNSUB"]
    assert found.message == "in variant german: the HTML has no visible link to unsubscribe."
    assert found.place.file == path

"""A theme: a folder of Jinja templates and one style sheet, read once, hashed as read, and run in a sandbox.

Each block type has twin templates, `blocks/lead.html.j2` and `blocks/lead.txt.j2`. Both see the same view and the same
two filters for copy: `copy` for paragraphs and `line` for a phrase. In HTML they sanitise and dress, in text they write
plain words and collect the links as footnotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import BytecodeCache, DictLoader, StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.bccache import Bucket
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from newsletter.editorial.definition import TableBlock
from newsletter.errors import BuildError
from newsletter.rendering import markdown, plaintext
from newsletter.rendering.blocks import BlockView
from newsletter.rendering.fragments import dress
from newsletter.rendering.handmade import as_markdown, kept
from newsletter.rendering.phrases import phrases, say
from newsletter.rendering.sanitise import safe_url
from newsletter.rendering.tabular import table_lines
from newsletter.rendering.typography import quotes_of, smarten
from newsletter.transports.fields import FIELDS, TOKEN

_SPACE = re.compile(r"[ \t\r\n]+")
_PROSE = re.compile(r"(?!- |\d+\. |> | {4})")
_QUOTED = re.compile(r"[\"“„«].*[\"”“»]", re.DOTALL)
# Invisible room behind the preheader, so that clients do not fill their preview line with the masthead.
_PADDING = Markup("&#847;&zwnj;&nbsp;") * 60


@dataclass(frozen=True)
class IssueView:
    """What the frame around the blocks needs: masthead and footer."""

    name: str
    tagline: str
    subject: str
    preheader: str
    lang: str
    direction: str
    date: str
    minutes: int
    archive_url: str  # "" where issues are not read online
    unsubscribe_url: str
    preferences_url: str
    why_receiving: str
    organisation: str
    postal_address: str
    privacy_url: str | None
    blocks: tuple[BlockView, ...]

    @property
    def start(self) -> str:
        return "right" if self.direction == "rtl" else "left"

    @property
    def end(self) -> str:
        return "left" if self.direction == "rtl" else "right"


@dataclass(frozen=True)
class Theme:
    """A theme as read: what is rendered is what was hashed."""

    name: str
    files: Mapping[str, bytes]

    def html(self, issue: IssueView) -> str:
        """The whole page, its style sheet in the head, not yet inlined."""
        style = Markup(re.sub(r"/\*.*?\*/\s*", "", self._sources["style.css"], flags=re.DOTALL).strip())  # noqa: S704
        page = self._run(_html(self._sources, issue.lang), "issue.html.j2", issue=issue, style=style, padding=_PADDING)
        return re.sub(r"\n\s*\n+", "\n", page).strip() + "\n"

    def sections(self, blocks: Sequence[BlockView], lang: str) -> list[str]:
        """Each block in plain text, the links of its section under it, numbered through the issue."""
        notes = plaintext.Footnotes()
        environment = _text(self._sources, lang, notes)
        sections: list[str] = []
        for view in blocks:
            page = self._run(environment, f"blocks/{view.type}.txt.j2", view=view, block=view.block)
            sections.append(_even(f"{page}\n\n{notes.render()}"))
            notes.first, notes.urls = notes.first + len(notes.urls), []
        return sections

    def text(self, issue: IssueView, sections: list[str]) -> str:
        """The whole text part around its blocks."""
        environment = _text(self._sources, issue.lang, plaintext.Footnotes())
        page = self._run(environment, "issue.txt.j2", issue=issue, sections=sections, rule="-" * plaintext.WIDTH)
        return _even(page) + "\n"

    @cached_property
    def _sources(self) -> dict[str, str]:
        return {name: data.decode("utf-8").replace("\r\n", "\n") for name, data in self.files.items()}

    def _run(self, environment: ImmutableSandboxedEnvironment, name: str, **context: object) -> str:
        try:
            return environment.get_template(name).render(**context)
        except TemplateSyntaxError as error:
            raise BuildError(f"theme {self.name}, {error.name}:{error.lineno}: {error.message}") from None
        except TemplateError as error:
            raise BuildError(f"theme {self.name}, {name}: {error}") from None


def load_theme(folder: Path) -> Theme:
    """Read a theme's templates and style sheet. Raises BuildError when a file is not UTF-8 or leads elsewhere."""
    files: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix not in {".j2", ".css"} or not path.is_file():
            continue
        if path.resolve() != folder.resolve() / name:
            raise BuildError(f"theme {folder.name}: {name} is a symbolic link. Copy the file itself into the theme.")
        files[name] = path.read_bytes()
        try:
            files[name].decode("utf-8")
        except UnicodeDecodeError:
            raise BuildError(f"theme {folder.name}: {name} is not UTF-8 text. Save it as UTF-8.") from None
    if "style.css" not in files:
        raise BuildError(f"theme {folder.name}: there is no style.css. Copy one from the default theme.")
    return Theme(folder.name, files)


class _Compiled(BytecodeCache):
    """Templates compiled in this process, by name, the last source of each: a preview renders again and again."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])  # of another source it is not used

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


def _environment(
    sources: Mapping[str, str], lang: str, filters: Mapping[str, Callable[..., str]]
) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=DictLoader(sources),
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        optimized=False,  # nothing is worked out in compiling: what is compiled serves every language and issue
        bytecode_cache=_COMPILED,
    )
    environment.filters.update(filters)
    environment.filters.update(host=host, href=href, unquoted=unquoted, plain=lambda text: smarten(text, lang))
    environment.filters["say"] = lambda pattern, **fields: say(pattern, lang=lang, **fields)
    environment.globals.update(words=phrases(lang), quotes=quotes_of(lang))
    return environment


def _html(sources: Mapping[str, str], lang: str) -> ImmutableSandboxedEnvironment:
    def copy(text: str, under: int) -> Markup:
        return dress(markdown.to_html(text, lang=lang), under=under)

    def line(text: str) -> Markup:
        return dress(markdown.to_inline_html(text, lang=lang))

    return _environment(sources, lang, {"copy": copy, "line": line, "handmade": handmade_html, "sponsored": sponsored})


def _text(sources: Mapping[str, str], lang: str, notes: plaintext.Footnotes) -> ImmutableSandboxedEnvironment:
    def copy(text: str, after: str = "") -> str:
        return _after(after, plaintext.to_text(text, notes, lang=lang))

    def line(text: str) -> str:
        return plaintext.to_inline_text(text, notes, lang=lang)

    def linked(text: str, url: str | None) -> str:
        return notes.mark(text, href(url)) if url else text

    def flow(text: str) -> str:
        return plaintext.wrap(_SPACE.sub(" ", text).strip())

    def bullet(text: str) -> str:
        return plaintext.wrap(_SPACE.sub(" ", text).strip(), indent="- ", hanging="  ")

    def tabular(block: TableBlock, numbers: Sequence[bool]) -> str:
        rows = [[line(cell) for cell in row] for row in (block.columns, *block.rows)]
        return table_lines(rows[0], rows[1:], numbers)

    filters: dict[str, Callable[..., str]] = {"copy": copy, "line": line, "linked": linked, "flow": flow}
    filters.update(tabular=tabular, handmade=lambda written: copy(as_markdown(written)))
    return _environment(
        sources, lang, {**filters, "bullet": bullet, "caps": caps, "sentence": sentence, "shown": plaintext.shown}
    )


def handmade_html(written: str, under: int = 2) -> Markup:
    """HTML an editor wrote, as far as mail can have it, dressed like copy."""
    return dress(kept(written), under=under)


def sponsored(markup: str) -> Markup:
    """Every link in it marked as paid for: the archive's pages are read by search engines too."""
    return Markup(str(markup).replace("<a ", '<a rel="sponsored" '))  # noqa: S704 - markup already


def href(url: str) -> str:
    """An address as a link target: whole, or the merge field it begins with; "" for what would not lead to a page."""
    token = TOKEN.match(url)
    if token is None:
        return safe_url(url) or ""
    field = FIELDS.get(token[1])
    return url if field is not None and field.kind == "url" else ""


def caps(text: str) -> str:
    """Capitals for a heading; merge fields stay as they are."""
    parts: list[str] = []
    end = 0
    for token in TOKEN.finditer(text):
        parts += [text[end : token.start()].upper(), token[0]]
        end = token.end()
    return "".join([*parts, text[end:].upper()])


def sentence(text: str) -> str:
    """With a full stop, where something is to follow it."""
    return text if not text or text[-1] in ".!?…”" else f"{text}."


def unquoted(text: str) -> str:
    """Without the one pair of quotation marks around it; the theme sets its own. Any other quotes stay."""
    inside = text.strip()[1:-1].strip()
    return inside if _QUOTED.fullmatch(text.strip()) and not set(inside) & set('"“”„«»') else text


def host(url: str) -> str:
    """The site an address leads to, for a link that has no better words."""
    parts = urlsplit(url)
    return (parts.hostname or parts.path or url).removeprefix("www.")


def _after(words: str, written: str) -> str:
    """Written copy behind its opening words, on their line when it begins with a paragraph."""
    first, _, rest = written.partition("\n\n")
    if not words or not written:
        return words or written
    if _PROSE.match(first):
        return plaintext.wrap(words + " " + _SPACE.sub(" ", first)) + "\n\n" + rest
    return f"{words}\n\n{written}"


def _even(text: str) -> str:
    """One blank line where templates left several, none at the ends, no spaces before a line's end."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)).strip()

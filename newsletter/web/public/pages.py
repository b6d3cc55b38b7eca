"""The readers' pages: what they say and how they become HTML. Every page is one template with one thing to do."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from newsletter.settings import NewsletterSettings, Settings
from newsletter.web.public.archive_phrases import Speech

_TROUBLES = {
    404: (
        "There is no such page",
        "The address may be incomplete: some mail programs cut long links. Open the link from the mail once more.",
    ),
    405: (
        "This page cannot do that",
        "It was asked for in a way it does not answer. Open the link from the mail once more.",
    ),
    408: ("That took too long", "The request did not come in whole, so nothing was changed. Please try again."),
    413: ("That was too much", "The request was larger than anything this page takes, so nothing was changed."),
    500: ("Something broke on our side", "The fault is ours, not yours. Please try again in a few minutes."),
    503: (
        "Please try again in a minute",
        "Our records cannot be reached at the moment, so nothing was changed. What you asked for is not done yet.",
    ),
}


class Pages:
    """Makes pages in the newsroom's look.

    The words are English, but for those around a mail; a name in another language is marked as such.
    """

    def __init__(self, settings: Settings) -> None:
        self.newsletters = settings.newsletters
        # Behind a proxy the site may live under a path; links must lead there, not to the proxy's root.
        self.base = urlsplit(settings.public_url).path.rstrip("/")
        self._templates = _templates()

    def show(
        self, template: str, *, newsletter: NewsletterSettings | None = None, status: int = 200, **words: object
    ) -> HTMLResponse:
        """A page about one newsletter, or about the newsroom when none is named (or there is only one)."""
        about = newsletter or self._only
        html = self._templates.get_template(template).render(
            base=self.base, about=about, lang=_page_lang(about), newsletters=self.newsletters, **words
        )
        return HTMLResponse(html, status)

    def piece(self, template: str, *, about: NewsletterSettings, say: Speech, **words: object) -> str:
        """A piece of a page about one newsletter, for a page that is not ours as a whole, in that one's language."""
        found = self._templates.get_template(template)
        return found.render(base=self.base, about=about, say=say, lang=say.lang, **words)

    def trouble(self, status: int) -> HTMLResponse:
        """The page for something that went wrong; it says nothing about the inside."""
        known = status if status in _TROUBLES else 500 if status >= 500 else 404
        heading, sentence = _TROUBLES[known]
        return self.show("trouble.html", status=status, heading=heading, sentence=sentence)

    @property
    def _only(self) -> NewsletterSettings | None:
        return next(iter(self.newsletters.values())) if len(self.newsletters) == 1 else None


@cache  # compiled once a process
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _page_lang(about: NewsletterSettings | None) -> str:
    """The newsletter's own kind of English, or plain English: a screen reader must hear the language of the words."""
    return about.lang if about and about.lang.split("-")[0].lower() == "en" else "en"

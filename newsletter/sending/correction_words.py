"""The words of a correction: held, before they are on record, to what an issue's block and a public page can carry."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.documents.reading import UNFIT
from newsletter.editorial.corrections import one_kind_of_line_end
from newsletter.errors import InputError, Place, Problem
from newsletter.rendering.build import Build
from newsletter.rendering.markdown import problems_in_copy
from newsletter.rendering.markup import pieces, visible_text
from newsletter.rendering.words import bare_words

LONGEST = 2000  # characters; a correction is a sentence or two
_WORD = re.compile(r"\w+")


def fit_words(*, was: str, is_: str) -> tuple[str, str]:
    """Both as they go on record, Word's soft line breaks as plain ones. Raises InputError with all that is wrong."""
    fit = {option: one_kind_of_line_end(text).strip() for option, text in (("--was", was), ("--is", is_))}
    wrong = [problem for option, text in fit.items() for problem in _problems(Place(option), text)]
    if not wrong and " ".join(fit["--was"].split()) == " ".join(fit["--is"].split()):
        wrong = [Problem(Place("--is"), "it says the same as --was.", "Write what is right.")]
    if wrong:
        raise InputError(wrong)
    return fit["--was"], fit["--is"]


def _problems(place: Place, text: str) -> Iterator[Problem]:
    if not text:
        yield Problem(place, "it says nothing.", "Write what the issue said, and what is right.")
    elif UNFIT.search(text):
        yield Problem(place, "there is a control character in it.", "Type the words again, or paste them plain.")
    elif len(text) > LONGEST:
        message = f"it has {len(text):,} characters; at most {LONGEST:,} are allowed."
        yield Problem(place, message, "Name just the words that were wrong, and what is right.")
    elif "{{" in text or "}}" in text:
        yield Problem(place, "a merge field means nothing in it.", "Write the words without {{ and }}.")
    else:
        for found in problems_in_copy(text):
            message, _, remedy = found.message.partition(". ")
            yield Problem(place, message.rstrip(".") + ".", remedy or "Mend it.")


def stands_in(build: Build, was: str, *, lang: str) -> bool:
    """Whether a build, as some of its readers had it, holds those words."""
    wanted = _bare(bare_words(was, lang=lang))
    bodies = (data.decode("utf-8", "replace") for path, data in build.files.items() if path.endswith("body.html"))
    return any(wanted in _bare(visible_text(pieces(body))) for body in bodies)


def _bare(text: str) -> str:
    """Words only: quotes, wrapping and capitals make no difference."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "

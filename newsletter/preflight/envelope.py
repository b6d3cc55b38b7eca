"""Rules about what readers see before they open: subject and preheader."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.preflight.examined import Examined, error, info, warning
from newsletter.preflight.findings import Finding
from newsletter.transports.fields import TOKEN

_EMOJI = re.compile(
    "[\u2600-\u27bf\U0001f300-\U0001faff\U0001f1e6-\U0001f1ff]\ufe0f?(?:\u200d[\u2600-\u27bf\U0001f300-\U0001faff]\ufe0f?)*"
)
_REPLY = re.compile(r"\s*(?:re|fwd?|aw|wg)\s*:", re.IGNORECASE)
LONG_SUBJECT, CUT_SUBJECT = 60, 78
SHORT_PREHEADER, LONG_PREHEADER = 35, 140


def subject(examined: Examined) -> Iterator[Finding]:
    """SUBJ: there is one, it is not the last one again, and it is not cut off."""
    written = examined.build.subject.strip()
    place = examined.sources.key("subject")
    if not written:
        yield error("SUBJ", place, "the issue has no subject.", 'Write subject = "…" in issue.toml.')
        return
    if examined.context.previous_subject and written == examined.context.previous_subject.strip():
        yield error("SUBJ", place, "the subject is that of the last issue.", "Write a new one.")
    length = len(_with_fallbacks(written))
    if length > LONG_SUBJECT:
        message = f"the subject has {length} characters; phones show 35, desktops about {LONG_SUBJECT}."
        yield warning("SUBJ", place, message, "Put the news into the first 35.")
    if length > CUT_SUBJECT:
        message = f"the subject is longer than one line of a header ({CUT_SUBJECT} characters)."
        yield info("SUBJ", place, message, "It is sent folded; some old clients show the fold.")
    for found, message, remedy in _manners(written):
        if found:
            yield warning("SUBJ", place, message, remedy)


def _manners(written: str) -> Iterator[tuple[bool, str, str]]:
    letters = [char for char in TOKEN.sub("", written) if char.isalpha()]
    shouted = len(letters) > 7 and all(char.isupper() for char in letters if char.lower() != char.upper())
    cased = any(char.lower() != char.upper() for char in letters)
    yield shouted and cased, "the subject is all capitals.", "Write it as a sentence."
    yield written.count("!") > 1, "the subject has more than one exclamation mark.", "Keep one at most."
    yield len(_EMOJI.findall(written)) > 1, "the subject has more than one emoji.", "Keep one at most."
    yield bool(_REPLY.match(written)), "the subject looks like a reply.", "Leave out RE: and FWD:."


def preheader(examined: Examined) -> Iterator[Finding]:
    """PREH: there is one, it fills its line, and it does not repeat the subject."""
    written = examined.build.preheader.strip()
    place = examined.sources.key("preheader")
    if not written:
        yield error("PREH", place, "the issue has no preheader.", 'Write preheader = "Plus, …" in issue.toml.')
        return
    length = len(_with_fallbacks(written))
    if not SHORT_PREHEADER <= length <= LONG_PREHEADER:
        message = f"the preheader has {length} characters."
        yield warning(
            "PREH", place, message, f"Between {SHORT_PREHEADER} and {LONG_PREHEADER} fill the line and fit it."
        )
    if written.casefold() == examined.build.subject.strip().casefold():
        yield warning("PREH", place, "the preheader repeats the subject.", "Say what else is in the issue.")


def _with_fallbacks(text: str) -> str:
    return TOKEN.sub(lambda token: token[2] or "", text)

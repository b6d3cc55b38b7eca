"""The rules by name: how serious a broken one is at worst, and why it exists. Shown by `check`, held to the docs."""

from __future__ import annotations

from dataclasses import dataclass

from newsletter.preflight.findings import Severity

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING


@dataclass(frozen=True)
class Rule:
    """A rule's name, the worst it can find, and one line of why."""

    id: str
    worst: Severity
    why: str
    waivable: bool = True


RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("SOURCE", _ERROR, "what cannot be read cannot be rendered", waivable=False),
        Rule("SIZE-HTML", _ERROR, "Gmail cuts a mail off at about 102 kB, and the way to unsubscribe with it"),
        Rule("SIZE-STYLE", _ERROR, "Gmail drops style sheets beyond 16 kB"),
        Rule("STYLE-PARSE", _ERROR, "Gmail drops a whole style sheet over one thing it cannot read"),
        Rule("INL-VAR", _ERROR, "CSS variables are dead text in Gmail, Outlook and Yahoo"),
        Rule("INL-IMPORTANT", _WARNING, "Outlook ignores an inline declaration that carries !important"),
        Rule("TOKEN-LEFT", _ERROR, "readers must not see template syntax, placeholders or HTML as text"),
        Rule("TEXT-LOST", _ERROR, "every word of the copy must reach readers, in HTML and in plain text"),
        Rule("TEXT-PART", _ERROR, "a mail without a full plain text is spam to filters and silence to some clients"),
        Rule("DOC", _ERROR, "screen readers need the language, clients the character set and a title"),
        Rule("A11Y-ALT", _ERROR, "many readers see no images: the alt text is what they get"),
        Rule("A11Y-HEAD", _WARNING, "headings are how a screen reader moves through an issue"),
        Rule("A11Y-LINKTEXT", _WARNING, "links are read out one by one, away from their sentence"),
        Rule("A11Y-TABLE", _WARNING, "a layout table without a role is read out cell by cell"),
        Rule("TYPE", _ERROR, "copy smaller than 14 px cannot be read on a phone"),
        Rule("WIDTH", _WARNING, "what is wider than 640 px is cut off or shrinks everything else"),
        Rule("OUTLOOK", _ERROR, "an unbalanced conditional comment hides the rest of the issue from Outlook"),
        Rule("IMG-DIM", _ERROR, "Outlook shows an image without a width at its natural size"),
        Rule("IMG-TYPE", _ERROR, "not every client shows every kind of image"),
        Rule("LINK", _ERROR, "a link must lead somewhere, and everybody there"),
        Rule("LINK-MISMATCH", _WARNING, "a link whose text names another site looks like phishing"),
        Rule("LINK-TRACK", _WARNING, "another sender's tracking codes leak who our readers are"),
        Rule("UNSUB", _ERROR, "the law asks for a way out and an address in every issue", waivable=False),
        Rule("SUBJ", _ERROR, "the subject decides whether an issue is opened"),
        Rule("PREH", _ERROR, "the preheader is the second line readers see"),
        Rule("DATE", _ERROR, "a build says what is true on its own day"),
        Rule("EMBARGO", _ERROR, "an embargo holds until its hour"),
        Rule("SPONSOR", _ERROR, "paid words run when they were booked, and never get between a story and its text"),
        Rule("SENSITIVE", _WARNING, "whoever took a picture is named"),
        Rule("COPY", _ERROR, "small slips embarrass a newsroom"),
        Rule("WHEN", _WARNING, "“yesterday” is another day tomorrow, and a date has one weekday"),
        Rule("PROMISE", _WARNING, "readers were promised an answer by a day that is past"),
        Rule("QUESTION", _WARNING, "a question is asked once, answered once, and asked before it is answered"),
        Rule("POLL-OPEN", _ERROR, "votes that are still coming in are no result"),
        Rule("POLL-OVER", _ERROR, "a poll is asked of readers who can still vote"),
        Rule("CORRECTION", _WARNING, "whoever read a mistake should read what is right"),
        Rule("REUSED", _WARNING, "readers had this before"),
        Rule("BUDGET", _WARNING, "a daily is read in the minutes it promises"),
        Rule("HTML-BLOCK", _WARNING, "HTML by hand is the theme's look in nobody's care"),
        Rule("THREAD", _WARNING, "a thread leads readers back only along links that are there"),
    )
}

"""What each reply of an SMTP relay means for one mail (RFC 5321; the finer codes: RFC 3463).

The question is never "did it fail" but "may it have become a mail", and then whose matter it is: a reader's own, or
one that every mail after it would meet too. Nobody is given up for what is wrong with the relay or with us. Replies
are a stranger's words: bounded where they are read (`smtp_wire`), made harmless here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from newsletter.transports.mail import Answer, Verdict

MAX_SHOWN = 300

# Whatever the step: we are not known, or speak out of turn, or the host takes no mail at all.
_OURS = {500, 502, 503, 521, 530, 534, 535, 538}
_RELAYING = re.compile(r"\brelay|authenticat", re.IGNORECASE)  # "Relay access denied", "Authentication required"
_TOO_FAST = re.compile(
    r"too (many|fast|quick|much)|throttl|slow down|\brate\b|limit (exceeded|reached)|exceed\w* .*limit", re.IGNORECASE
)
_DAY_SPENT = re.compile(r"\bdaily\b.*\b(quota|limit)\b|\b(quota|limit)\b.*\b(per|a|24.hour) ?day\b", re.IGNORECASE)
_MAILBOX = re.compile(r"\A[45]\.2\.\d")  # full, or getting too much: a matter of that mailbox alone


class Step(StrEnum):
    """Where in a mail's transaction the relay said something."""

    RESET = "RSET"
    SENDER = "MAIL FROM"
    READER = "RCPT TO"
    DATA = "DATA"
    END = "the end of the mail"


@dataclass(frozen=True)
class Reply:
    """What the relay said: its code, and its words as they may be shown."""

    step: Step
    code: int
    words: str

    @property
    def taken(self) -> bool:
        """Whether the transaction goes on; after the end: whether the mail is the relay's."""
        return self.code == 354 if self.step is Step.DATA else 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.words}".rstrip()


def shown(words: bytes) -> str:
    """A relay's words on one line, without anything that moves a cursor or turns the writing round."""
    text = words[: 4 * MAX_SHOWN].decode("utf-8", "replace")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def of_reply(reply: Reply) -> Answer:
    """What a reply means for the mail. A mail taken has no id yet: that is ours to say."""
    code, step = reply.code, reply.step
    if step is Step.END and reply.taken:
        return Answer(Verdict.ACCEPTED)
    if code < 400:
        verdict = Verdict.UNKNOWN if step is Step.END else Verdict.RETRY
        return Answer(verdict, reason=f"The relay's answer to {step} makes no sense: {reply}")
    own = _MAILBOX.match(reply.words) is not None
    if not own and _DAY_SPENT.search(reply.words):
        return Answer(Verdict.RETRY, reason=str(reply), quota_spent=True)
    if code < 500:
        throttled = code == 421 or (not own and _TOO_FAST.search(reply.words) is not None)
        return Answer(Verdict.RETRY, reason=str(reply), throttled=throttled)
    if step is Step.SENDER or code in _OURS or _RELAYING.search(reply.words):
        remedy = "See what it allows this sender, or [smtp] username and password."
        return Answer(Verdict.STOP, reason=f"the relay does not let us send: {str(reply).rstrip('.')}. {remedy}")
    return Answer(Verdict.REFUSED, reason=str(reply))


def ends_the_batch(reply: Reply, answer: Answer) -> bool:
    """Whether the next mail would meet the same: anything unclear but one reader's own."""
    if answer.verdict in {Verdict.ACCEPTED, Verdict.REFUSED}:
        return False
    return reply.step is not Step.READER or answer.verdict is Verdict.STOP or answer.throttled or answer.quota_spent


def judged_together(answers: Sequence[Answer], about_mail: Sequence[bool]) -> list[Answer]:
    """A mail that nobody's copy got past the relay, and more than one was tried: that is no reader's fault.

    `about_mail` says whose refusal came after the reader had been agreed to: it is of what the mail holds.
    """
    taken = any(answer.verdict is Verdict.ACCEPTED for answer in answers)
    if taken or sum(about_mail) < 2:
        return list(answers)
    return [
        replace(answer, verdict=Verdict.STOP, reason=f"the relay refuses the mail itself: {answer.reason}")
        if content
        else answer
        for answer, content in zip(answers, about_mail, strict=True)
    ]

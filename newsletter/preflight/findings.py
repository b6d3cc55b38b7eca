"""What a preflight rule has to say about a build."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from newsletter.errors import Place


class Severity(StrEnum):
    """An error blocks a send unless waived by its rule's name; the others inform."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One result of one rule: where, what, and what to do about it."""

    rule: str
    severity: Severity
    place: Place
    message: str
    remedy: str

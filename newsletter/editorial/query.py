"""A query over the library, as an editor writes it: `select = { tags = ["watching"], since = "3d" }`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from newsletter.editorial.fields import Days, FrontMatter, Line
from newsletter.editorial.terms import sought


class Select(FrontMatter):
    """A query over the library, reckoned from the issue's date, never from the clock."""

    text: Line | None = None  # all of these words; `word*` for what begins so
    tags: tuple[str, ...] = ()
    section: str | None = None
    source: str | None = None
    author: str | None = None  # one of those in the byline
    since: Days | None = None  # "3d": issues dated up to three days earlier
    until: Days | None = None  # "1d": issues dated at least a day earlier
    unsent: bool = Field(default=False, strict=True)  # not in an issue that went out
    not_sent_within: Days | None = None  # not in an issue that went out in so many days
    sort: Literal["newest", "oldest", "title", "relevance"] = "newest"
    limit: int = Field(default=5, ge=1, le=50, strict=True)
    minimum: int = Field(default=0, ge=0, le=50, strict=True)  # fewer found is an error

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.text is not None and not sought(self.text):
            raise ValueError("has a `text` without words.")
        if self.sort == "relevance" and self.text is None:
            raise ValueError('needs `text` to sort by: `sort = "relevance"` is how well its words fit.')
        if self.minimum > self.limit:
            raise ValueError(f"wants at least {self.minimum} stories and at most {self.limit}.")
        if self.since and self.until and days(self.until) > days(self.since):
            raise ValueError(f"ends {self.until} ago, before it begins {self.since} ago.")
        return self


def days(window: Days) -> int:
    """`3d` as a number of days."""
    return int(window.removesuffix("d"))

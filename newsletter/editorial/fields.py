"""The kinds of values editors write, each with the words for when it is written wrong."""

from __future__ import annotations

import hashlib
import math
import re
from datetime import date as Date
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from newsletter.documents import shown

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")  # of an issue's folder, and of a story without its `.md`
_LONGEST_KEY = 200
_FILE = re.compile(r"[^/\\.\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]{0,199}")
_ADDRESS = re.compile(r"(https?://[^\s/]|mailto:[^\s]|tel:\+?\d|\{\{)[^\s\x00-\x1f\x7f]*", re.IGNORECASE)


def name_key(name: str) -> str:
    """A tag, section or source as it is looked up: capitals do not count; for a very long one stands its hash."""
    folded = name.casefold()
    return folded if len(folded) <= _LONGEST_KEY else hashlib.sha256(folded.encode()).hexdigest()


class FrontMatter(BaseModel):
    """A table that editors write; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _day(value: object) -> Date:
    """A date and nothing like it: not a moment, and not the number 20241010, which would be a day in 1970."""
    if isinstance(value, Date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip()):
        try:
            return Date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise ValueError(f"{shown(value)} is not a date. Write it as year-month-day: 2024-10-10.")


def _closing(value: object) -> Date | datetime:
    """A day, or a time of a day; in which zone is not for the file to say."""
    written = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?", written):
        try:
            return datetime.fromisoformat(written)
        except ValueError:
            pass
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value
        raise ValueError(f"{shown(value)} names a zone. Leave it out: the time is the newsletter's own.")
    try:
        return _day(value)
    except ValueError:
        raise ValueError(
            f"{shown(value)} is neither a date nor a time. Write 2024-10-17, or 2024-10-17T18:00:00."
        ) from None


def _embargo(value: object) -> datetime:
    """A time of a day: the newsletter's own, or with its zone where an agency names one."""
    written = value.strip() if isinstance(value, str) else ""
    if re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?", written):
        try:
            return datetime.fromisoformat(written)
        except ValueError:
            pass
    if isinstance(value, datetime):
        return value
    raise ValueError(f'{shown(value)} is no time of a day. Write it as "2024-10-11T06:00", in the newsletter\'s time.')


def _options(value: tuple[str, ...]) -> tuple[str, ...]:
    said = {" ".join(option.split()).casefold() for option in value}
    if not 2 <= len(value) <= 5:
        raise ValueError(f"a poll has 2 to 5 of them; here {'is' if len(value) == 1 else 'are'} {len(value)}.")
    if "" in said:
        raise ValueError("one of them is empty.")
    if len(said) < len(value):
        raise ValueError("two of them say the same.")
    return value


def _story_id(value: str) -> str:
    parts = value.split("/")
    if len(parts) <= 2 and all(NAME.fullmatch(part) for part in parts):
        return value
    raise ValueError(
        f"{shown(value)} cannot be a story. Name its file without .md (`walls`), "
        "and its issue first when it lies in another (`2024-10-09/really`)."
    )


def _question_id(value: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", value):
        return value
    raise ValueError(f"{shown(value)} cannot name a question. Use small letters, digits and hyphens: `nk-troops`.")


def _block_id(value: str) -> str:
    if re.fullmatch(r"[a-z][a-z0-9-]{0,63}", value):
        return value
    raise ValueError(f"{shown(value)} cannot name a block. Use small letters, digits and hyphens: `hard-numbers`.")


def _poll_name(value: str) -> str:
    issue, slash, poll = value.partition("/")
    if slash and NAME.fullmatch(issue) and re.fullmatch(r"[a-z][a-z0-9-]{0,63}", poll):
        return value
    raise ValueError(f"{shown(value)} cannot name a poll. Write its issue and its id: `2024-10-09/ask-next`.")


def _web_address(value: str) -> str:
    if value == "" or _ADDRESS.fullmatch(value):
        return value
    raise ValueError(f"{shown(value)} is not a web address. Write it in full: https://…, or mailto:….")


def _file_name(value: str) -> str:
    if _FILE.fullmatch(value):
        return value
    raise ValueError(
        f"{shown(value)} is not a file name. Images lie beside the story or the issue.toml, in its folder."
    )


def _shared_file(value: str) -> str:
    name = value.removesuffix(".toml")
    if NAME.fullmatch(name):
        return name
    raise ValueError(f"{shown(value)} is not a file in issues/_shared/. Name it without a folder: `house.toml`.")


def _cell(value: object) -> str:
    """What stands in a cell, as it was written; `12.50` needs quotes to keep its nought."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f'{value} is no number. Write text in quotes, such as "–" for a value that is missing.')
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value).strip()
    raise ValueError(f"{shown(value)} cannot stand in a table. Write text in quotes, or a number.")


def _window(value: str) -> str:
    if re.fullmatch(r"\d{1,4}d", value):
        return value
    raise ValueError(f"{shown(value)} is not a number of days. Write it as `3d`.")


def _language(value: str) -> str:
    if re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", value):
        return value
    raise ValueError(f"{shown(value)} is not a language. Write its code: `en`, `pt-BR`.")


def _one_line(value: str) -> str:
    if "\n" in value or "\t" in value:
        raise ValueError(f"{shown(value)} is more than one line.")
    return value


Day = Annotated[Date, BeforeValidator(_day)]
StoryId = Annotated[str, AfterValidator(_story_id)]
QuestionId = Annotated[str, AfterValidator(_question_id)]
BlockId = Annotated[str, AfterValidator(_block_id)]
PollName = Annotated[str, AfterValidator(_poll_name)]
Url = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_web_address)]
OptionalUrl = Annotated[str, Field(max_length=2000), AfterValidator(_web_address)]  # "" where there is none
ImageName = Annotated[str, Field(min_length=1), AfterValidator(_file_name)]
Days = Annotated[str, AfterValidator(_window)]
Language = Annotated[str, AfterValidator(_language)]
Line = Annotated[str, AfterValidator(_one_line)]
Closing = Annotated[Date | datetime, PlainValidator(_closing)]  # naive: a day, or a time of a day
Embargo = Annotated[datetime, PlainValidator(_embargo)]  # naive where it is the newsletter's own time
SharedFile = Annotated[str, AfterValidator(_shared_file)]  # its name without `.toml`
Cell = Annotated[str, PlainValidator(_cell)]
Words = Annotated[str, Field(min_length=1)]  # text that cannot be left empty
Options = Annotated[tuple[Line, ...], AfterValidator(_options)]  # of a poll

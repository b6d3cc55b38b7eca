"""Puts our own pieces around a frozen mail without touching a byte of it: in the head, above, below, under its polls.

The mail is cut up, never parsed and written anew. A poll is known by its options' links, so that any theme's poll is
found: what belongs under it goes behind the innermost table that holds them all, or into its place once nobody can vote
any more, if it holds nothing else. Only the links that were a reader's
own (to unsubscribe, to her preferences) lead nowhere here: one link to sign up stands in the place of those side by
side, in the looks of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape, unescape
from itertools import takewhile

from newsletter.rendering.markup import VOID, Kind, Piece, pieces

POLL = "#poll"  # what {{vote_url}} stands for here: an option leads to what stands under its poll
READERS_OWN = "#reader"  # what a link stands for here that was one reader's own
_BETWEEN = " \t\r\n\xa0·•|,/-–"


@dataclass(frozen=True)
class Pieces:
    """What goes where; HTML that is escaped already."""

    head: str = ""
    above: str = ""
    below: str = ""
    under_polls: Mapping[str, str] | None = None
    closed_polls: frozenset[str] = frozenset()  # whose options give way to the piece under them
    sign_up: str = ""  # the address that stands in for a reader's own links
    sign_up_words: str = "Sign up"  # what is said of it


@dataclass(eq=False)
class _Element:
    name: str
    opening_tag: Piece
    closing_tag: Piece | None = None


def put_around(mail: str, said: Pieces) -> str:
    """The mail with our pieces in it."""
    cut = pieces(mail)
    inserts = [
        (_before_head_ends(cut), said.head),
        (_where_body_begins(cut), said.above),
        (_where_body_ends(cut, len(mail)), said.below),
    ]
    changes = [(at, at, piece) for at, piece in inserts]
    changes += [*_at_polls(cut, said.under_polls or {}, said.closed_polls), *_instead(cut, said)]
    made, end = "", 0
    for at, until, piece in sorted(changes, key=lambda change: change[0]):
        made += mail[end:at] + piece
        end = max(end, until)
    return made + mail[end:]


def _instead(cut: list[Piece], said: Pieces) -> Iterator[tuple[int, int, str]]:
    """From where to where links were a reader's own, and the one that stands there now."""
    first: Piece | None = None
    until, inside = 0, False
    for piece in cut:
        link = piece.kind is Kind.TAG and piece.name == "a"
        if link and not piece.closing and piece.attribute("href") == READERS_OWN:
            first, inside = first or piece, True
        elif link and piece.closing and inside:
            until, inside = _end(piece), False
        elif first and not inside and (piece.kind is not Kind.TEXT or unescape(piece.text).strip(_BETWEEN)):
            yield first.start, until, _to_sign_up(first, said)
            first = None
    if first and until > first.start:
        yield first.start, until, _to_sign_up(first, said)


def _to_sign_up(link: Piece, said: Pieces) -> str:
    href = next(found for found in link.attributes if found.name == "href")
    tag = f'{link.text[: href.start]}href="{escape(said.sign_up)}"{link.text[href.end :]}'
    return f"{tag}{escape(said.sign_up_words)}</a>"


def first_image(mail: str) -> Piece | None:
    """The first picture of a mail that has an address."""
    images = (piece for piece in pieces(mail) if piece.kind is Kind.TAG and piece.name == "img")
    return next((image for image in images if (image.attribute("src") or "").startswith("http")), None)


def _before_head_ends(cut: list[Piece]) -> int:
    found = next((piece for piece in cut if piece.name == "head" and piece.closing), None)
    if found is not None:
        return found.start
    doctype = next((piece for piece in cut if piece.kind is Kind.DECLARATION), None)
    return _end(doctype) if doctype is not None and doctype.start == 0 else 0


def _where_body_begins(cut: list[Piece]) -> int:
    found = next((piece for piece in cut if piece.name == "body" and not piece.closing), None)
    return _end(found) if found is not None else _before_head_ends(cut)


def _where_body_ends(cut: list[Piece], end: int) -> int:
    return next((piece.start for piece in reversed(cut) if piece.name == "body" and piece.closing), end)


def _at_polls(cut: list[Piece], wanted: Mapping[str, str], closed: frozenset[str]) -> Iterable[tuple[int, int, str]]:
    """From where to where each poll's own piece goes; a poll whose options are not there has no place."""
    around: dict[str, list[list[_Element]]] = {}
    inside: list[_Element] = []
    for piece in cut:
        if piece.kind is not Kind.TAG or piece.name in VOID or piece.text.endswith("/>"):
            continue
        if piece.closing:
            _close(inside, piece)
            continue
        href = piece.attribute("href") or ""
        if piece.name == "a" and href.startswith(f"{POLL}/"):
            around.setdefault(href.split("/")[1], []).append(list(inside))
        inside.append(_Element(piece.name, piece))
    for poll in wanted.keys() & around.keys():
        shared = [level[0] for level in takewhile(lambda level: len(set(level)) == 1, zip(*around[poll], strict=False))]
        table = next((e for e in reversed(shared) if e.name == "table" and e.closing_tag), None)
        nearest = next((e.closing_tag for e in reversed(shared) if e.closing_tag), None)
        if table is not None and table.closing_tag is not None:
            start, end = table.opening_tag.start, _end(table.closing_tag)
            gives_way = poll in closed and _only_options([piece for piece in cut if start <= piece.start < end])
            yield start if gives_way else end, end, wanted[poll]
        elif nearest is not None:
            yield nearest.start, nearest.start, wanted[poll]


def _only_options(cut: list[Piece]) -> bool:
    """Whether all the words of a stretch are those of links to vote."""
    option = False
    for piece in cut:
        if piece.kind is Kind.TAG and piece.name == "a":
            option = not piece.closing and (piece.attribute("href") or "").startswith(f"{POLL}/")
        spoken = piece.kind is Kind.TEXT and not option and bool(unescape(piece.text).strip())
        if spoken or piece.kind is Kind.COMMENT or (piece.kind is Kind.TAG and piece.name == "img"):
            return False
    return True


def _close(inside: list[_Element], tag: Piece) -> None:
    if any(element.name == tag.name for element in inside):
        while (element := inside.pop()).name != tag.name:
            pass
        element.closing_tag = tag


def _end(piece: Piece) -> int:
    return piece.start + len(piece.text)

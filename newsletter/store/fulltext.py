"""Full text in the words each database has for it: SQLite's FTS5, PostgreSQL's tsvector under a GIN index.

Texts come as words already split, folded and stemmed by the one who asks, so that both databases find the same. Words
in the title weigh most, then labels (tags and the like), then the copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Double, Integer, Subquery, bindparam, column, text

LONGEST_WORD = 40  # characters
MOST_WORDS = 8_000  # of a text: PostgreSQL keeps at most 1 MB of it, and 16,383 places
_ROWS = 500


@dataclass(frozen=True)
class Text:
    """What a row is found by. Words hold letters and digits only."""

    id: int
    title: Sequence[str]
    labels: Sequence[str]
    copy: Sequence[str]


def put_texts(connection: Connection, texts: Iterable[Text]) -> None:
    """Keep the words of rows, in place of any they had."""
    if connection.dialect.name == "postgresql":
        statement = (
            "INSERT INTO library_words (id, words) VALUES (:id, CAST(:words AS tsvector)) "
            "ON CONFLICT (id) DO UPDATE SET words = excluded.words"
        )
        rows = [{"id": each.id, "words": _vector(each)} for each in texts]
    else:
        statement = (
            "INSERT OR REPLACE INTO library_words (rowid, title, labels, copy) VALUES (:id, :title, :labels, :copy)"
        )
        rows = [
            {"id": each.id, "title": _joined(each.title), "labels": _joined(each.labels), "copy": _joined(each.copy)}
            for each in texts
        ]
    for first in range(0, len(rows), _ROWS):
        connection.execute(text(statement), rows[first : first + _ROWS])


def drop_texts(connection: Connection, ids: Sequence[int]) -> None:
    """Forget these rows' words."""
    name = "id" if connection.dialect.name == "postgresql" else "rowid"
    statement = text(f"DELETE FROM library_words WHERE {name} IN :ids").bindparams(bindparam("ids", expanding=True))  # noqa: S608
    for first in range(0, len(ids), _ROWS):
        connection.execute(statement, {"ids": list(ids[first : first + _ROWS])})


def matches(connection: Connection, words: Sequence[str], *, every: bool = True) -> Subquery:
    """The rows with all of these words, or with any of them, as a query with `id` and `rank`, the best lowest.

    A word that ends in `*` stands for every word that begins so. There must be at least one.
    """
    if connection.dialect.name == "postgresql":
        sought = f" {'&' if every else '|'} ".join(_sought(word) for word in words)
        query = text(
            "SELECT id, -ts_rank('{0.1, 0.2, 0.4, 1.0}', words, sought, 1) AS rank "
            "FROM library_words, CAST(:sought AS tsquery) AS sought WHERE words @@ sought"
        )
    else:
        sought = f" {'AND' if every else 'OR'} ".join(_sought_by_sqlite(word) for word in words)
        query = text("SELECT rowid AS id, rank FROM library_words WHERE library_words MATCH :sought")
    found = query.bindparams(sought=sought).columns(column("id", Integer), column("rank", Double))
    return found.subquery("found")


def _joined(words: Sequence[str]) -> str:
    return " ".join(words[:MOST_WORDS])


def _vector(each: Text) -> str:
    """A tsvector as PostgreSQL writes it: each word with the places where it stands, and its weight there."""
    places: dict[str, list[str]] = {}
    at = 0
    for weight, words in (("A", each.title), ("B", each.labels), ("D", each.copy)):
        for word in words[:MOST_WORDS]:
            at = min(at + 1, 16_383)
            places.setdefault(word, []).append(f"{at}{weight}")
    return " ".join(f"'{word}':{','.join(found[:250])}" for word, found in places.items())


def _sought(word: str) -> str:
    return f"'{word[:-1]}':*" if word.endswith("*") else f"'{word}'"


def _sought_by_sqlite(word: str) -> str:
    return f'"{word[:-1]}"*' if word.endswith("*") else f'"{word}"'

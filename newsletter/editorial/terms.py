"""The words a text is found by: split, without capitals and accents, without the endings of plurals.

Both what is stored and what is asked go through here, so that one finds the other. Scripts without spaces between their
words are taken apart into signs.
"""

from __future__ import annotations

import re
import unicodedata

from newsletter.store.fulltext import LONGEST_WORD

_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")
_POSSESSIVE = re.compile(r"(?<=\w)[’'](s\b|(?=\W|$))", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://\S+|\]\([^)\s]*\)|\{\{[^}]*\}\}")

# Words that say nothing of what a text is about.
COMMON = frozenset(
    """
    a about after again all also am an and any are as at be because been before being but by can could day did
    do does down each even every first for from get go had has have he her here him his how i if in into is it
    its just know last like made make man many may me men might more most much must my new no not now of off
    old on one only or other our out over own part people said same say see she should so some still such take
    than that the their them then there these they thing this those time to today tomorrow too two under until
    up us very want was way we week well were what when where which while who why will with would year
    yesterday yes yet you your aber als am an auch auf aus bei bis da das dass dem den der des die doch durch
    ein eine einem einen einer eines er es für hat ich ihr im in ist ja kein mit nach nicht noch nur ob oder
    sein sich sie sind so über um und uns von vor war was wenn werden wie wir wird zu zum zur
    """.split()  # noqa: SIM905 - a list of two hundred quoted words is no easier to read
)


def terms(text: str) -> list[str]:
    """Every word of a text in order, as it is looked up."""
    return [_stem(word)[:LONGEST_WORD] for word in _words(text)]


def telling(text: str) -> list[str]:
    """The words of a text that say what it is about, each once; numbers are in every text."""
    words = dict.fromkeys(terms(text))
    return [word for word in words if len(word) > 1 and word not in _COMMON_TERMS and not word.isdecimal()]


def sought(query: str) -> list[str]:
    """The words of a query; one that ends in `*` stands for all that begin so."""
    found: list[str] = []
    for part in query.split():
        words = terms(part)
        if words and part.endswith("*"):
            words[-1] = f"{_words(part)[-1][:LONGEST_WORD]}*"  # a beginning has no ending to lose
        found += words
    return list(dict.fromkeys(found))


def _words(text: str) -> list[str]:
    plain = _POSSESSIVE.sub("", _ADDRESS.sub(" ", text))
    folded = unicodedata.normalize("NFKD", plain.casefold())
    return _WORD.findall("".join(char for char in folded if not unicodedata.combining(char)))


def _stem(word: str) -> str:
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word[:-1]


_COMMON_TERMS = frozenset(term for word in COMMON for term in terms(word))

"""Reads what people write, TOML and YAML, and says on which line a value stands.

reading.py parses, lines.py finds positions, complaints.py puts the parsers' words into people's, problems.py turns a
document into a pydantic model and reports every problem of the file at once, words.py has the nearest right name.
"""

from newsletter.documents.problems import problems_of, validate
from newsletter.documents.reading import Document, decode, read_toml, read_yaml
from newsletter.documents.words import did_you_mean, nearest, shown

__all__ = [
    "Document",
    "decode",
    "did_you_mean",
    "nearest",
    "problems_of",
    "read_toml",
    "read_yaml",
    "shown",
    "validate",
]

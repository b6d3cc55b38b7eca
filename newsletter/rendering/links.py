"""Where a build's links stand: each address with the blocks of the issue it is in, worked out from the frozen page.

The page says nothing of blocks, and need not: between two of them stands a row of the theme's own (`gap` or `space`),
and the manifest names them in order. Where another theme has no such rows, a link goes by the heading before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from lxml import html as lxml_html
from sqlalchemy import Connection, select

from newsletter.rendering.build import Build, folder_of
from newsletter.store.tables import build_files
from newsletter.transports.fields import TOKEN

MASTHEAD, FOOTER = "masthead", "footer"
_BETWEEN = frozenset({"gap", "space"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4"})
_LONGEST = 60
_MANIFEST = "manifest.json"

Links = Mapping[str, str]  # address -> the block it stands in; of several all, in order


def links_of(connection: Connection, build: str, variant: str) -> Links:
    """The links of one variant's page, as they stand in it; nothing where there is no such build."""
    body = f"{folder_of(variant)}body.html"
    query = select(build_files.c.path, build_files.c.data).where(build_files.c.build == build)
    files = {row.path: row.data for row in connection.execute(query.where(build_files.c.path.in_((body, _MANIFEST))))}
    if len(files) < 2:
        return {}
    return _links(files[body], blocks_of(Build(files), variant))


def blocks_of(build: Build, variant: str) -> tuple[str, ...]:
    """The blocks that readers of a variant see, in order: by type, those of one type numbered from the second on."""
    seen = set(build.variants.get(variant, ()))
    blocks: Sequence[Mapping[str, Any]] = (build.manifest.get("facts") or {}).get("blocks", ())
    number = Counter[str]()
    names = []
    for block in blocks:
        number[block["type"]] += 1
        count = number[block["type"]]
        if block.get("audience") is None or block["audience"] in seen:
            names.append(block["type"] if count == 1 else f"{block['type']}-{count}")
    return tuple(names)


@lru_cache(maxsize=32)  # the variants of the sends whose events come in
def _links(page: bytes, blocks: tuple[str, ...]) -> Links:
    return links_in(page.decode(), blocks)


def links_in(page: str, blocks: Sequence[str]) -> Links:
    """Every link of a page that is the same for all readers, with where it stands."""
    root = lxml_html.document_fromstring(page)
    passed, heading, rows = 0, MASTHEAD, []
    for element in root.iter("tr", "a", *_HEADINGS):
        if element.tag == "tr" and _parts(element):
            passed += 1
        elif element.tag in _HEADINGS:
            heading = " ".join(element.text_content().split())[:_LONGEST] or heading
        elif element.tag == "a":
            rows.append((element.get("href") or "", passed, heading))
    # The last row between blocks stands behind the last block: what follows is the footer.
    known = passed == len(blocks) + 1
    found: dict[str, dict[str, None]] = {}
    for address, number, above in rows:
        if address.startswith(("http://", "https://")) and not TOKEN.search(address):
            found.setdefault(address, {})[_block(blocks, number) if known else above] = None
    return {address: ", ".join(where) for address, where in found.items()}


def _parts(row: Any) -> bool:
    """Whether this row stands between two blocks. One that parts the stories of a block leaves no room below."""
    cell = row.find("td")
    if cell is None or cell.get("class") not in _BETWEEN:
        return False
    return not (cell.get("style") or "").rstrip("; ").endswith("padding-bottom:0")


def _block(blocks: Sequence[str], number: int) -> str:
    if number == 0:
        return MASTHEAD
    return blocks[number - 1] if number <= len(blocks) else FOOTER


def same_address(written: str) -> str:
    """One spelling of an address for all that lead to the same place: what comes back is not always written alike."""
    try:
        parts = urlsplit(written)
    except ValueError:
        return written
    if not parts.netloc:
        return written
    path, query, fragment = (quote(unquote(part), safe="/=&+;,:@!$'()*?~") for part in parts[2:])
    return urlunsplit((parts.scheme.lower(), parts.netloc.lower(), path or "/", query, fragment))

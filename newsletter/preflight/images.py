"""Rules about images: their sizes and their kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from newsletter.errors import Place
from newsletter.preflight.examined import Examined, error, shortened, warning
from newsletter.preflight.findings import Finding

_UNSHOWN = (".svg", ".svgz", ".webp", ".avif", ".heic", ".bmp", ".tif", ".tiff")
HEAVY, HEAVY_GIF, HEAVY_ALL = 200_000, 1_000_000, 1_500_000


def dimensions(examined: Examined) -> Iterator[Finding]:
    """IMG-DIM: every image says how large it is shown, in numbers."""
    for image in examined.page.named("img"):
        source = image.attributes.get("src", "").rsplit("/", 1)[-1]
        place = examined.place(source or "<img", image.start)
        if not re.fullmatch(r"[1-9]\d{0,3}", image.attributes.get("width", "")):
            message = f"the image {shortened(source)} has no width in numbers."
            yield error("IMG-DIM", place, message, 'Write width="600" on the <img> in the theme.')
        elif not re.fullmatch(r"[1-9]\d{0,3}", image.attributes.get("height", "")):
            message = f"the image {shortened(source)} has no height in numbers: the page jumps while it loads."
            yield warning("IMG-DIM", place, message, "Write height=… on the <img> in the theme.")


def kinds(examined: Examined) -> Iterator[Finding]:
    """IMG-TYPE: only images that every client shows, from https, and not too heavy."""
    for image in examined.page.named("img"):
        source = image.attributes.get("src", "").strip()
        name = shortened(source.rsplit("/", 1)[-1])
        place = examined.place(name, image.start)
        scheme = source.split(":", 1)[0].lower() if ":" in source else ""
        if scheme in {"data", "cid"}:
            message = f"an image is carried in the page itself ({scheme}:), which Gmail and Outlook do not show."
            yield error("IMG-TYPE", examined.in_html(image.start), message, "Put the file into the issue's folder.")
        elif scheme not in {"http", "https"}:
            message = f"the image `{shortened(source)}` has no whole address."
            yield error("IMG-TYPE", place, message, "Name a file in the issue's folder.")
        elif urlsplit(source).path.lower().endswith(_UNSHOWN):
            yield error("IMG-TYPE", place, f"{name} is of a kind many clients do not show.", "Save it as JPEG or PNG.")
        elif scheme == "http" and not source.startswith(f"{examined.context.public_url}/"):
            yield warning("IMG-TYPE", place, f"{name} is not loaded over https.", "Use an https address.")


def weight(examined: Examined) -> Iterator[Finding]:
    """IMG-TYPE: what readers on a phone have to load."""
    total = 0
    for path, data in examined.build.files.items():
        if not path.startswith("assets/"):
            continue
        total += len(data)
        name = path.rsplit("/", 1)[-1]
        limit = HEAVY_GIF if name.endswith(".gif") else HEAVY
        if len(data) > limit:
            message = f"{name} has {len(data) // 1000:,} kB."
            remedy = f"Save it under {limit // 1000:,} kB; twice the width it is shown at is enough."
            yield warning("IMG-TYPE", examined.sources.find(name) or Place(path), message, remedy)
    if total > HEAVY_ALL:
        message = f"the images have {total // 1000:,} kB together."
        yield warning("IMG-TYPE", Place("body.html"), message, f"Keep them under {HEAVY_ALL // 1000:,} kB.")

"""Images beside an issue: found, looked at, and taken into the build byte for byte.

Only what every mail client shows is taken: JPEG, PNG and GIF. An image is opened once to learn its size and to be sure
that it is one; its bytes are never changed, so what an editor saved is what readers get.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from newsletter.config import Workspace
from newsletter.editorial.library import Library
from newsletter.errors import InputError, NotFound, Place, Problem, shown_path

MAX_BYTES = 5 * 1024 * 1024
MAX_PIXELS = 40_000_000
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif"}
_USE = "Use a JPEG, PNG or GIF."


@dataclass(frozen=True)
class Asset:
    """One image as the build holds it."""

    name: str
    sha256: str
    data: bytes
    width: int  # natural, after the camera's own rotation
    height: int

    @property
    def path(self) -> str:
        return f"assets/{self.sha256}/{self.name}"


@dataclass(frozen=True)
class Picture:
    """An image in its place: where it is served, and how large it is shown."""

    url: str
    width: int
    height: int
    alt: str
    caption: str = ""
    credit: str = ""


@dataclass
class Gallery:
    """The images of one build. What cannot be used is collected in `problems`, all of it at once."""

    workspace: Workspace
    problems: list[Problem] = field(default_factory=list)
    _library: Library = field(init=False)
    _assets: dict[str, Asset] = field(default_factory=dict)  # by workspace path

    def __post_init__(self) -> None:
        self._library = Library(self.workspace.issues)

    @property
    def files(self) -> Mapping[str, bytes]:
        """The images by their path in the build's folder."""
        return {asset.path: asset.data for asset in self._assets.values()}

    @property
    def hashes(self) -> Mapping[str, str]:
        """The images' SHA-256 by their path in the workspace."""
        return {path: asset.sha256 for path, asset in self._assets.items()}

    def hang(self, name: str, *, issue: str, place: Place, slot: int, alt: str) -> Picture | None:
        """The picture for a slot of that width, or None with a problem noted at `place`."""
        try:
            path = self._library.image(issue, name)
            shown = shown_path(path, self.workspace.root)
            if shown not in self._assets:
                self._assets[shown] = read_image(path)
        except (NotFound, InputError) as reason:
            self.problems.append(Problem(place, str(reason)))
            return None
        except ImageUnusable as reason:
            self.problems.append(Problem(place, f"image `{name}` {reason}", reason.remedy))
            return None
        asset = self._assets[shown]
        width = min(asset.width, slot)
        height = max(1, round(asset.height * width / asset.width))
        url = f"{self.workspace.settings.public_url}/a/{asset.sha256}/{asset.name}"
        return Picture(url, width, height, alt)


class ImageUnusable(Exception):
    """Why an image cannot be used, to stand behind its name."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def read_image(path: Path) -> Asset:
    """Read and check an image. Raises ImageUnusable."""
    if path.stat().st_size > MAX_BYTES:
        raise ImageUnusable(
            f"is larger than {MAX_BYTES // 1024 // 1024} MB.", "Save a smaller one; 1,200 px is enough."
        )
    data = path.read_bytes()
    kind, width, height = _look(data)
    digest = hashlib.sha256(data).hexdigest()
    return Asset(_safe_name(path.stem) + _SUFFIXES[kind], digest, data, width, height)


def _look(data: bytes) -> tuple[str, int, int]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=list(_SUFFIXES)) as image:
            kind, (width, height) = str(image.format), image.size
            if width * height > MAX_PIXELS:
                raise ImageUnusable(f"has {width} x {height} pixels.", "Save a smaller one; 1,200 px is enough.")
            image.load()
            sideways = image.getexif().get(0x0112) in {5, 6, 7, 8}
    except UnidentifiedImageError:
        raise ImageUnusable(f"is {_guess(data)}, which mail clients do not show.", _USE) from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError):
        raise ImageUnusable("is damaged.", "Save it again as a JPEG or PNG.") from None
    return (kind, height, width) if sideways else (kind, width, height)


def _guess(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "a WebP"
    if data[4:12] in {b"ftypavif", b"ftypavis"}:
        return "an AVIF"
    return "an SVG" if b"<svg" in data[:2000] else "not an image, or of a kind"


def _safe_name(stem: str) -> str:
    """A name for addresses: lower-case ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "image"


def raise_problems(gallery: Gallery) -> None:
    """Raises InputError with every image that cannot be used."""
    if gallery.problems:
        raise InputError(gallery.problems)

"""A build: an issue rendered and frozen, named by the SHA-256 of its canonical manifest.

Nothing in the manifest depends on when, where or by whom it was built, so the same sources and program give the same
name on any machine. A frozen build lies in the store (what is sent) and as a folder (what people look at); neither is
ever changed afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

DEFAULT_VARIANT = "default"


@dataclass(frozen=True)
class Build:
    """A frozen build. `files` holds the bytes by their path in the build's folder.

    subject.txt, preheader.txt, body.html, body.txt: UTF-8, one trailing newline at most, LF line ends.
    variants/<name>/…: the same four files for readers in segments; the four above are of the default variant.
    manifest.json: canonical JSON. assets/<sha256>/<name>: images, as `{public_url}/a/<sha256>/<name>` serves them.
    """

    files: Mapping[str, bytes]

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.files["manifest.json"]).hexdigest()

    @cached_property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files["manifest.json"])
        return found

    @property
    def newsletter(self) -> str:
        return str(self.manifest["newsletter"])

    @property
    def issue(self) -> str:
        return str(self.manifest["issue"])

    @property
    def date(self) -> date:
        return date.fromisoformat(self.manifest["date"])

    @property
    def variants(self) -> Mapping[str, tuple[str, ...]]:
        """Each variant's name with its readers' segments: the default, then those in one, in two, in three."""
        found = {name: tuple(segments) for name, segments in self.manifest.get("combinations", {}).items()}
        return {DEFAULT_VARIANT: (), **dict(sorted(found.items(), key=lambda item: (len(item[1]), item[0])))}

    @property
    def segments(self) -> Mapping[str, str]:
        """The segments its blocks are for: their files, word for word, as they were when it was built."""
        found: Mapping[str, str] = self.manifest.get("segments", {})
        return found

    def seen_by(self, variant: str) -> Build:
        """The build as readers of that variant see it: its files stand where the default's do."""
        if variant == DEFAULT_VARIANT:
            return self
        folder = folder_of(variant)
        own = {path.removeprefix(folder): data for path, data in self.files.items() if path.startswith(folder)}
        return Build({**self.files, **own})

    @property
    def subject(self) -> str:
        return self._text("subject.txt")

    @property
    def preheader(self) -> str:
        return self._text("preheader.txt")

    @property
    def html(self) -> str:
        return self.files["body.html"].decode()

    @property
    def text(self) -> str:
        return self.files["body.txt"].decode()

    def _text(self, name: str) -> str:
        return self.files[name].decode().rstrip("\n")


def folder_of(variant: str) -> str:
    """Where a variant's files lie in the build's folder, to stand before their names."""
    return "" if variant == DEFAULT_VARIANT else f"variants/{variant}/"


def canonical_json(value: object) -> bytes:
    """The one way a manifest is written: sorted keys, no spaces, UTF-8 (after RFC 8785 for what we use of JSON)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

"""Pictures of an issue as mail programs would show it, taken by the Chromium that is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image

from newsletter.errors import Refused
from newsletter.web.desk.dressing import Scheme
from newsletter.web.desk.preview import WIDTHS

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TALLEST = 30_000  # pixels: more than any mail, less than what a picture can hold
_SECONDS = 60
_NO_PICTURE = "Chromium could not show the issue. Look at it in a browser with: newsletter preview"
_NARROWEST = 500  # Chromium opens no window narrower than that
_QUIET = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=3000",
)


def take(url: str, folder: Path) -> list[Path]:
    """One PNG for each width and colour scheme, and one without pictures. Raises Refused."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        raise Refused("Screenshots need Chromium: install it (on Debian: apt install chromium), then try again.")
    wanted = [(width, scheme.value, "on") for width in WIDTHS for scheme in Scheme] + [("desktop", "light", "off")]
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory() as profile:
        chromium = _Chromium(program, Path(profile), url)
        for width, scheme, images in wanted:
            path = folder / f"{width}-{scheme}{'' if images == 'on' else '-no-pictures'}.png"
            path.write_bytes(chromium.picture(width, scheme, images))
            made.append(path)
    return made


@dataclass
class _Chromium:
    """The browser, started anew for every question; how high the mail is does not depend on its colours."""

    program: str
    profile: Path
    url: str
    heights: dict[tuple[str, str], int] = field(default_factory=dict)

    def picture(self, width: str, scheme: str, images: str) -> bytes:
        page = f"{self.url}/measure?" + urlencode({"width": width, "scheme": scheme, "images": images})
        wide, window = WIDTHS[width], max(WIDTHS[width], _NARROWEST)
        if (width, images) not in self.heights:
            self.heights[width, images] = self._height(page, window)
        height = self.heights[width, images]
        shot = self.profile / "shot.png"
        self._run(f"--screenshot={shot}", f"--window-size={window},{height}", page)
        if not shot.is_file():
            raise Refused(_NO_PICTURE)
        made = BytesIO()
        with Image.open(shot) as whole:
            whole.crop((0, 0, wide, height)).save(made, "PNG")
        shot.unlink()
        return made.getvalue()

    def _height(self, page: str, window: int) -> int:
        measured = re.search(rb"<title>(\d{1,6})</title>", self._run("--dump-dom", f"--window-size={window},800", page))
        if measured is None:
            raise Refused(_NO_PICTURE)
        return min(max(int(measured[1]), 1), _TALLEST)

    def _run(self, *arguments: str) -> bytes:
        # As root Chromium starts without its sandbox only; the page is our own, and has no scripts but ours.
        alone = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
        return _output([self.program, *_QUIET, *alone, f"--user-data-dir={self.profile}", *arguments])


def _output(command: list[str]) -> bytes:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise Refused(f"Chromium did not answer within {_SECONDS} seconds.") from None
    except OSError as error:
        raise Refused(f"Chromium cannot be started: {error.strerror}.") from None
    return done.stdout

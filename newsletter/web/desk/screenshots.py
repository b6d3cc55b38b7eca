"""Pictures of an issue as mail programs would show it, taken by the Chromium that is installed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from newsletter.errors import Refused
from newsletter.web.desk.chromium import running
from newsletter.web.desk.dressing import Scheme
from newsletter.web.desk.preview import WIDTHS

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TALLEST = 30_000  # pixels: more than any mail, less than what a picture can hold


def take(url: str, folder: Path) -> list[Path]:
    """One PNG for each width and colour scheme, and one without pictures. Raises Refused."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        raise Refused("Screenshots need Chromium: install it (on Debian: apt install chromium), then try again.")
    wanted = [(width, scheme.value, "on") for width in WIDTHS for scheme in Scheme] + [("desktop", "light", "off")]
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, running(program, profile) as chromium:
        for width, scheme, images in wanted:
            page = f"{url}/measure?" + urlencode({"width": width, "scheme": scheme, "images": images})
            height = min(max(chromium.open(page, width=WIDTHS[width]), 1), _TALLEST)
            path = folder / f"{width}-{scheme}{'' if images == 'on' else '-no-pictures'}.png"
            path.write_bytes(chromium.picture(width=WIDTHS[width], height=height))
            made.append(path)
    return made

"""How soon the preview shows a change: from a story saved to the new page read, on the sample issue, warm.

    python bench/preview.py [--runs N]

Prints one JSON line; times are seconds over a real server and HTTP, the wait for the file system's news included. The
plain alternative, in turn with it: `newsletter build ISSUE` after each change, a new process, as who had
no preview would type it; in a workspace of its own, so that neither hears of the other's changes.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from newsletter.app import make_workspace

ISSUE = "2024-10-10"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        root, other = Path(folder) / "newsroom", Path(folder) / "beside"
        for made in (root, other):
            make_workspace(made, sample=True).store.close()
        command = [sys.executable, "-m", "newsletter", "--workspace", str(root), "preview", ISSUE]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as preview:
            try:
                url = _address(preview)
                rounds = [(_change(root, url, run), _built(other, run)) for run in range(runs + 1)][1:]  # one warms up
            finally:
                preview.terminate()
    result = {"bench": "preview", "issue": ISSUE, "runs": runs}
    shown, built = zip(*rounds, strict=True)
    result |= {"median_s": round(statistics.median(shown), 3), "worst_s": round(max(shown), 3)}
    result |= {"plain_median_s": round(statistics.median(built), 3), "plain_worst_s": round(max(built), 3)}
    result["ratio"] = round(statistics.median(built) / statistics.median(shown), 2)
    print(json.dumps(result))


def _address(preview: subprocess.Popen[str]) -> str:
    """Where the page is, as the command says it."""
    assert preview.stdout is not None
    found = re.search(r"http://[\w.]+:\d+", preview.stdout.readline())
    assert found is not None
    return found[0]


def _change(root: Path, url: str, run: int) -> float:
    """Save the story with a word of its own, and wait as the page does; the seconds until it stands in the mail."""
    number = re.search(r'data-number="(\d+)"', _read(f"{url}/"))
    assert number is not None
    begun, word = _saved(root, run)
    _read(f"{url}/changed?after={number[1]}")
    while word not in _read(f"{url}/frame/mail") or not _read(f"{url}/"):
        if time.perf_counter() - begun > 60:
            raise SystemExit("The change did not show within a minute.")
    return time.perf_counter() - begun


def _built(root: Path, run: int) -> float:
    """The same without a preview: the seconds until a new process has built the page."""
    begun, word = _saved(root, run)
    command = [sys.executable, "-m", "newsletter", "--workspace", str(root), "build", ISSUE, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    page = Path(json.loads(done.stdout)["path"]) / "body.html"
    if word not in page.read_text(encoding="utf-8"):
        raise SystemExit("The change is not in the build.")
    return time.perf_counter() - begun


def _saved(root: Path, run: int) -> tuple[float, str]:
    """Put a word of its own into the story; when it was saved, and the word."""
    story, word = root / "issues" / ISSUE / "walls.md", f"Changed{run}"
    text = re.sub(r"\n\+\+\+\n\s*(?:Changed\d+ )?", f"\n+++\n\n{word} ", story.read_text(encoding="utf-8"), count=1)
    begun = time.perf_counter()
    story.write_text(text, encoding="utf-8")
    return begun, word


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


if __name__ == "__main__":
    main()

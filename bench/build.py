"""How long an editor waits: building the sample issue in a cold process, beside bare premailer on the same HTML.

    python bench/build.py [--runs N]

Prints one JSON line; times are medians in seconds of whole processes, start-up included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from newsletter.app import make_workspace

ISSUE = "2024-10-10"
BARE = "import pathlib, sys, premailer; premailer.transform(pathlib.Path(sys.argv[1]).read_text(), allow_network=False)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "newsroom"
        make_workspace(root, sample=True).store.close()
        command = [sys.executable, "-m", "newsletter", "--workspace", str(root)]
        built = json.loads(_run([*command, "build", ISSUE, "--json"]))
        body = Path(built["path"]) / "body.html"
        build = _median([*command, "build", ISSUE, "--json"], runs)
        check = _median([*command, "check", ISSUE, "--json"], runs)
        bare = _median([sys.executable, "-c", BARE, str(body)], runs)
    result = {
        "bench": "build",
        "issue": ISSUE,
        "html_bytes": built["html_bytes"],
        "build_s": round(build, 3),
        "check_s": round(check, 3),
        "bare_premailer_s": round(bare, 3),
        "ratio": round(build / bare, 2),
        "runs": runs,
    }
    print(json.dumps(result))


def _median(command: list[str], runs: int) -> float:
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        _run(command)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode > 1:  # 1 is a finding: the sample issue is old
        sys.exit(f"{' '.join(command)} failed with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main()

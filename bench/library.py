"""What ten years of issues cost an editor: `check` and `build`, searching, and the index after one change.

    python bench/library.py [--sizes 300 3000 30000] [--runs N]

Prints one JSON line for each size; times are processor seconds of whole processes, start-up included, so that a busy
machine does not blur them; of the warm runs the median. `cold_check_s` is the first command ever, which reads every
file; `plain_s` reads and parses every story, as each command would have to without an index.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from newsletter.app import make_workspace
from newsletter.editorial.library import Library
from newsletter.editorial.refresh import refresh

ISSUE = "2024-10-10"
TODAY = date(2024, 10, 10)
A_DAY = 8  # stories in an issue
WORDS = [
    "harbour",
    "minister",
    "rail",
    "budget",
    "school",
    "border",
    "river",
    "senate",
    "strike",
    "court",
    "storm",
    "vote",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 3_000, 30_000])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    for stories in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(Path(folder) / "newsroom", stories, arguments.runs)), flush=True)


def measure(root: Path, stories: int, runs: int) -> dict[str, object]:
    app = make_workspace(root, sample=True)
    write_archive(root / "issues", stories)
    time.sleep(2.1)  # younger files are read again, as they should be
    command = [sys.executable, "-m", "newsletter", "--workspace", str(root)]
    cold = _time([*command, "check", ISSUE, "--json"])
    warm = {
        name: _median([*command, *words], runs)
        for name, words in {
            "check_s": ("check", ISSUE, "--json"),
            "build_s": ("build", ISSUE, "--json"),
            "search_s": ("story", "search", "senate", "harbour", "--json"),
            "questions_s": ("question", "list", "--json"),
            "issues_s": ("issue", "list", "--json"),
        }.items()
    }
    library = Library(root / "issues")
    begun = time.process_time()
    refresh(app.store, library)
    nothing = time.process_time() - begun
    changed = root / "issues" / ISSUE / "rail.md"
    changed.write_text(changed.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    begun = time.process_time()
    refresh(app.store, Library(root / "issues"))
    one = time.process_time() - begun
    begun = time.process_time()
    count = sum(1 for _ in Library(root / "issues").stories())
    plain = time.process_time() - begun
    app.store.close()
    result = {"bench": "library", "stories": count, "cold_check_s": cold, **warm, "runs": runs}
    result |= {"refresh_nothing_s": nothing, "refresh_one_change_s": one, "plain_s": plain}
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in result.items()}


def write_archive(issues: Path, stories: int) -> None:
    """Issues back from the day before the samples, each with its stories, questions and answers."""
    chance = random.Random(7)
    for number in range(stories // A_DAY):
        day = (TODAY - timedelta(days=number + 3)).isoformat()
        folder = issues / day
        folder.mkdir()
        names = [f"story-{place}" for place in range(A_DAY)]
        listed = ", ".join(f'"{name}"' for name in names[1:])
        definition = f'newsletter = "daily"\ndate = {day}\nsubject = "The news of {day}"\n'
        definition += f'[[blocks]]\ntype = "lead"\nstory = "{names[0]}"\n'
        definition += f'[[blocks]]\ntype = "stories"\nstories = [{listed}]\n'
        (folder / "issue.toml").write_text(definition, encoding="utf-8")
        for place, name in enumerate(names):
            title = " ".join(chance.sample(WORDS, 4)).capitalize()
            body = "\n\n".join(" ".join(chance.choices(WORDS, k=60)).capitalize() + "." for _ in range(4))
            question = f'[[asks]]\nid = "q-{day}"\nquestion = "Will the {chance.choice(WORDS)} hold?"\n'
            asks = question if place == 0 else ""
            tags = json.dumps(chance.sample(WORDS, 3))
            text = f'+++\ntitle = "{title}"\ntags = {tags}\nsection = "world"\n{asks}+++\n\n{body}\n'
            (folder / f"{name}.md").write_text(text, encoding="utf-8")


def _median(command: list[str], runs: int) -> float:
    return statistics.median(_time(command) for _ in range(runs))


def _time(command: list[str]) -> float:
    begun = _of_children()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode > 1:  # 1 is a finding: the sample issue is old
        sys.exit(f"{' '.join(command)} failed with {done.returncode}: {done.stderr}")
    return _of_children() - begun


def _of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    main()

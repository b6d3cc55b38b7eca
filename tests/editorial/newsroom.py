"""A newsroom of small files, written as an editor would."""

from __future__ import annotations

from pathlib import Path

HEAD = 'newsletter = "{newsletter}"\ndate = {date}\n'


class Newsroom:
    """Writes stories and issues into a workspace as an editor would."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def story(self, story_id: str, front: str = "", *, body: str = "Text.") -> None:
        title = "" if front.startswith("title") else f'title = "{story_id}"\n'
        self.write(f"issues/{story_id}.md", f"+++\n{title}{front}\n+++\n\n{body}\n")

    def issue(self, issue: str, blocks: str = "", *, day: str = "", newsletter: str = "daily") -> None:
        """An issue with a lead, unless `blocks` has one; its date is its name's beginning."""
        head = HEAD.format(newsletter=newsletter, date=day or issue[:10])
        if 'type = "lead"' not in blocks and 'type = "intro"' not in blocks:
            blocks = '[[blocks]]\ntype = "intro"\nbody = "Good morning."\n' + blocks
        self.write(f"issues/{issue}/issue.toml", head + blocks)

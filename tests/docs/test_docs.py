"""The documents tell the truth: a test fails when they do not."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _tracked_folders() -> set[str]:
    package = ROOT / "newsletter"
    return {
        path.relative_to(ROOT).as_posix() + "/"
        for path in [package, *package.rglob("*")]
        if path.is_dir() and path.name != "__pycache__" and any(path.glob("*.*"))
    }


def test_the_map_names_every_folder_and_module_of_the_program_and_nothing_else() -> None:
    text = (DOCS / "map.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\s*-? ?`(newsletter/[^`]*)`", text, re.MULTILINE))
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "newsletter").rglob("*.py")
        if path.name != "__init__.py" and "versions" not in path.parts
    }
    assert {name for name in named if name.endswith(".py")} == modules
    assert {name for name in named if name.endswith("/")} <= _tracked_folders()


def test_every_dependency_has_its_line_of_why() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[A-Za-z0-9_-]+", requirement)[0] for requirement in wanted}  # type: ignore[index]
    rows = re.findall(
        r"^\| ([a-z0-9_, -]+) \| (.+) \|$", (DOCS / "dependencies.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    explained = {name.strip() for cell, why in rows if len(why) > 10 for name in cell.split(",")} - {"package"}
    assert explained == names


def test_every_dependency_is_pinned_with_hashes_and_without_an_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    blocks = re.split(r"\n(?=\S)", lock.strip())
    assert len(blocks) > 50
    for block in blocks:
        assert re.match(r"[A-Za-z0-9_.-]+==\S+( ; .+)? \\\n +--hash=sha256:", block), block.splitlines()[0]


def test_every_invariant_names_tests_that_exist() -> None:
    text = (DOCS / "invariants.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) >= 9
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"


def test_every_link_between_the_documents_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_every_rule_of_preflight_is_documented() -> None:
    from newsletter.preflight.rules import RULES

    text = (DOCS / "rules.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| ([A-Z][A-Z0-9-]+) \|", text, re.MULTILINE)) == set(RULES)


def test_every_block_type_is_documented() -> None:
    from typing import get_args

    from newsletter.editorial.definition import Block

    union = get_args(Block)[0]
    types = {tag for model in get_args(union) for tag in get_args(model.model_fields["type"].annotation)}
    text = (DOCS / "writing.md").read_text(encoding="utf-8")
    documented = {
        name.strip()
        for row in re.findall(r"^\| `([a-z, `-]+)` \|", text, re.MULTILINE)
        for name in row.replace("`", "").split(",")
    }
    assert documented >= types


def test_every_command_in_the_readme_exists() -> None:
    from typer.testing import CliRunner

    from newsletter.cli.root import cli

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    groups = {command.name for command in cli.registered_groups}
    for line in sorted(set(re.findall(r"`newsletter ([a-z ]+)", text))):
        words = line.split()
        command = words[:2] if words[0] in groups else words[:1]
        assert CliRunner().invoke(cli, [*command, "--help"]).exit_code == 0, " ".join(command)


HEAVY = ("tree_sitter", "boto3", "botocore", "sqlalchemy", "lxml", "fastapi", "uvicorn", "pydantic", "PIL")


def test_help_answers_without_loading_anything_heavy() -> None:
    """`newsletter --help` starts fast."""
    code = (
        "import sys\n"
        "from newsletter.cli.root import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', *[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"

"""Settings: one reader, every problem named with its place, secrets kept apart."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from newsletter.config import Workspace, find_workspace, open_workspace, shipped
from newsletter.errors import InputError, NotFound
from newsletter.settings import Settings

MINIMAL = """\
[newsletters.daily]
name = "Daily"
list_id = "daily.example.org"
from_name = "Daily"
from_address = "daily@example.org"
timezone = "America/New_York"
organisation = "Daily"
postal_address = "1 Example Street"
why_receiving = "You signed up."
"""


def _open(root: Path, config: str, secrets: str | None = None) -> Workspace:
    root.mkdir(exist_ok=True)
    (root / "config.toml").write_text(config, encoding="utf-8")
    if secrets is not None:
        (root / "secrets.toml").write_text(secrets, encoding="utf-8")
        (root / "secrets.toml").chmod(0o600)
    return open_workspace(root)


def _edit(old: str, new: str) -> str:
    assert old in MINIMAL
    return MINIMAL.replace(old, new)


BROKEN = Path(__file__).parents[1] / "broken" / "configs"


@pytest.mark.parametrize("case", sorted(path.stem for path in BROKEN.glob("*.toml")))
def test_a_broken_config_is_refused_with_its_line_and_what_would_be_right(tmp_path: Path, case: str) -> None:
    """Each file in tests/broken/configs has the exact message beside it."""
    with pytest.raises(InputError) as refused:
        _open(tmp_path, (BROKEN / f"{case}.toml").read_text(encoding="utf-8"))
    assert str(refused.value) + "\n" == (BROKEN / f"{case}.txt").read_text(encoding="utf-8")


def test_every_problem_of_a_config_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        _open(tmp_path, _edit("America/New_York", "Mars") + "extra = 1\n[web]\nport = 0\n")
    assert [problem.place.line for problem in refused.value.problems] == [6, 10, 12]


def test_a_folder_in_the_place_of_the_config_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(NotFound, match=r"config\.toml is a folder"):
        open_workspace(tmp_path)


def test_a_config_that_is_not_utf8_is_refused_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b'public_url = "https://a.example"\nx = "\xff"\n')
    with pytest.raises(InputError, match=r"config\.toml:2: is not UTF-8 text"):
        open_workspace(tmp_path)


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text(MINIMAL + '[transport]\nkind = "outbox"\n', encoding="utf-8")
    monkeypatch.setenv("NEWSLETTER_TRANSPORT__KIND", "ses")
    monkeypatch.setenv("NEWSLETTER_NEWSLETTERS__DAILY__NAME", "Nightly")
    settings = open_workspace(tmp_path).settings
    assert (settings.transport.kind, settings.newsletters["daily"].name) == ("ses", "Nightly")


def test_a_wrong_variable_is_named_as_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_TRANSPORT__KIND", "sess")
    with pytest.raises(InputError) as refused:
        _open(tmp_path, MINIMAL)
    assert str(refused.value).startswith("environment variable NEWSLETTER_TRANSPORT__KIND: `transport.kind` cannot be")


def test_a_bare_word_for_a_whole_table_names_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_TRANSPORT", "ses")
    with pytest.raises(InputError) as refused:
        _open(tmp_path, MINIMAL)
    assert str(refused.value) == (
        "environment variable NEWSLETTER_TRANSPORT: `transport` is a table, not a word. "
        "Set one of its keys, such as NEWSLETTER_TRANSPORT__KIND, or write it as JSON."
    )


@pytest.mark.parametrize(
    "url", ["http://simulator.example.com", "http://10.0.0.1:8005", "http://127.0.0.1.example.org"]
)
def test_events_are_fetched_from_this_machine_only(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="must be on this machine"):
        _open(tmp_path, f'{MINIMAL}[feedback]\nsimulator_url = "{url}"\n')


@pytest.mark.parametrize(
    "place", ["ann:hunter2@db.example.org/news", "ann:hunter2#/?@db.example.org/news", "db/news?password=hunter2"]
)
def test_a_password_in_the_shared_file_is_refused_without_showing_it(tmp_path: Path, place: str) -> None:
    with pytest.raises(InputError) as refused:
        _open(tmp_path, MINIMAL + f'[store]\nurl = "postgresql://{place}"\n')
    assert "a password does not belong here" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_the_database_address_may_stand_with_the_secrets(tmp_path: Path) -> None:
    url = "postgresql://ann:hunter2@db.example.org/news"
    workspace = _open(tmp_path, MINIMAL, f'[store]\nurl = "{url}"\n')
    assert workspace.store_url == url.replace("postgresql:", "postgresql+psycopg:")


def test_policies_are_in_the_order_of_their_dates(tmp_path: Path) -> None:
    older, newer = (
        f'{{ version = "{v}", effective = {d}, change = "notice", summary = "x" }}'
        for v, d in (("1", "2024-01-01"), ("2", "2024-02-01"))
    )
    with pytest.raises(InputError, match="the oldest first"):
        _open(tmp_path, MINIMAL + f"policies = [{newer}, {older}]\n")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "is empty"),
        ("  ", "holds other things than mails"),
        ("/", "/ holds other things than mails"),
        (".", "holds other things than mails"),
        ("..", "holds other things than mails"),
        ("issues/mails", "holds other things than mails"),
        ("var", "holds other things than mails"),
        ("config.toml", "config.toml is a file, not a folder"),
        ("config.toml/mails", "config.toml is a file, not a folder"),
        ("~/mails", "`~` stands for no folder"),
        ("a\\nb", "must be one line"),
    ],
)
def test_an_outbox_that_cannot_hold_mails_is_refused_at_its_line(tmp_path: Path, path: str, why: str) -> None:
    with pytest.raises(InputError) as refused:
        _open(tmp_path / "newsroom", MINIMAL + f'[outbox]\npath = "{path}"\n')
    [problem] = refused.value.problems
    assert problem.place.line == 11
    assert "outbox.path" in problem.message
    assert why in problem.message


@pytest.mark.parametrize("path", ["var/outbox", "mails", "../mails", "{outside}/of/it"])
def test_an_outbox_may_lie_anywhere_else(tmp_path: Path, path: str) -> None:
    path = path.format(outside=tmp_path)
    assert _open(tmp_path / "newsroom", MINIMAL + f'[outbox]\npath = "{path}"\n').settings.outbox.path == path


def test_a_variable_that_sets_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_TRANSPRT__KIND", "ses")
    with pytest.raises(InputError) as refused:
        _open(tmp_path, MINIMAL)
    assert str(refused.value) == (
        "environment variable NEWSLETTER_TRANSPRT__KIND: unknown setting `transprt`. Did you mean `transport`?"
    )


def test_secrets_others_can_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(MINIMAL, encoding="utf-8")
    secrets = tmp_path / "secrets.toml"
    secrets.write_text("[keys]\n", encoding="utf-8")
    secrets.chmod(0o644)
    with pytest.raises(InputError, match=r"secrets\.toml: other users can read it\. Run: chmod 600"):
        open_workspace(tmp_path)


def test_a_malformed_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        _open(tmp_path, MINIMAL, '[keys]\nhash = "hunter2"\n')
    assert "secrets.toml:2" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_secrets_are_never_in_the_settings_text(tmp_path: Path, make_workspace: Callable[..., Path]) -> None:
    root = make_workspace()
    secret = tomllib.loads((root / "secrets.toml").read_text())["keys"]["hash"]
    assert secret not in repr(open_workspace(root))


def test_the_nearest_folder_upwards_with_a_config_is_the_workspace(make_workspace: Callable[..., Path]) -> None:
    root = make_workspace()
    deep = root / "issues" / "2024-10-10"
    deep.mkdir()
    assert find_workspace(deep) == root.resolve()


def test_without_a_workspace_the_remedy_is_init(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="newsletter init DIR"):
        open_workspace(tmp_path)


def test_the_example_is_valid_and_shows_every_setting() -> None:
    """Each setting stands in config.example.toml, as a value or as a comment that would be valid."""
    text = shipped("config.example.toml").read_text(encoding="utf-8")
    whole = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in text.splitlines()
    )
    shown = Settings(**tomllib.loads(whole)).model_dump(exclude_unset=True)
    Settings(**tomllib.loads(text))
    hidden = {"keys", "smtp.password"}  # secrets.toml
    assert _names(Settings, shown) - hidden == set()


def _names(model: type[BaseModel], shown: dict[str, object]) -> set[str]:
    """The settings of a model that `shown` leaves out."""
    left: set[str] = set()
    for name, field in model.model_fields.items():
        value = shown.get(name)
        if name not in shown:
            left.add(name)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            left |= {f"{name}.{inner}" for inner in _names(field.annotation, value)}  # type: ignore[arg-type]
    if "newsletters" in shown:
        left |= {f"newsletters.{key}" for key in _names_of_newsletters(shown["newsletters"])}
    return left


def _names_of_newsletters(tables: object) -> set[str]:
    from newsletter.settings import NewsletterSettings

    assert isinstance(tables, dict)
    return {key for table in tables.values() for key in set(NewsletterSettings.model_fields) - set(table)}


@pytest.mark.parametrize("url", ["http://[x", "http://h:99999999", "http://h/{{first_name|x}}", 'http://h/"><script>'])
def test_an_address_that_is_no_plain_http_address_is_refused(
    url: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes into every mail's links and headers: quotes, brackets, merge fields and bad ports stay out."""
    monkeypatch.setenv("NEWSLETTER_PUBLIC_URL", url)
    with pytest.raises(InputError, match="public_url"):
        open_workspace(workspace)

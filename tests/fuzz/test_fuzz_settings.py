"""Whatever is typed, exported or written to a file: a configuration, or an error in words."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent.settings.config import StudyConfig
from agent.settings.sources import dump_config, load_config, load_file
from agent.settings.table import sections, settings
from tests.fuzz.settings import EXAMPLES, check_words, fuzzed
from tools.errors import AugurError
from tools.files import write_whole

KEYS = [*settings(), *sections(), "search.iteration", "data", "", "llm.api_key", "🦊"]
WORDS = st.one_of(
    st.sampled_from(
        ["none", "null", "nan", "inf", "-1", "0", "1e999", "1_0", "true", "off", "", "[]", "{}", "~"]
    ),
    st.sampled_from(
        ["resnet18", "openai:gpt", "llm", "a,b", '["a", "b"]', "2-3", "3-2", "1/5", "http://x:y@z/"]
    ),
    st.integers().map(str),
    st.floats().map(str),
    st.text(st.characters(exclude_categories=()), max_size=20),
)


def check(build: object) -> StudyConfig | None:
    """The configuration that `build` makes; None where it is refused in words."""
    try:
        made = build()  # type: ignore[operator]
    except AugurError as error:
        check_words(error)
        return None
    except SystemExit:  # --help
        return None
    return made


@fuzzed(0.2)
@given(st.lists(st.tuples(st.sampled_from(KEYS), WORDS), max_size=4))
def test_any_flags(pairs: list[tuple[str, str]]) -> None:
    words = [word for key, value in pairs for word in (f"--{key}", value)]
    check(lambda: load_config(words, {})[0])


@fuzzed(0.2)
@given(st.dictionaries(st.sampled_from(KEYS), WORDS, max_size=4))
def test_any_environment(values: dict[str, str]) -> None:
    environ = {f"AGENT_{key.replace('.', '__').upper()}": value for key, value in values.items()}
    check(lambda: load_config([], environ)[0])


@fuzzed(0.2)
@given(
    st.one_of(st.text(), st.dictionaries(st.sampled_from(KEYS), WORDS, max_size=4)), st.binary(max_size=40)
)
def test_any_file_and_what_is_accepted_survives_being_stored(
    tmp_path_factory, written: str | dict[str, str], tail: bytes
) -> None:
    folder = EXAMPLES.folder(tmp_path_factory)
    path = folder / "config.yaml"
    text = written if isinstance(written, str) else _as_yaml(written)
    path.write_bytes(text.encode("utf-8", "surrogatepass") + (tail if isinstance(written, str) else b""))
    config = check(lambda: load_config(["--config", str(path)], {})[0])
    if config is not None:
        _round_trip(config, folder / "stored.yaml")


def _as_yaml(values: dict[str, str]) -> str:
    tree: dict[str, object] = {}
    for key, value in values.items():
        *parents, name = key.split(".")
        place = tree
        for parent in parents:
            below = place.setdefault(parent, {})
            place = below if isinstance(below, dict) else {}
        place[name] = value
    import yaml

    return yaml.dump(tree, allow_unicode=True)


def _round_trip(config: StudyConfig, path: Path) -> None:
    import yaml

    write_whole(path, yaml.safe_dump(dump_config(config), allow_unicode=True).encode())
    again = check(lambda: load_file(path, {}))
    assert again is None or dump_config(again) == dump_config(config)

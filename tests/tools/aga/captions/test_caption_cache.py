"""Captions are kept by their content: no study asks twice, none loses what it has, and one asks for all."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.aga.captions.caption_cache import CachedCaptioner
from tools.aga.captions.captioners import open_captioner
from tools.aga.captions.template import TemplateCaptioner
from tools.aga.config import CaptionConfig
from tools.aga.types import Caption
from tools.errors import AugurError, ConfigurationError

WALL = ("a photograph of", "a stone wall", "at dusk")
POND = ("a close-up of", "a still pond", "in fog")
REEDS = ("a wide view of", "a reed bed", "in winter")


class Counting:
    """A captioner that tells what it was asked; from `fails_at` on, it fails."""

    identity = "counting"

    def __init__(self, fails_at: int = 99) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self._fails_at = fails_at

    def caption(self, combinations: Sequence[tuple[str, str, str]], avoid: Sequence[str]) -> list[Caption]:
        if len(self.asked) >= self._fails_at:
            raise ConnectionError("the wire is cut")
        self.asked += combinations
        return [Caption(f"{each[1]} {len(self.asked)}", *each, "llm", 1) for each in combinations]


class TestCache:
    def test_nothing_is_asked_twice_in_one_study_or_in_the_next(self, tmp_path: Path) -> None:
        first, second = Counting(), Counting()
        made = CachedCaptioner(first, tmp_path).caption([WALL, POND, WALL], ["bird", "egg"])
        again = CachedCaptioner(second, tmp_path).caption([POND, WALL, REEDS], ["egg", "bird"])
        assert made[0] == made[2] == again[1]
        assert made[1] == again[0]
        assert first.asked == [WALL, POND]
        assert second.asked == [REEDS]

    def test_other_words_to_avoid_and_other_captioners_have_captions_of_their_own(
        self, tmp_path: Path
    ) -> None:
        inner, other = Counting(), Counting()
        other.identity = "another"
        CachedCaptioner(inner, tmp_path).caption([WALL], ["bird"])
        CachedCaptioner(inner, tmp_path).caption([WALL], ["egg"])
        CachedCaptioner(other, tmp_path).caption([WALL], ["egg"])
        assert inner.asked == [WALL, WALL]
        assert other.asked == [WALL]

    def test_what_was_made_before_a_failure_is_kept(self, tmp_path: Path) -> None:
        broken, working = Counting(fails_at=2), Counting()
        with pytest.raises(ConnectionError, match="the wire is cut"):
            CachedCaptioner(broken, tmp_path, batch_size=1).caption([WALL, POND, REEDS], [])
        CachedCaptioner(working, tmp_path).caption([WALL, POND, REEDS], [])
        assert working.asked == [REEDS]

    def test_a_damaged_file_is_made_again(self, tmp_path: Path) -> None:
        CachedCaptioner(Counting(), tmp_path).caption([WALL], [])
        (file,) = tmp_path.rglob("*.json")
        for content in ("", "{", "{}", '{"caption": {"text": 1}}', "[]"):
            file.write_text(content)
            inner = Counting()
            (caption,) = CachedCaptioner(inner, tmp_path).caption([WALL], [])
            assert inner.asked == [WALL]
            assert CachedCaptioner(Counting(), tmp_path).caption([WALL], []) == [caption]

    def test_of_two_studies_at_once_one_asks(self, tmp_path: Path) -> None:
        inner = Counting()
        made: list[list[Caption]] = []

        def study() -> None:
            made.append(CachedCaptioner(inner, tmp_path, batch_size=1).caption([WALL, POND], []))

        threads = [threading.Thread(target=study) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(inner.asked) == sorted([WALL, POND])
        assert made == [made[0]] * 4

    def test_a_folder_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(AugurError, match=r"file.*--runs-dir"):
            CachedCaptioner(Counting(), tmp_path / "file").caption([WALL], [])


class TestChoice:
    def test_the_template_needs_nothing(self, tmp_path: Path) -> None:
        assert isinstance(open_captioner(CaptionConfig(), tmp_path), TemplateCaptioner)

    def test_a_model_is_asked_once_for_a_caption(self, tmp_path: Path) -> None:
        asked: list[str] = []

        def ask(system: str, user: str) -> str:
            asked.append(user)
            return '[{"number": 1, "caption": "A wall."}]'

        config = CaptionConfig(kind="llm")
        made = [
            open_captioner(config, tmp_path, ask, "openai:one").caption([WALL], ["bird"]) for _ in range(2)
        ]
        assert made[0] == made[1] == [Caption("A wall.", *WALL, "llm", 1)]
        assert len(asked) == 1

    def test_a_model_that_failed_is_asked_again_by_the_next_run(self, tmp_path: Path) -> None:
        config = CaptionConfig(kind="llm")

        def caption(answer: str) -> Caption:
            return open_captioner(config, tmp_path, lambda *_: answer, "openai:one").caption(
                [WALL], ["bird"]
            )[0]

        assert caption("no idea").origin == "template"
        written = caption('[{"number": 1, "caption": "A wall."}]')
        assert (written.text, written.origin) == ("A wall.", "llm")
        assert caption("no idea") == written

    def test_without_a_model_the_error_says_what_to_set(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"aga\.caption\.kind.*--aga\.llm"):
            open_captioner(CaptionConfig(kind="llm"), tmp_path)

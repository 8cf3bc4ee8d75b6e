"""report.html: everything on it is escaped, loads nothing, and can be read on a phone, in the dark and on paper."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from agent.reports.files import explained_parts
from evaluators.explanation import Calibration, CorruptionLine, Corruptions, Explanation, Frozen, Measured
from evaluators.explanation import Picture as Drawn
from evaluators.report.class_gains import class_gains, confusion_of
from evaluators.report.comparison import Versus, verdict_between
from evaluators.report.page import NAME, write_page
from evaluators.report.plots import search_figure
from evaluators.report.report import Report, write_markdown
from evaluators.report.sections import Backgrounds, Picture, RaceSection, RunningTrial, SimpleLine
from evaluators.report.stored import read_report, write_report
from evaluators.report.svg import ON_PAGE, inline
from tests.chromium import browser, needs_chromium
from tests.evaluators.test_report import SIX, comparison, report, scores
from tools.errors import AugurError

ATTACK = "<script>document.title = 'taken'</script><img src=x onerror=alert(1)> \"'><b>"
HEADINGS = [
    "Result",
    "How sure, and against what",
    "In a race with other ways of searching",
    "The path of the search",
    "By class",
    "New backgrounds",
]


def attributes_of(text: str) -> set[str]:
    """Names of the attributes of all elements."""
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.update(name for name, _ in attrs)

    Reader().feed(text)
    return found


def whole(**more) -> Report:
    """A report that has every section, with markup wherever text comes from outside."""
    control = scores([[0, 0, 1, 1, 2, 0], SIX, [0] * 6], SIX)
    treated = scores([[0, 1, 1, 1, 2, 2], SIX, [0, 0, 1, 2, 2, 2]], SIX)
    verdict = verdict_between(treated, control, None)
    assert verdict is not None
    names = ["a", ATTACK, "c"]
    made = report(
        comparison(control, None, "reference"),
        comparison(treated, control),
        title=ATTACK,
        sentence=f"Use it: {ATTACK}",
        warnings=[ATTACK],
        versus=[Versus("default", verdict)],
        simple=[
            SimpleLine("no augmentation", "reference", 0.8, 0.01),
            SimpleLine("default", "baseline", 0.9, None),
        ],
        classes=class_gains(treated, control, names, None),
        confusions=[confusion_of(ATTACK, treated, names)],
        made=Backgrounds("iteration 1", [("subject", ATTACK)], ATTACK, {"mask": {"passed": 3}}, [ATTACK]),
        pictures=[Picture("sheet.png", ATTACK, ATTACK)],
        spending=[("trainings", "3")],
        races=[RaceSection(ATTACK, ATTACK, ATTACK, [ATTACK], ["arm", ATTACK], [[ATTACK, "+0.1 [0.0, 0.2]"]])],
        commands=[("again", f"agent run --study {ATTACK}")],
        python=f"# {ATTACK}",
    )
    lines = [
        replace(line, hypothesis=ATTACK, policy=ATTACK, learned=ATTACK, expected=0.01 * n, number=n)
        for n, line in enumerate(made.iterations, start=1)
    ]
    return replace(made, iterations=[*lines, replace(lines[0], number=3, gain=0.02)], **more)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    Image.fromarray(np.zeros((40, 3000, 3), np.uint8)).save(folder / "sheet.png")
    return write_page(whole(), folder, explain_command="agent explain s")


def test_what_comes_from_outside_is_text_on_the_page(page):
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == 1  # our own
    assert "onerror=alert(1)&gt;" in text
    assert "<img src=x" not in text
    assert len(re.findall("<img ", text)) == 1
    assert 'width="1400"' in text  # the picture is no larger than it is shown


def test_the_policy_of_the_page_allows_its_own_style_and_script_and_nothing_else(page):
    text = page.read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy.startswith("default-src &#39;none&#39;")
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy
    body = text[text.index("<body>") :]
    attributes = attributes_of(body)
    assert "class" in attributes
    assert not {name for name in attributes if name == "style" or name.startswith("on")}
    assert "://" not in re.sub(r"http://www\.w3\.org/[\w/]+", "", text)  # the names of SVG


def test_a_plot_has_no_colour_of_its_own_and_no_id_twice():
    drawn = [inline(search_figure(whole(), ON_PAGE), name, "A title", "In words") for name in ("one", "two")]
    ids: list[str] = []
    for text in drawn:
        root = ElementTree.fromstring(text)
        assert [child.tag.rpartition("}")[2] for child in root][:2] == ["title", "desc"]
        for element in root.iter():
            assert "style" not in element.attrib
            assert element.attrib.get("fill", "none") in ("none",)
            assert element.attrib.get("stroke", "none") in ("none",)
            ids += [element.attrib["id"]] if "id" in element.attrib else []
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:href="|url\()#([\w-]+)', "".join(drawn)):
        assert reference in ids


@needs_chromium
def test_in_a_browser_the_page_is_whole_quiet_and_as_wide_as_a_phone(page):
    with browser() as opened:
        for width in (390, 1400):
            opened.open(page, width)
            assert opened.evaluate("document.documentElement.scrollWidth") <= width
            assert opened.evaluate("document.title") != "taken"
            headings = opened.evaluate("[...document.querySelectorAll('h2')].map(each => each.textContent)")
            assert headings[: len(HEADINGS)] == HEADINGS
            assert opened.evaluate("[...document.images].every(each => each.alt && each.naturalWidth > 0)")
            assert opened.evaluate("document.querySelectorAll('table:not(:has(caption))').length") == 0
            assert opened.evaluate("document.querySelectorAll('button.copy:not([hidden])').length") == 2
            unnamed = "[...document.querySelectorAll('svg.plot')].filter(each => !each.querySelector('title')).length"
            assert opened.evaluate(unnamed) == 0
        light = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        opened.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}]
        )
        assert opened.evaluate("getComputedStyle(document.body).backgroundColor") != light
        assert opened.call("Page.printToPDF")["data"]
    assert opened.complaints == []
    assert set(opened.requests) == {page.as_uri()}


def test_a_study_that_runs_has_a_page_that_is_loaded_again_and_says_what_trains(tmp_path):
    made = whole(state="running", running=[RunningTrial("iteration 3, seed 0", 4, 10, 0.5)], comparisons=())
    text = write_page(made, tmp_path, refresh=7).read_text(encoding="utf-8")
    assert '<meta http-equiv="refresh" content="7">' in text
    assert "iteration 3, seed 0" in text
    assert "4 of 10" in text
    assert "How sure, and against what" not in text
    assert "refresh" not in write_page(whole(), tmp_path).read_text(encoding="utf-8").split("<body>")[0]


def test_a_picture_that_is_gone_or_does_not_fit_leaves_no_hole(tmp_path):
    text = write_page(whole(), tmp_path).read_text(encoding="utf-8")
    assert "<figure>\n<img" not in text
    assert (tmp_path / NAME).stat().st_size < 1_000_000


def test_what_was_explained_is_shown_with_its_pictures(tmp_path):
    gained = Measured(mean=0.031, low=-0.012, high=0.074)
    found = Explanation(
        study="s",
        reference="no augmentation",
        winner="iteration 1",
        recommended=True,
        classes=["a", "b"],
        test_images=60,
        seconds=3,
        notes=["XRAI was left out: no time."],
        calibration=[
            Calibration(name=name, seeds=3, expected_error=0.123, brier=0.4, log_loss=0.7, bins=[])
            for name in ("no augmentation", "iteration 1")
        ],
        corruptions=Corruptions(
            images=60,
            seeds=3,
            clean_reference=0.8,
            clean_winner=0.9,
            mean_error=0.75,
            gain=gained,
            lines=[
                CorruptionLine(
                    name="gaussian_noise", reference=[0.5] * 5, winner=[0.6] * 5, relative_error=None
                )
            ],
        ),
        frozen=Frozen(
            backbone="x",
            metric="accuracy",
            score=gained,
            winner="iteration 1",
            winner_score=0.9,
            gain=gained,
            seconds=1,
            sentence=f"The winner is below a frozen network. {ATTACK}",
        ),
        pictures=[
            Drawn(file="cam.png", title="Where they look", alt="Heat maps"),
            Drawn(file="confusion.png", title="Confusion", alt="Confusion matrices"),
        ],
    )
    (tmp_path / "explain").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "explain" / "cam.png")
    found.write(tmp_path / "explain")
    text = write_page(whole(), tmp_path, explained_parts(tmp_path)).read_text(encoding="utf-8")
    assert "The winner is below a frozen network. &lt;script&gt;" in text
    for cell in ("gaussian noise", "50.0", "60.0", "+10.0", "12.3", "XRAI was left out"):
        assert cell in text
    assert "the gain of iteration 1, in points, is +3.1 [−1.2, +7.4]" in text
    assert 'alt="Heat maps"' in text
    assert "agent explain" not in text
    titles = [
        [each.title for each in explained_parts(tmp_path, shown)[-2].pictures] for shown in ("", found.winner)
    ]
    assert titles == [
        ["Where they look", "Confusion"],
        ["Where they look"],
    ]  # the page has them by class already
    (tmp_path / "explain" / "explanation.json").write_text("{")
    with pytest.raises(AugurError, match="agent explain again"):
        explained_parts(tmp_path)


def test_a_report_is_kept_and_read_again_to_the_last_number(tmp_path):
    made = whole()
    again = read_report(write_report(made, tmp_path).read_text(encoding="utf-8"))
    for name, each in (("one", made), ("two", again)):
        (tmp_path / name).mkdir()
        write_page(each, tmp_path / name)
        write_markdown(each, tmp_path / name / "report.md")
    for file in (NAME, "report.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_damaged_report_is_refused():
    with pytest.raises(ValueError):
        read_report('{"version": 1, "report": {}}')
    with pytest.raises(ValueError, match="version"):
        read_report('{"version": 9}')


def test_edited_images_and_those_in_the_place_of_real_ones_are_told_as_what_they_are(tmp_path):
    Image.fromarray(np.zeros((40, 300, 3), np.uint8)).save(tmp_path / "sheet.png")
    pasted = whole().made
    assert pasted is not None
    pasted = replace(pasted, sheet="sheet.png")
    edited = replace(pasted, edited=True, in_place=True)
    texts = {}
    for name, made in (("pasted", pasted), ("edited", edited)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sheet.png").write_bytes((tmp_path / "sheet.png").read_bytes())
        texts[name] = write_page(whole(made=made), tmp_path / name, explain_command="").read_text("utf-8")
    assert "besides the real ones: the subject of a training image on a new background." in texts["pasted"]
    assert "Real image, mask, background, composite." in texts["pasted"]
    assert (
        "in the place of some real ones: whole training images, edited as the prompts ask." in texts["edited"]
    )
    assert "Real image, edited image." in texts["edited"]
    assert "mask" not in texts["edited"].partition("Real image, edited")[2][:300]

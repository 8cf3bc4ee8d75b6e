"""Contact sheets: where the pictures lie, how they are scaled, and that words stay within their space."""

import numpy as np

from tools.sheet import SheetRow, draw_sheet

RED, BLUE = (255, 0, 0), (0, 0, 255)
WORDS = "a meadow at dusk, after rain " * 40


def flat(colour: tuple[int, int, int], height: int = 10, width: int = 10) -> np.ndarray:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def drawn(*rows: SheetRow, title: str = "title", tile: int = 100, **options) -> np.ndarray:
    return np.asarray(draw_sheet(title, rows, tile, **options))


def box(sheet: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the pixels of that colour."""
    rows, columns = np.nonzero((sheet == colour).all(axis=-1))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_tiles_lie_side_by_side_and_rows_beneath_each_other():
    sheet = drawn(SheetRow([flat((9, 9, 9)), flat(RED)]), SheetRow([flat((9, 9, 9)), flat(BLUE)]))

    red, blue = box(sheet, RED), box(sheet, BLUE)

    assert red[0] == blue[0] > 100
    assert blue[1] >= red[3]


def test_pictures_keep_their_proportions_and_enlarged_pixels_stay_squares():
    picture = np.zeros((2, 4, 3), dtype=np.uint8)
    picture[:, :2], picture[:, 2:] = RED, BLUE

    left, top, right, bottom = box(drawn(SheetRow([picture])), RED)

    assert (right - left, bottom - top) == (50, 50)
    assert box(drawn(SheetRow([flat(RED, 400, 200)])), RED)[2] - left == 50  # reduced


def test_a_long_title_is_wrapped_within_the_margins():
    sheet, short = drawn(SheetRow([flat(RED)] * 4), title=WORDS), drawn(SheetRow([flat(RED)] * 4))

    assert sheet.shape[0] > short.shape[0] + 40
    assert (sheet[:, -8:] == 255).all()


def test_captions_and_text_make_room_for_themselves_and_are_cut():
    plain = drawn(SheetRow([flat(RED)] * 3), SheetRow([flat(BLUE)]))
    captions = drawn(SheetRow([flat(RED)] * 3, captions=[[], ["one", WORDS]]), SheetRow([flat(BLUE)]))
    text = drawn(SheetRow([flat(RED)] * 3, text=WORDS), SheetRow([flat(BLUE)]))

    assert box(captions, BLUE)[1] - box(plain, BLUE)[1] == 36  # two lines
    assert 36 <= box(text, BLUE)[1] - box(plain, BLUE)[1] <= 60  # two lines of a text that needs forty
    for sheet in (captions, text):
        assert (sheet[:, -15:] == 255).all()


def test_names_stand_at_the_left_and_headings_above():
    plain = drawn(SheetRow([flat(RED)]))
    named = drawn(SheetRow([flat(RED)], label=WORDS, note="6 images"), label_width=120, columns=["real"])
    left, top, *_ = box(plain, RED)

    assert box(named, RED)[:2] == (left + 120, top + 18)
    assert (named[top + 18 : top + 118, 16 : left + 100] != 255).any()
    assert (named[:, left + 112 : left + 119] == 255).all()  # a name does not run into the pictures

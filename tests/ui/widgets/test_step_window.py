"""Which steps charts show: all that are planned, a part that goes on with the run, and the one that is read."""

from cockpit.ui.widgets.step_window import StepWindow


def window(newest: int = 87, planned: int | None = 700) -> tuple[StepWindow, list[tuple[int, int]]]:
    """A window, and what it has told its charts to show."""
    it, told = StepWindow(), list[tuple[int, int]]()
    it.set_planned(planned)
    it.set_newest(newest)
    it.share(lambda: told.append((it.first, it.last)))
    return it, told


def test_the_whole_planned_run_is_shown() -> None:
    it, told = window()
    assert (it.first, it.last, it.is_whole) == (0, 700, True)
    it.set_newest(88)
    assert told == [], "nothing to draw anew but the curve"
    it.set_newest(800)
    assert (it.first, it.last) == (0, 800), "it went on for longer than planned"
    unplanned, _ = window(planned=None)
    for step, last in ((1, 16), (16, 16), (17, 32), (100, 128)):
        unplanned.set_newest(step)
        assert unplanned.last == last


def test_zooming_keeps_the_newest_step_in_sight_and_ends_at_a_few_steps() -> None:
    it, told = window()
    for shown in ((0, 350), (0, 175), (10, 98)):
        it.zoom(0.5)
        assert told[-1] == (it.first, it.last) == shown and not it.is_whole
    for _ in range(9):
        it.zoom(0.5)
    assert it.last - it.first == 16 and it.first <= 87 <= it.last
    for _ in range(9):
        it.zoom(2)
    assert it.is_whole


def test_zooming_keeps_the_step_that_is_read_where_it_is() -> None:
    it, _ = window(newest=600)
    it.put_cursor(350)
    it.zoom(0.5)
    assert (it.first, it.last) == (180, 530), "a round number that is near to 175"
    it.zoom(0.5, around=530)
    assert (it.first, it.last) == (355, 530)
    for edge in (1, 699):
        it.show_all()
        it.put_cursor(edge)
        for _ in range(4):
            it.zoom(0.5)
            assert it.first <= edge <= it.last


def test_panning_ends_where_the_run_does() -> None:
    it, _ = window()
    it.pan(0.25)
    assert it.is_whole
    it.zoom(0.25)
    for share, shown in ((0.5, (90, 265)), (9, (525, 700)), (-0.25, (480, 655)), (-9, (0, 175))):
        it.pan(share)
        assert (it.first, it.last) == shown
    it.show_all()
    assert it.is_whole


def test_a_part_with_the_newest_step_goes_on_with_the_run_in_leaps() -> None:
    it, told = window(newest=160)
    it.zoom(0.25)
    assert (it.first, it.last) == (5, 180)
    it.set_newest(180)
    assert told == [(5, 180)]
    it.set_newest(181)
    assert (it.first, it.last) == (30, 205)
    it.put_cursor(100)
    it.set_newest(300)
    assert (it.first, it.last) == (30, 205), "somebody reads"
    it.put_cursor(None)
    assert it.first <= 300 <= it.last
    it.pan(-1)
    it.set_newest(301)
    assert it.last < 300, "the part is an old one"


def test_a_step_is_read_while_a_chart_has_the_focus() -> None:
    it, told = window()
    read: list[int | None] = [it.cursor]
    it.read(True)
    read.append(it.cursor)
    assert len(told) == 1
    it.set_newest(88)
    read.append(it.cursor)
    it.move_cursor(-8)
    it.set_newest(89)
    read.append(it.cursor)
    for steps in (-100, 9999):
        it.move_cursor(steps)
        read.append(it.cursor)
    it.put_cursor(None)
    read.append(it.cursor)
    it.read(False)
    assert [*read, it.cursor] == [None, 87, 88, 80, 0, 700, 89, None]


def test_the_cursor_takes_the_window_with_it() -> None:
    it, _ = window(newest=600)
    it.zoom(0.25)
    assert (it.first, it.last) == (445, 620)
    it.put_cursor(440)
    assert (it.first, it.last) == (420, 595)
    it.put_cursor(690)
    assert (it.first, it.last) == (525, 700)


def test_a_run_that_goes_back_leaves_nothing_beyond_its_end() -> None:
    it, _ = window(newest=600)
    it.read(True)
    it.put_cursor(650)
    it.zoom(0.25)
    it.set_planned(300)
    it.set_newest(200)
    assert it.end == 300 and 0 <= it.first < it.last <= 300
    assert it.cursor == 300


def test_labels_take_as_much_room_in_all_charts() -> None:
    it, told = window()
    it.widen_labels(3)
    it.widen_labels(6)
    it.widen_labels(4)
    assert it.label_cells == 6 and len(told) == 2

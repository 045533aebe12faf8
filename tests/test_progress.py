"""How far work is: the event, and how it is shown."""

from __future__ import annotations

import re

import pytest

from fiftyone_hs2s.progress import Progress, counted, reporting


def test_an_event_has_the_attributes_of_fiftyones_bars():
    event = Progress(1, 4)
    assert (event.iteration, event.total, event.progress, event.complete, event.has_total) == (
        1,
        4,
        0.25,
        False,
        True,
    )
    assert (Progress(4, 4).progress, Progress(4, 4).complete) == (1.0, True)
    assert (Progress(0, 0).progress, Progress(0, 0).complete) == (1.0, True)
    with pytest.raises(AttributeError):
        event.iteration = 2


def test_the_unit_that_is_worked_on_counts_in_part():
    event = Progress(1, 4, within=Progress(1, 2, "frame"))
    assert event.progress == 0.375 and not event.complete
    assert not Progress(0, 1, within=Progress(2, 2, "frame")).complete  # its last frame is done, it is not


def test_words():
    assert str(Progress(1, 3, "sequence")) == "1 of 3 sequences"
    assert str(Progress(1, 1)) == "1 of 1 sample"
    assert str(Progress(1, 3, within=Progress(5, 10, "frame"))) == "Sample 2 of 3: 5 of 10 frames"
    assert str(Progress(2, 10, "step", note="loss 0.5")) == "2 of 10 steps, loss 0.5"


def test_items_are_counted_from_none_to_all():
    events = []
    assert list(counted("ab", 2, events.append)) == ["a", "b"]
    assert events == [Progress(0, 2), Progress(1, 2), Progress(2, 2)]
    events.clear()
    list(counted([], 0, events.append))
    assert events == [Progress(0, 0)]
    events.clear()
    list(counted("abc", 2, events.append))  # more than was thought
    assert events[-1] == Progress(3, 3)
    events.clear()
    list(counted("a", 2, events.append))  # less
    assert events == [Progress(0, 2), Progress(1, 2), Progress(2, 2)]


@pytest.mark.parametrize("shown", [True, False, None])
def test_a_bar_is_drawn_on_request(capsys, shown):
    with reporting(shown) as report:
        list(counted("ab", 2, report, "sequence"))
    found = capsys.readouterr()
    assert found.out == ""
    if shown:
        assert re.match(r"\r +0%\|.*\| 0 of 2 sequences \[", found.err)
        assert re.search(r"\r100%\|█+\| 2 of 2 sequences \[00:00<00:00\] *\n$", found.err)
    else:  # no terminal, no notebook
        assert found.err == ""


def test_a_bar_shows_by_itself_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with reporting() as report:
        report(Progress(1, 2))
    assert " 50%|" in capsys.readouterr().err


def test_a_bar_is_closed_by_an_error(capsys):
    with pytest.raises(ValueError), reporting(True) as report:
        report(Progress(1, 2))
        raise ValueError
    assert capsys.readouterr().err.endswith("]\n")


def test_a_function_is_called_instead(capsys):
    events = []
    with reporting(events.append) as report:
        list(counted("ab", 2, report))
    assert [event.iteration for event in events] == [0, 1, 2]
    assert 0 < events[0].elapsed_time < events[1].elapsed_time < events[2].elapsed_time
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "wanted"), [({"n": 5}, [2, 4, 6, 8, 10]), ({"dt": 0}, [*range(11)]), ({}, [*range(11)])]
)
def test_functions_of_fiftyones_report_progress_work(options, wanted):
    import fiftyone as fo

    seen = []
    with reporting(fo.report_progress(lambda bar: seen.append(bar.iteration), **options)) as report:
        list(counted(range(10), 10, report))
    assert seen == wanted

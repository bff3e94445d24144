import io
import math
from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bench.panels import apart, decades, style
from bench.plot import PICTURES, plot
from bench.report import ABOUT_PICTURES
from tests.bench.made_up import made_up, of_few


def words(figure):
    """All that is written in a picture."""
    found = [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text"))]
    return [text for text in found if text]


def drawn(name, figures):
    with style():
        return PICTURES[name](figures)


def test_every_picture_is_drawn_as_svg_and_png(tmp_path):
    assert plot(of_few(made_up()), tmp_path) == list(PICTURES) == list(ABOUT_PICTURES)
    for name in PICTURES:
        assert (tmp_path / f"{name}.svg").stat().st_size > 10_000
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["summary", "sweeps"])
def test_the_same_figures_give_the_same_file(name):
    files = []
    for _ in range(2):
        with style():
            file = io.BytesIO()
            PICTURES[name](of_few(made_up())).savefig(file, format="svg", metadata={"Date": None})
        files.append(file.getvalue())
    assert files[0] == files[1]


def test_what_was_not_measured_is_not_drawn(tmp_path):
    figures = of_few(made_up())
    figures["runs"] = {"keep-alive": figures["runs"]["keep-alive"]}
    assert plot(figures, tmp_path) == ["summary", "overview"]
    figures["runs"] = {}
    assert plot(figures, tmp_path) == []


def test_the_summary_has_all_servers_and_three_figures():
    figures = made_up()
    said = words(drawn("summary", figures))
    for server in figures["servers"].values():
        assert server["title"] in said
    assert {"Hello world, keep-alive", "Application waits 10 ms", "Idle connection"} <= set(said)
    assert "Imagined CPU" in " ".join(said)
    assert "Not here: uWSGI 1.9." in " ".join(said)


def test_bare_servers_are_not_in_the_summary():
    figures = made_up()
    figures["servers"]["gevent"] = figures["servers"]["pywsgi"] | {"title": "gevent alone"}
    figures["runs"]["keep-alive"]["gevent"] = figures["runs"]["keep-alive"]["pywsgi"]
    assert "gevent alone" not in words(drawn("summary", figures))


def test_what_the_load_generator_limits_is_marked():
    figures = made_up()
    for run in figures["runs"]["wait"]["go-fasthttp"]:
        run["client_busy"] = 0.99
    said = words(drawn("summary", figures))
    assert any(text.endswith("*") for text in said)
    assert "as much as the load generator can" in " ".join(said)
    assert not any(text.endswith("*") for text in words(drawn("summary", made_up())))


@pytest.mark.parametrize("name", list(PICTURES))
def test_nothing_that_is_written_is_cut_off(name):
    figure = drawn(name, made_up())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # which lays it out
    box = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.x1 <= width
    assert box.y0 >= 0
    assert box.y1 <= height


def test_names_that_would_overlap_are_moved_apart():
    moved = apart([1.0, 1.01, 1.02, 5.0], 0.2)
    assert all(b - a >= 0.19 for a, b in pairwise(moved))
    assert moved[-1] == 5.0
    assert apart([1.0, 2.0], 0.2) == [1.0, 2.0]


@pytest.mark.parametrize("values", [[23.0, 23.0], [3.0, 4.0], [1.0, 90_000.0]])
def test_a_log_axis_always_has_two_figures(values):
    low, high = (math.log10(bound) for bound in decades(values))
    assert math.floor(high) - math.ceil(low) >= 1
    assert 10**low <= min(values)
    assert 10**high >= max(values)

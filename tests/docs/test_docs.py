"""The documentation: it builds, fetches nothing from elsewhere, and says what the code does."""

import os
import re
import shlex
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from gevent.subprocess import run

import gpool
from gpool.command.options import GROUPS, OPTIONS
from gpool.command.setting import ENV
from gpool.command.sources import NOT_OPTIONS, read_file
from gpool.connection import MOVES as CONNECTION_MOVES
from gpool.overflow import MOVES as OVERFLOW_MOVES
from gpool.wsgi.settings import INSTEAD
from tests.parts import needed

pytestmark = pytest.mark.limit(60)

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FENCE = re.compile(r"^(<!-- run -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Of the command, besides those in the table.
FLAGS = {"-h", "--help", "-V", "--version"}


def blocks(kind):
    """The code blocks of a kind: where they are, whether they can be run, and their text."""
    return [
        pytest.param(bool(mark), text, id=f"{page.stem}-{number}")
        for page in [*PAGES, ROOT / "README.md"]
        for number, (mark, of, text) in enumerate(FENCE.findall(page.read_text()))
        if of == kind
    ]


def lines(program):
    """What follows a program's name: in shell lines, units, images and pods."""
    found = []
    for page in [*PAGES, ROOT / "README.md"]:
        for _, _, text in FENCE.findall(page.read_text()):
            joined = re.sub(r"\\\n|,\n", " ", text)
            for line in re.sub(r"[\[\]\",]", " ", joined).splitlines():
                call = re.search(rf"(?:^|[\s/=]){program}\s+([^|]*)", line)
                if call and not line.lstrip().startswith(("pip", "#", "import", "from", "RUN")):
                    found.append(pytest.param(call[1], id=f"{page.stem}-{len(found)}"))
    assert found
    return found


# ---------------------------------------------------------------------- the site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, as `make docs` builds it."""
    pytest.importorskip("material", reason="mkdocs-material is not installed: make .venv/.dev")
    folder = tmp_path_factory.mktemp("site")
    # With --quiet, warnings are no errors, whatever --strict says.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", folder]
    built = run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, stderr=subprocess.PIPE
    )
    assert built.returncode == 0, built.stderr.decode()
    return folder


class Fetched(HTMLParser):
    """What a browser gets for a page, without a click."""

    def __init__(self, page):
        super().__init__()
        self.urls = []
        self.feed(page.read_text())

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        fetches = of.get("rel") not in ("canonical", "prev", "next", "edit")
        if tag == "link" and fetches:
            self.urls.append(of["href"])
        elif tag != "a":
            self.urls += [of[name] for name in ("src", "srcset", "data", "poster") if of.get(name)]


def test_pages_fetch_nothing_from_elsewhere(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) > len(PAGES)
    for page in pages:
        for url in Fetched(page).urls:
            assert not re.match(r"(\w+:)?//", url), (page, url)
            if not url.startswith("data:"):
                # 404.html has the site's own address for a base.
                base = site if url.startswith("/") else page.parent
                assert (base / url.split("?")[0].split("#")[0].lstrip("/")).exists(), (page, url)


def test_styles_and_images_fetch_nothing_from_elsewhere(site):
    for path in [*site.rglob("*.css"), *site.rglob("*.svg")]:
        text = path.read_text()
        urls = re.findall(r"url\(['\"]?([^)'\"]*)|@import ['\"]([^'\"]*)|href=\"([^\"]*)", text)
        for url in map("".join, urls):
            assert not re.match(r"(\w+:)?//", url), (path, url)


def test_all_pages_are_in_the_search(site):
    index = (site / "search" / "search_index.json").read_text()
    for page in PAGES:
        if page.stem != "index":
            assert f'"location":"{page.stem}/"' in index


def test_all_options_are_on_their_page(site):
    text = (site / "options" / "index.html").read_text()
    for one in OPTIONS.values():
        assert f"<code>{one.flag}</code>" in text
    for group in GROUPS:
        assert f'id="{group.title.lower().replace(" ", "-")}"' in text


def test_configurations_are_shown_as_they_are_shipped(site):
    found = [
        (page, name)
        for page in PAGES
        for name in re.findall(r"^<!-- (deploy/\S+) -->$", page.read_text(), re.MULTILINE)
    ]
    assert found
    for page, name in found:
        shown = (site / page.stem / "index.html").read_text()
        assert "<!-- deploy/" not in shown
        text = unescape(re.sub(r"<[^>]*>", "", shown))
        for line in (ROOT / name).read_text().splitlines():
            assert line in text, (name, line)


def test_the_figures_of_the_cluster_are_on_its_page(site):
    text = (site / "cluster" / "index.html").read_text()
    for line in ("GETs that failed, in all phases", "kill -9, and started again", "random(1)"):
        assert f">{line}</td>" in text


# ---------------------------------------------------------------------- what stands in the pages


@pytest.mark.parametrize(("runs", "text"), blocks("python"))
def test_python_runs_or_could(runs, text, tmp_path):
    """Where the page says so it is run; all of it is Python, with names that gpool has."""
    compile(text, "the page", "exec")
    for names in re.findall(r"^\s*from gpool import ([\w, ]+)", text, re.MULTILINE):
        for name in names.split(","):
            assert name.strip() in gpool.__all__
    if runs:
        command = [sys.executable, "-W", "error", "-c", text]
        # Where gpool comes from, this process knows.
        env = os.environ | {"PYTHONPATH": str(Path(gpool.__file__).parents[1])}
        done = run(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr.decode()) == (0, "")


@pytest.mark.parametrize(("_", "text"), blocks("toml"))
def test_toml_is_a_file_of_the_command(_, text, tmp_path):
    path = tmp_path / "gpool.toml"
    path.write_text(text)
    found = read_file(path)
    assert found.values
    for name, value in found.values.items():
        OPTIONS[name].kind.convert(value, None, None)


@pytest.mark.parametrize("line", lines("gpool"))
def test_a_shell_line_has_options_that_there_are(line):
    known = FLAGS | {one.flag for one in OPTIONS.values()}
    known |= {f"--no-{flag.removeprefix('--')}" for flag in known}
    known |= {one.short for one in OPTIONS.values() if one.short}
    for word in line.split():
        if word.startswith("-") and word != "-":
            assert word.split("=")[0] in known, line


@pytest.mark.parametrize("line", lines("gunicorn"))
def test_a_line_of_gunicorn_is_one(line):
    config = pytest.importorskip("gunicorn.config", reason="gunicorn is not installed")
    words = shlex.split(line)
    parsed = config.Config().parser().parse_args(words)
    assert parsed.args == ["app:app"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_of_variables_are_known(page):
    known = {one.variable for one in OPTIONS.values()} | {f"{ENV}APP", f"{ENV}TESTS"}
    for name in re.findall(rf"\b{ENV}[A-Z_]*[A-Z]\b", page.read_text()):
        assert name in known or NOT_OPTIONS.fullmatch(name), name


def test_the_arguments_that_are_not_there_are_named():
    text = (DOCS / "pywsgi.md").read_text()
    for name in INSTEAD:
        assert f"`{name}`" in text


def test_settings_of_gunicorn_without_effect_are_named():
    settings = pytest.importorskip("gpool.gunicorn.settings", reason="gunicorn is not installed")
    text = (DOCS / "gunicorn.md").read_text()
    for name in settings.INSTEAD:
        assert f"`{name}`" in text


def test_gunicorns_options_in_the_table_are_gunicorns():
    config = pytest.importorskip("gunicorn.config", reason="gunicorn is not installed")
    flags = set(config.Config().parser()._option_string_actions)
    known = {one.flag for one in OPTIONS.values()} | {"--" + name for name in ("check", "user")}
    _, _, table = (DOCS / "gunicorn.md").read_text().partition("| gunicorn | gpool |")
    for row in table.split("\n\n")[0].splitlines()[2:]:
        theirs, ours = row.strip("|").split(" | ", 1)
        assert set(re.findall(r"--[\w-]+", theirs)) <= flags, row
        assert set(re.findall(r"--[\w-]+", ours)) <= known, row


def test_all_metrics_are_named():
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    from gpool.admin import metrics

    text = (DOCS / "watching.md").read_text()
    for name, *_ in metrics.GAUGES:
        assert f"`{name}" in text
    for name, *_ in [*metrics.COUNTERS, *metrics.LABELLED_COUNTERS]:
        assert f"`{name}_total" in text


def test_links_of_the_readme_lead_somewhere():
    for link in re.findall(r"\]\((?!https?://)([^)#]*)", (ROOT / "README.md").read_text()):
        assert (ROOT / link).exists(), link


# ---------------------------------------------------------------------- the diagrams


def moves_in(image):
    """The moves that a diagram has, from its arrows."""
    root = ET.parse(DOCS / "images" / image).getroot()
    drawn = [one for arrow in root.iter() for one in arrow.get("data-move", "").split(",")]
    return {tuple(one.split()) for one in drawn if one}, root


def as_names(moves):
    return {(one.name, other.name) for one, others in moves.items() for other in others}


def test_the_diagram_of_connections_has_all_moves():
    drawn, root = moves_in("states.svg")
    (frame,) = [one for one in root.iter() if one.get("data-ends")]
    inside = frame.get("data-ends").split()
    drawn |= {(one, end) for one in inside for end in ("LINGERING", "CLOSED")}
    assert drawn == as_names(CONNECTION_MOVES)


def test_the_diagram_of_overflow_has_all_moves():
    drawn, _ = moves_in("overflow.svg")
    assert drawn == as_names(OVERFLOW_MOVES)


# ---------------------------------------------------------------------- in a browser


def test_the_site_is_readable_on_a_telephone(site, tmp_path):
    """No page is wider than the screen: a table or a picture that is, scrolls by itself."""
    program = needed("chromium")
    script = tmp_path / "frame.html"
    pages = list(site.rglob("index.html"))  # those of docs, and the bench's report
    frames = "".join(
        f'<iframe src="{page.as_uri()}" width="360" height="700"></iframe>' for page in pages
    )
    script.write_text(
        f"<body>{frames}<script>onload = () => {{ document.body.dataset.widths = "
        "[...document.querySelectorAll('iframe')].map(one => "
        "one.contentDocument.documentElement.scrollWidth).join() }</script>"
    )
    words = "--headless=new --no-sandbox --disable-gpu --allow-file-access-from-files --dump-dom"
    seen = run(
        [program, *words.split(), f"--user-data-dir={tmp_path / 'profile'}", script.as_uri()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ).stdout.decode()
    widths = [int(one) for one in re.search(r'data-widths="([\d,]*)"', seen)[1].split(",")]
    assert len(widths) == len(pages) > len(PAGES)
    assert max(widths) <= 360

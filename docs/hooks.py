"""What mkdocs puts into the pages, and what they do not have themselves.

The options come from the table that the command is made from, the plots and the report from the
last bench run that was committed, configurations from deploy/.
"""

import re
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from gpool.command.options import GROUPS
from gpool.command.setting import Setting
from gpool.command.sources import GpoolOption

MARK = "<!-- options -->"
REPORT = "<!-- report -->"
FILE = re.compile(r"^<!-- (deploy/\S+) -->$", re.MULTILINE)
#: What a file is highlighted as, by the end of its name.
KINDS = {"cfg": "", "conf": "nginx", "service": "ini", "socket": "ini", "Dockerfile": "dockerfile"}
ROOT = Path(__file__).parents[1]
#: A section of a page in bench/results, without its heading: file, and heading.
SECTION = re.compile(r"<!-- results of (\w+): (.+) -->")
RESULTS = Path(__file__).parents[1] / "bench" / "results"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the report and its plots, side by side; mkdocs calls it once."""
    for path in [*RESULTS.glob("*.svg"), *RESULTS.glob("*.md")]:
        files.append(File.generated(config, f"bench/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks; mkdocs calls it for each page."""
    if MARK in markdown:
        markdown = markdown.replace(MARK, options())
    markdown = FILE.sub(lambda found: shipped(found[1]), markdown)
    markdown = SECTION.sub(lambda mark: section(mark[1], mark[2]), markdown)
    return markdown.replace(REPORT, report()) if REPORT in markdown else markdown


def section(page: str, heading: str) -> str:
    """That of a page.

    Raises:
        ValueError: there is none, or no such page.
    """
    path = RESULTS / f"{page}.md"
    text = path.read_text() if path.exists() else ""
    _, found, rest = text.partition(f"\n## {heading}\n")
    if not found:
        raise ValueError(f"no {heading!r} in {path.name}")
    return rest.partition("\n## ")[0].strip()


def shipped(name: str) -> str:
    """A file of the repository as Markdown."""
    kind = name.rpartition("/")[2].rpartition(".")[2]
    return f"```{KINDS.get(kind, kind)}\n{(ROOT / name).read_text()}```"


def report() -> str:
    """The first picture of the report, and where the rest of it is."""
    picture, page = (RESULTS / name for name in ("summary.svg", "report.md"))
    lines = ["[The whole report](bench/report.md): machine, versions, settings, every workload."]
    if picture.exists():
        shows = "CPU of a hello request, requests/s with a wait, memory of an idle connection"
        lines.insert(0, f"[![{shows}](bench/{picture.name})](bench/{picture.name})")
    return "\n\n".join(lines) if page.exists() else ""


def options() -> str:
    """All options as Markdown."""
    lines: list[str] = []
    for group in GROUPS:
        lines += [f"## {group.title}", "", "| option | default | |", "|---|---|---|"]
        lines += [row(one) for one in group.options]
        lines.append("")
    return "\n".join(lines)


def row(one: Setting) -> str:
    """An option's line."""
    names = f"`{one.flag}`" + (f", `{one.short}`" if one.short else "")
    values = f"<br>{allowed(one)}" if one.file or one.kind is not click.BOOL else ""
    default = GpoolOption(one).default_in_words() if one.file else ""
    return f"| {names}{values} | {default} | {one.text.replace('|', '&#124;')} |"


def allowed(one: Setting) -> str:
    """What its values may be."""
    if one.kind is click.BOOL:
        return f"`--no-{one.flag.removeprefix('--')}` turns it off"
    if isinstance(one.kind, click.Choice):
        return ", ".join(f"`{value}`" for value in one.kind.choices)
    words = getattr(one.kind, "allowed", None)
    return words() if words else (one.metavar or one.kind.name).lower()

"""python -m tests.fuzz: run the targets for some time, or one of them with one input.

Six targets share the time: request heads, bodies, whole connections, the same against h11, the
PROXY protocol, and responses; the module of each says what must hold. With atheris they are guided
by the coverage of gpool, and begin with what earlier runs have kept in build/fuzz; without it, or
with --plain, the corpus is mutated at random.

An input on which a target fails is written to build/fuzz, and the command says how to run it again.
"""

import shlex
from contextlib import closing
from pathlib import Path

import click
from rich.console import Console

from tests.fuzz.engines import Progress, Run, engine
from tests.fuzz.progress import Board
from tests.fuzz.targets import TARGETS

__all__ = ["main"]

OUT = Path("build/fuzz")


@click.command(help=__doc__)
@click.option("--seconds", type=click.FloatRange(0), default=60, help="For all targets together.")
@click.option(
    "--target", "names", type=click.Choice(list(TARGETS)), multiple=True, help="Only this."
)
@click.option("--plain", is_flag=True, help="Without atheris.")
@click.option("--seed", type=int, default=0, help="Of --plain.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, help="For what is kept.")
@click.option("--reproduce", type=click.Path(path_type=Path, exists=True), help="Run this input.")
def main(
    *,
    seconds: float,
    names: tuple[str, ...],
    plain: bool,
    seed: int,
    out: Path,
    reproduce: Path | None,
) -> None:
    """See the module."""
    if reproduce is not None:
        run_again(reproduce, names)
        return
    chosen = list(names or TARGETS)
    out.mkdir(parents=True, exist_ok=True)
    runs = [Run(TARGETS[name], seconds / len(chosen), out, seed) for name in chosen]
    console = Console()
    failures = carry_out(runs, console, plain=plain)
    for run, progress in failures:
        tell(run, progress, console)
    raise SystemExit(bool(failures))


def run_again(path: Path, names: tuple[str, ...]) -> None:
    """Run one input; a failure ends the command with its traceback."""
    if len(names) != 1:
        raise click.UsageError("--reproduce takes one --target")
    accepted = TARGETS[names[0]].run(path.read_bytes())
    click.echo(f"nothing fails; the input is {'accepted' if accepted else 'refused'}")


def carry_out(runs: list[Run], console: Console, *, plain: bool) -> list[tuple[Run, Progress]]:
    """Run all, one after the other; returns those that have failed."""
    failures = []
    board = Board(console, [run.target.name for run in runs], runs[0].seconds)
    with board.shown():
        for run in runs:
            board.begin(run.target.name)
            progress = Progress()
            with closing(engine(run, plain=plain)) as reports:
                for progress in reports:
                    board.tell(run.target.name, progress)
            board.end(run.target.name)
            if progress.crash is not None:
                failures.append((run, progress))
    return failures


def tell(run: Run, progress: Progress, console: Console) -> None:
    """Say what has failed, and how to see it again."""
    name = run.target.name
    path = shlex.quote(str(progress.crash))
    console.print(f"\n[red]{name} has failed[/red] on {path}:", highlight=False)
    console.print(progress.text.strip(), markup=False, highlight=False)
    console.print(f"python -m tests.fuzz --reproduce {path} --target {name}", highlight=False)


if __name__ == "__main__":
    main()

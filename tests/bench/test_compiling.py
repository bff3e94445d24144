import os
import subprocess

import pytest

from bench.compiling import compiled, compiler
from tests.parts import needed


@pytest.fixture
def source(tmp_path):
    needed("cc")
    made = tmp_path / "seven.c"
    made.write_text("int main(void) { return 7; }\n")
    return made


def test_a_program_is_compiled_once(source, tmp_path):
    program = compiled(source, tmp_path / "out")
    assert subprocess.run([program], check=False).returncode == 7
    source.unlink()
    os.utime(program)
    source.touch()
    os.utime(source, (0, 0))
    assert compiled(source, tmp_path / "out") == program  # an empty source would not compile


def test_it_is_compiled_anew_when_its_source_has_changed(source, tmp_path):
    program = compiled(source, tmp_path)
    source.write_text("int main(void) { return 8; }\n")
    os.utime(program, (0, 0))
    assert subprocess.run([compiled(source, tmp_path)], check=False).returncode == 8


def test_it_says_what_does_not_compile(source, tmp_path):
    source.write_text("int main(void) { return seven; }\n")
    with pytest.raises(RuntimeError, match=r"(?s)^seven\.c does not compile: .*undeclared"):
        compiled(source, tmp_path)
    assert not (tmp_path / "seven").exists()


def test_it_says_that_there_is_no_compiler(source, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="no C compiler"):
        compiled(source, tmp_path)


def test_the_compiler_has_a_version(source):
    assert any(character.isdigit() for character in compiler())

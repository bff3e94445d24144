"""wsgi.file_wrapper: what the kernel may send, and what must be read."""

import bz2
import gzip
import io
import os
import socket
import tempfile
from contextlib import closing

import pytest

from gpool.wsgi.files import FileWrapper

DATA = bytes(range(256)) * 10


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def kernels(wrapper):
    """What the kernel would send; None if it is to be read."""
    part = wrapper.part()
    return None if part is None else os.pread(part[0], part[2], part[1])


def read(wrapper):
    return b"".join(wrapper)


@pytest.mark.parametrize("buffering", [0, -1, 16])
@pytest.mark.parametrize("mode", ["rb", "r+b"])
@pytest.mark.parametrize("offset", [0, 1, 100, len(DATA) - 1, len(DATA), len(DATA) + 1, 10**9])
def test_what_is_left_of_a_regular_file_is_the_kernels(path, buffering, mode, offset):
    with path.open(mode, buffering=buffering) as file:
        file.seek(offset)
        wrapper = FileWrapper(file)
        descriptor, begin, size = wrapper.part()
        assert (descriptor, begin, size) == (file.fileno(), offset, max(len(DATA) - offset, 0))
        assert kernels(wrapper) == read(wrapper) == DATA[offset:]


def test_what_was_read_already_is_not_sent(path):
    """Nor is what is in the buffer left out."""
    with path.open("rb") as file:
        assert file.read(10) == DATA[:10]
        file.peek(100)
        assert kernels(FileWrapper(file)) == DATA[10:]
        assert file.readline() and kernels(FileWrapper(file)) == file.read()


@pytest.mark.parametrize("make", [tempfile.TemporaryFile, tempfile.NamedTemporaryFile])
def test_a_temporary_file_is_the_kernels(make):
    with make() as file:
        file.write(DATA)
        file.seek(3)
        wrapper = FileWrapper(file)
        assert kernels(wrapper) == read(wrapper) == DATA[3:]


def test_a_file_that_was_written_and_not_rewound_has_nothing_left():
    with tempfile.TemporaryFile() as file:
        file.write(DATA)
        wrapper = FileWrapper(file)
        assert kernels(wrapper) == read(wrapper) == b""


def test_what_was_written_and_not_flushed_is_sent_too(path):
    """To seek within the buffer does not flush it."""
    with path.open("r+b") as file:
        file.read(1)
        file.seek(10)
        file.write(b"new")
        file.seek(0)
        wrapper = FileWrapper(file)
        assert kernels(wrapper) == DATA[:10] + b"new" + DATA[13:]


def test_an_empty_file_is_the_kernels(tmp_path):
    with (tmp_path / "empty").open("w+b") as file:
        assert FileWrapper(file).part() == (file.fileno(), 0, 0)


class Raw(io.FileIO):
    """May read something else."""


class Buffered(io.BufferedReader):
    """The same."""


class Proxy:
    """Has all that the file has, and may have changed any of it."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)


WITH_MORE = {
    "subclass of FileIO": Raw,
    "subclass of BufferedReader": lambda path: Buffered(io.FileIO(path)),
    "buffer of a subclass": lambda path: io.BufferedReader(Raw(path)),
    "proxy": lambda path: Proxy(io.BufferedReader(io.FileIO(path))),
    "text": lambda path: io.TextIOWrapper(io.FileIO(path), "latin-1"),
    "memory": lambda path: io.BytesIO(DATA),
    "small spooled": lambda path: tempfile.SpooledTemporaryFile(10_000),  # noqa: SIM115
    "large spooled": lambda path: tempfile.SpooledTemporaryFile(1),  # noqa: SIM115
}


@pytest.mark.parametrize("kind", WITH_MORE)
def test_a_file_that_there_may_be_more_to_is_read(path, kind):
    with closing(WITH_MORE[kind](path)) as file:
        assert FileWrapper(file).part() is None


@pytest.mark.parametrize("package", [gzip, bz2])
def test_a_compressed_file_is_read_and_not_sent_as_it_is(tmp_path, package):
    """Its fileno is that of the compressed one."""
    path = tmp_path / "compressed"
    path.write_bytes(package.compress(DATA))
    with package.open(path) as file:
        assert file.fileno() >= 0
        wrapper = FileWrapper(file)
        assert wrapper.part() is None and read(wrapper) == DATA


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_pipe_is_read(buffering):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as other:
        other.write(b"data")
    with os.fdopen(reading, "rb", buffering=buffering) as file:
        wrapper = FileWrapper(file)
        assert wrapper.part() is None and read(wrapper) == b"data"


def test_a_socket_is_read():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"data")
        theirs.shutdown(socket.SHUT_WR)
        with ours.makefile("rb") as file:
            wrapper = FileWrapper(file)
            assert wrapper.part() is None and read(wrapper) == b"data"


def test_a_device_is_read():
    with open("/dev/zero", "rb") as file:  # noqa: PTH123  # no Path of a test's own
        wrapper = FileWrapper(file, 5)
        assert wrapper.part() is None and next(iter(wrapper)) == bytes(5)


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_closed_file_is_an_error_of_the_read(path, buffering):
    with path.open("rb", buffering=buffering) as file:
        pass
    wrapper = FileWrapper(file)
    assert wrapper.part() is None
    with pytest.raises(ValueError, match="closed"):
        read(wrapper)


def test_a_file_without_its_raw_file_is_an_error_of_the_read(path):
    file = path.open("rb")
    with file.detach():
        assert FileWrapper(file).part() is None


def test_what_is_no_file_of_the_standard_library_is_never_asked_for_its_descriptor():
    class Reader:
        def fileno(self):
            raise AssertionError

        def read(self, size):
            return b""

    assert FileWrapper(Reader()).part() is None


def test_blocks_are_as_large_as_was_asked_for():
    assert list(FileWrapper(io.BytesIO(b"abcdefgh"), 3)) == [b"abc", b"def", b"gh"]
    assert [len(block) for block in FileWrapper(io.BytesIO(bytes(100_000)))] == [65_536, 34_464]


def test_it_has_close_if_what_it_wraps_has_it():
    """PEP 3333: the server calls it."""
    file = io.BytesIO(DATA)
    FileWrapper(file).close()
    assert file.closed

    class Reader:
        read = file.read

    assert not hasattr(FileWrapper(Reader()), "close")

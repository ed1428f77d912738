"""Files of table metadata, made durable before the catalog points at them.

PyIceberg's own local FileIO does not wait for the disk. A power cut after the catalog's commit could then leave a table whose newest
metadata is missing or empty.
"""

from __future__ import annotations

import os
from io import FileIO as RawFile
from types import TracebackType

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

FILE = "file://"


def local_path(location: str) -> str:
    """Gives the path of a location; a path stays as it is.

    >>> local_path("file:///a/b.parquet"), local_path("/a/b c")
    ('/a/b.parquet', '/a/b c')
    """
    return location.removeprefix(FILE)


def location_of(path: str) -> str:
    """Gives the location of a path. Nothing is percent-encoded: PyIceberg and DuckDB take locations as they stand.

    >>> location_of("/a/b c")
    'file:///a/b c'
    """
    return FILE + path


def sync_folder(path: str) -> None:
    """Makes a folder's entries durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DurableStream(RawFile):
    """A new file that is on disk, with its name, once it is closed."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self.closed:
            return
        os.fsync(self.fileno())
        super().close()
        sync_folder(os.path.dirname(str(self.name)))


class DurableFile(InputFile, OutputFile):
    """One local file, to read or to create."""

    def __len__(self) -> int:
        return os.path.getsize(local_path(self.location))

    def exists(self) -> bool:
        return os.path.exists(local_path(self.location))

    def open(self, seekable: bool = True) -> InputStream:
        return open(local_path(self.location), "rb")

    def create(self, overwrite: bool = False) -> OutputStream:
        path = local_path(self.location)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return DurableStream(path, "wb" if overwrite else "xb")

    def to_input_file(self) -> InputFile:
        return self


class DurableFileIO(FileIO):
    """Local files only."""

    def new_input(self, location: str) -> InputFile:
        return DurableFile(location)

    def new_output(self, location: str) -> OutputFile:
        return DurableFile(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        os.unlink(local_path(location if isinstance(location, str) else location.location))

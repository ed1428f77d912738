"""The memory that a worker shares with the engine; src/udf/segment.h has the same numbers, and says what they mean."""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Sequence

import pyarrow as pa

MAGIC = 0x48645564
STATE_FREE, STATE_REQUEST, STATE_RUNNING, STATE_RESULT, STATE_ERROR = 1, 2, 3, 4, 5

ENGINE_FIELDS = 256  # Written by the engine: u32 generation, rows, argument spans, one by one; u64 start and size of the result area.
WORKER_FIELDS = (
    320  # Written by us: u32 generation, error code, error bytes, result spans; u64 busy ns, resident bytes, ends, looks, reports.
)
ARGUMENT_SPANS = 4096
RESULT_SPANS = 12288
REPORT, REPORT_BYTES = 20480, 8192  # Written by us: u32 size, then JSON.

ROW = 384  # Written by us: u32, the row we are at in a request that goes row by row.

_ENGINE = struct.Struct("<IIIIQQ")
_WORKER = struct.Struct("<IIIIQQQQQ")
_ROW = struct.Struct("<I")


class Segment:
    """The shared memory of one worker."""

    def __init__(self, descriptor: int) -> None:
        self._map = mmap.mmap(descriptor, 0)
        self._view = memoryview(self._map)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.buffer = pa.py_buffer(self._map)
        if struct.unpack_from("<I", self._map, 0)[0] != MAGIC:
            raise RuntimeError("the engine and the headrace package are not of the same version")

    def request(self) -> tuple[int, int, bool, Sequence[int]]:
        """Generation, rows, whether to go row by row, and the spans of the arguments as offset, bytes, offset, bytes, ..."""
        generation, rows, spans, one_by_one, self._result_start, self._result_bytes = _ENGINE.unpack_from(self._map, ENGINE_FIELDS)
        return generation, rows, one_by_one != 0, struct.unpack_from(f"<{2 * spans}Q", self._map, ARGUMENT_SPANS)

    def at_row(self, row: int) -> None:
        """Says which row is next in a request that goes row by row: should the process end there, the engine knows where."""
        _ROW.pack_into(self._map, ROW, row)

    def write_result(self, buffers: Sequence[tuple[memoryview | None, int]]) -> int:
        """Copies buffers (each with the bytes of it that count) to the result area; gives their number.

        Raises:
            ResultTooLarge: they do not fit.
        """
        end = self._result_start + self._result_bytes
        place = self._result_start
        spans: list[int] = []
        for content, size in buffers:
            if content is None or size == 0:
                spans += (0, 0)
                continue
            if place + size > end:
                raise ResultTooLarge
            self._view[place : place + size] = content[:size]
            spans += (place, size)
            place += (size + 63) & ~63
        struct.pack_into(f"<{len(spans)}Q", self._map, RESULT_SPANS, *spans)
        return len(buffers)

    def write_text(self, text: str) -> int:
        """Puts an error's text where a result would be; gives its size in bytes."""
        data = text.encode("utf-8", "replace")[: min(16_384, self._result_bytes)]
        self._view[self._result_start : self._result_start + len(data)] = data
        return len(data)

    def write_report(self, document: str) -> None:
        """Puts a JSON text where the engine looks for what a worker tells of itself; one that is too long is left out."""
        data = document.encode("utf-8", "replace")
        if len(data) <= REPORT_BYTES - 4:
            self._view[REPORT : REPORT + 4 + len(data)] = len(data).to_bytes(4, "little") + data

    def finish(self, generation: int, code: int, text_bytes: int, spans: int, busy_ns: int, resident_bytes: int, ends: bool, looks: int,
               reports: int) -> None:  # fmt: skip
        _WORKER.pack_into(self._map, WORKER_FIELDS, generation, code, text_bytes, spans, busy_ns, resident_bytes, ends, looks, reports)


class ResultTooLarge(Exception):
    """The result does not fit the shared memory: the engine asks again with fewer rows."""

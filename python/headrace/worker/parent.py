"""`serve`: the parent of all workers. Single-threaded, without any of the user's code, so that forking it is safe and quick."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import pathlib
import signal
import socket
import sys
from typing import Any

from headrace.snapshot import Snapshot
from headrace.worker import serving

CONTROL = 3  # The descriptor over which the engine asks.
REQUEST_BYTES_MAX = 65_536
DESCRIPTORS_PER_WORKER = 3  # Its channel, its shared memory, and where its output goes.


def main(project: pathlib.Path, library: str) -> int:
    """Answers one JSON request at a time until the engine is gone.

    {"fork": {"file", "function", "hash", "memory_bytes"}} with three descriptors: forks a worker; {"pid": n} with its pidfd comes back.
    {"reap": pid}: waits for the end of that worker; {"code": n, "signal": n} comes back.
    {"refresh": true}: workers that start from now on run the code as it is on the disk; {} comes back.
    """
    _warm_up()
    abi = serving.load_library(library)
    snapshot = Snapshot(project)  # Workers that start later run the code of now.
    control = socket.socket(fileno=CONTROL)
    gc.collect()
    gc.freeze()  # The collector of a worker must not touch, and so copy, the pages it shares with us.
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, REQUEST_BYTES_MAX, DESCRIPTORS_PER_WORKER)
        if not data:
            return 0
        request = json.loads(data)
        if "fork" in request:
            pid = _fork(project, snapshot, abi, control, request["fork"], descriptors)
            watch = os.pidfd_open(pid)
            socket.send_fds(control, [json.dumps({"pid": pid}).encode()], [watch])
            os.close(watch)
        elif "refresh" in request:
            snapshot.take()
            control.send(b"{}")
        else:
            control.send(json.dumps(_reap(request["reap"])).encode())
        for descriptor in descriptors:
            os.close(descriptor)


def _warm_up() -> None:
    """Does once what every worker would do in its first call, on that call's time: pyarrow imports numpy and pandas (where it is
    installed) with the first conversion."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = pa.array([None, 1], pa.int64())
    array.fill_null(0).take(pc.indices_nonzero(array.is_valid())).to_pylist()


def _reap(pid: int) -> dict[str, int]:
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:  # Of a parent before us; it was killed with it.
        return {"code": 0, "signal": signal.SIGKILL}
    if os.WIFSIGNALED(status):
        return {"code": 0, "signal": os.WTERMSIG(status)}
    return {"code": os.WEXITSTATUS(status), "signal": 0}


def _fork(project: pathlib.Path, snapshot: Snapshot, abi: ctypes.CDLL, control: socket.socket, request: dict[str, Any],
          descriptors: list[int]) -> int:  # fmt: skip
    parent = os.getpid()
    pid = os.fork()
    if pid != 0:
        return pid
    try:  # Nothing may leave this block: above it waits the loop of the parent.
        abi.headrace_die_with_parent(parent)
        os.setpgid(0, 0)  # What the function starts is killed with it.
        control.close()
        channel, memory, output = descriptors
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        snapshot.install()
        serving.serve(project, abi, channel, memory, **request)
        os._exit(0)
    except SystemExit as end:  # The function has called sys.exit.
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException as failure:
        print(f"the worker ended: {failure!r}", file=sys.stderr, flush=True)
    os._exit(1)

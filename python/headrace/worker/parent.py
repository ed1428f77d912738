"""`serve`: the parent of all workers, and of what describes them. Single-threaded, without any of the user's code, so that forking it is
safe and quick; pyarrow is imported here, once for all."""

from __future__ import annotations

import ctypes
import functools
import gc
import json
import os
import pathlib
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from headrace.snapshot import Snapshot
from headrace.worker import describe, serving
from headrace.worker.pandas_later import put_pandas_off

CONTROL = 3  # The descriptor over which the engine asks.
REQUEST_BYTES_MAX = 65_536
DESCRIPTORS_MAX = 3  # Of a worker: its channel, its shared memory, and where its output goes.


def main(project: pathlib.Path, library: str) -> int:
    """Answers one JSON request at a time until the engine is gone.

    {"fork": {"file", "function", "hash", "memory_bytes"}} with three descriptors: forks a worker; {"pid": n} with its pidfd comes back.
    {"describe": true} with two descriptors: forks a process that writes what is in functions/ now to the first, as describe.tell does;
    {"pid": n} with its pidfd comes back.
    {"reap": pid}: waits for the end of that process; {"code": n, "signal": n} comes back.
    {"refresh": true}: workers that start from now on run the code as it is on the disk; {} comes back.
    """
    _warm_up()
    abi = serving.load_library(library)
    snapshot = Snapshot(project)  # Workers that start later run the code of now.
    control = socket.socket(fileno=CONTROL)
    gc.collect()
    gc.freeze()  # The collector of a worker must not touch, and so copy, the pages it shares with us.
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, REQUEST_BYTES_MAX, DESCRIPTORS_MAX)
        if not data:
            return 0
        request = json.loads(data)
        if "fork" in request:
            channel, memory, output = descriptors
            _fork(abi, control, output, functools.partial(_work, project, snapshot, abi, channel, memory, request["fork"]))
        elif "describe" in request:
            answer, output = descriptors
            _fork(abi, control, output, functools.partial(describe.tell, project, answer))
        elif "refresh" in request:
            snapshot.take()
            control.send(b"{}")
        else:
            control.send(json.dumps(_reap(request["reap"])).encode())
        for descriptor in descriptors:
            os.close(descriptor)


def _warm_up() -> None:
    """Does once what every worker would do in its first call, on that call's time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    put_pandas_off()
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


def _fork(abi: ctypes.CDLL, control: socket.socket, output: int, run: Callable[[], object]) -> None:
    """Forks a process that runs `run` and prints to `output`, and tells the engine of it."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _run_forked(abi, parent, control, output, run)
    watch = os.pidfd_open(pid)
    socket.send_fds(control, [json.dumps({"pid": pid}).encode()], [watch])
    os.close(watch)


def _run_forked(abi: ctypes.CDLL, parent: int, control: socket.socket, output: int, run: Callable[[], object]) -> NoReturn:
    try:  # Nothing may leave this block: above it waits the loop of the parent.
        abi.headrace_die_with_parent(parent)
        os.setpgid(0, 0)  # What the function starts is killed with it.
        control.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        run()
        os._exit(0)
    except SystemExit as end:  # The function has called sys.exit.
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException as failure:
        print(f"the process ended: {failure!r}", file=sys.stderr, flush=True)
    os._exit(1)


def _work(project: pathlib.Path, snapshot: Snapshot, abi: ctypes.CDLL, channel: int, memory: int, request: dict[str, Any]) -> None:
    snapshot.install()
    serving.serve(project, abi, channel, memory, **request)

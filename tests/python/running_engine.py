"""A real engine that serves a project: started, waited for, killed and started again."""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("HEADRACE_BIN") or ROOT / "build" / "headrace")
LIMIT_S = 120
"""How long what is awaited may take on a machine that has much else to do; nothing waits longer than it must."""


@functools.cache
def why_not() -> str:
    """Says why no engine can be run here; "" = one can."""
    if not BINARY.exists():
        return f"there is no {BINARY}"
    asked = subprocess.run([BINARY, "run", "--help"], capture_output=True, check=False)
    return "" if asked.returncode == 0 else f"{BINARY} has no command run"


class RunningEngine:
    """`headrace run` over a project, on a port of its own. Ends with the `with` block."""

    def __init__(self, project: Path, state: Path, *, shards: int = 1) -> None:
        self.project, self.state, self.shards = project, state, shards
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.log = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> RunningEngine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def start(self) -> None:
        """Starts it on any free port, the same again after a kill, and waits until it takes rows."""
        port = self.url.rpartition(":")[2] or str(free_port())
        self.url = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
        environment.setdefault("HEADRACE_PYTHON", sys.executable)
        command = [
            str(BINARY),
            "run",
            str(self.project),
            "--state",
            str(self.state),
            "--shards",
            str(self.shards),
            "--listen",
            f"127.0.0.1:{port}",
        ]
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Waits until the pipeline runs.

        Raises:
            RuntimeError: it ended, or did not become ready; the message holds what it printed.
        """
        assert self.process is not None
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + "/readyz", timeout=LIMIT_S):
                    return
            except OSError:
                time.sleep(0.01)  # Nothing listens yet: there is nothing else to wait on.
        raise RuntimeError(f"the engine is not ready (exit {self.process.poll()}):\n{self.printed()}")

    def printed(self) -> str:
        return end_of(self.log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ends it in good order; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT_S)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        """Gives status, body and headers (names in lower case), whatever the status."""
        request = urllib.request.Request(self.url + path, body, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
                return answer.status, answer.read(), {name.lower(): value for name, value in answer.headers.items()}
        except urllib.error.HTTPError as error:
            return error.code, error.read(), {name.lower(): value for name, value in error.headers.items()}

    def post_rows(self, source: str, rows: list[dict[str, Any]], key: str = "") -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/x-ndjson"} | ({"Idempotency-Key": key} if key else {})
        status, body, _ = self.request("POST", f"/v1/sources/{source}", "".join(json.dumps(row) + "\n" for row in rows).encode(), headers)
        return status, json.loads(body)

    def sql(self, text: str) -> list[list[Any]]:
        status, body, _ = self.request("POST", "/v1/sql", json.dumps({"sql": text}).encode(), {"Content-Type": "application/json"})
        answer = json.loads(body)
        if status != 200:
            raise RuntimeError(answer)
        return list(answer["rows"])

    def wait_for(self, sql: str, wanted: list[list[Any]], limit_s: float = LIMIT_S) -> None:
        """Asks until the answer is the wanted one."""
        deadline = time.monotonic() + limit_s
        while (got := self.sql(sql)) != wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"{sql} gives {got} instead of {wanted}")
            time.sleep(0.02)  # The view follows within a tick.


def wait_until(holds: Callable[[], bool], seen: Callable[[], str] = str) -> None:
    """Waits until something holds; tells what is seen where it never does."""
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, seen()
        time.sleep(0.02)  # Nothing announces it.


def end_of(log: IO[bytes]) -> str:
    """Gives the end of what a process has printed so far. Its place in the file is the process's, too: seeking would move both."""
    size = os.fstat(log.fileno()).st_size
    return os.pread(log.fileno(), 4000, max(size - 4000, 0)).decode(errors="replace")


_ports: list[socket.socket] = []
"""What keeps the ports that were given out from being given out again, here or to another process."""


def free_port() -> int:
    """Finds a port of the loopback that nobody listens on, and keeps it for this process and those it starts.

    On Linux a socket that is bound and does not listen keeps its port from all who ask for any port, and not from who asks for this one
    with SO_REUSEADDR, as servers do.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    _ports.append(kept)
    return int(kept.getsockname()[1])


def write_project(directory: Path, sql: str) -> Path:
    """Makes a project of one SQL file."""
    (directory / "sql").mkdir(parents=True)
    (directory / "headrace.toml").write_text('name = "tested"\n')
    (directory / "sql" / "pipeline.sql").write_text(sql)
    return directory

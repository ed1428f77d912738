"""A door that speaks the engine's HTTP by script: for what a healthy engine never does, such as breaking off in the middle."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable
from typing import Any

import pyarrow as pa

Handler = http.server.BaseHTTPRequestHandler


class ScriptedDoor:
    """Answers with `routes[(method, path)](handler, body)`; keeps what was asked in `requests`."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], Callable[[Handler, bytes], None]] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        door = self

        class Scripted(Handler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                door.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                route = door.routes.get((self.command, self.path.split("?")[0]))
                if route is None:
                    error(self, 404, 6003, "not_found", f"nothing at {self.path}")
                else:
                    route(self, body)

            do_GET = do_POST = _any  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def reply(handler: Handler, content_type: str, body: bytes, *, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def error(handler: Handler, status: int, code: int, name: str, message: str, **more: str) -> None:
    content = {"error": {"code": code, "name": name, "message": message, **more}}
    reply(handler, "application/json", json.dumps(content).encode(), status=status)


def arrow(handler: Handler, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    reply(handler, "application/vnd.apache.arrow.stream", sink.getvalue().to_pybytes(), Headrace_Tick="42", Headrace_Durable_Tick="40")


def stream(handler: Handler, *events: str) -> None:
    """Sends events and breaks off."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    for event in events:
        handler.wfile.write(event.encode())
    handler.wfile.flush()
    handler.close_connection = True

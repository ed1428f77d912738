"""Requests to an engine over HTTP, with the standard library alone."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any

from headrace.errors import BadConfig, HeadraceError, error_of


@dataclasses.dataclass(frozen=True)
class Reply:
    """An answer of status 200.

    Attributes:
        body: the whole body.
        headers: with names in lower case.
    """

    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


class Door:
    """One engine's address, and one kept connection to it. Any thread may use it; requests wait for one another.

    >>> Door("http://localhost:8480/").address
    'http://localhost:8480'
    """

    def __init__(self, url: str, *, token: str | None = None, timeout_ms: int = 60_000) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise BadConfig(f"{url!r} is not an engine's address", remedy="it looks like http://localhost:8480")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._path = parts.path.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._timeout_ms = timeout_ms
        self._lock = threading.Lock()
        self._kept: http.client.HTTPConnection | None = None
        self.address = f"{parts.scheme}://{parts.netloc}{self._path}"

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, *, repeatable: bool = True
    ) -> Reply:
        """Sends a request and reads the answer.

        Args:
            path: from the engine's root, such as "/v1/sql".
            repeatable: it may be sent again when a kept connection turns out to be closed.

        Raises:
            HeadraceError: what the engine answered, by its code.
            ConnectionError: the engine cannot be reached, or does not answer in time.
        """
        with self._lock:
            kept, self._kept = self._kept, None
            if kept is not None and not repeatable:
                kept.close()
                kept = None
            try:
                reply, connection = self._exchange(kept, method, path, body, headers)
            except (http.client.HTTPException, ConnectionError) as failure:
                if kept is None:
                    raise self._unreachable(failure) from failure
                try:  # The engine may close a connection that has been idle for a while.
                    reply, connection = self._exchange(None, method, path, body, headers)
                except (http.client.HTTPException, OSError) as again:
                    raise self._unreachable(again) from again
            except OSError as failure:
                raise self._unreachable(failure) from failure
            self._kept = connection
            return reply

    def open_stream(self, path: str, headers: Mapping[str, str]) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Starts an answer without an end, on a connection of its own; the caller closes it. Errors as `request`."""
        connection = self._connect()
        try:
            connection.request("GET", self._path + path, headers={**self._headers, **headers})
            answer = connection.getresponse()
            if answer.status == 200:
                if connection.sock is not None:
                    connection.sock.settimeout(None)
                    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                return connection, answer
            failure = _failure_of(answer.status, answer.read())
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise self._unreachable(error) from error
        connection.close()
        raise failure

    def close(self) -> None:
        with self._lock:
            if self._kept is not None:
                self._kept.close()
                self._kept = None

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self._timeout_ms / 1000)

    def _exchange(
        self, connection: http.client.HTTPConnection | None, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None
    ) -> tuple[Reply, http.client.HTTPConnection]:
        connection = connection or self._connect()
        try:
            connection.request(method, self._path + path, body=body, headers={**self._headers, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:
            connection.close()
            raise
        if answer.status >= 300:
            connection.close()
            raise _failure_of(answer.status, content)
        return Reply(content, {name.lower(): value for name, value in answer.getheaders()}), connection

    def _unreachable(self, failure: Exception) -> ConnectionError:
        return ConnectionError(f"no engine answers at {self.address}: {failure}")


def _failure_of(status: int, body: bytes) -> HeadraceError:
    try:
        error = json.loads(body)["error"]
        return error_of(error["code"], error["message"], remedy=error.get("remedy") or "", at=error.get("at") or "")
    except (ValueError, KeyError, TypeError):
        start = body[:200].decode("utf-8", "replace")
        return error_of(9001, f"HTTP status {status}: {start}", remedy="is this address a Headrace engine's?")

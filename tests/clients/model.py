"""A stand-in for the model: a loopback server that plays the Messages API from a script, and records.

A script is a list of turns. A turn is a text, which ends the conversation, or a list of tool calls
`(name, input)`. Which script a request belongs to is told by a word in its first message.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Turn = str | list[tuple[str, dict[str, Any]]]

REQUEST_LIMIT = 60
"""Requests after which the server answers nothing but the end: a script that loops stops by itself."""


class Model:
    """The server and what it has recorded. Use it as a context manager."""

    def __init__(self, scripts: dict[str, Sequence[Turn]]) -> None:
        self.scripts = scripts
        self.requests: list[dict[str, Any]] = []
        self.by_script: dict[str, list[dict[str, Any]]] = {name: [] for name in scripts}
        self._lock = threading.Lock()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length) or b"{}")
                if "count_tokens" in self.path:
                    self._send("application/json", b'{"input_tokens": 1}')
                    return
                turn = model.turn(body)
                if body.get("stream"):
                    self._send("text/event-stream", _stream(turn, body.get("model", "")))
                else:
                    message = {**_message(body.get("model", "")), "content": _content(turn)}
                    message["stop_reason"] = "end_turn" if isinstance(turn, str) else "tool_use"
                    self._send("application/json", json.dumps(message).encode())

            def do_GET(self) -> None:
                self._send("application/json", b'{"data": []}')

            def do_HEAD(self) -> None:
                self._send("application/json", b"")

            def _send(self, kind: str, data: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the requests are recorded."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Model:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def turn(self, body: dict[str, Any]) -> Turn:
        """Record a request and return what the model says to it."""
        with self._lock:
            self.requests.append(body)
            if not body.get("tools") or len(self.requests) > REQUEST_LIMIT:
                return "ok"
            first = text_of(body["messages"][0])
            name = next((word for word in self.scripts if word in first), None)
            if name is None:
                return "ok"
            self.by_script[name].append(body)
            said = len(self.by_script[name]) - 1
            script = self.scripts[name]
            return script[said] if said < len(script) else "done"

    def results(self, script: str) -> list[str]:
        """Return what the tools of a script answered, in order."""
        if not self.by_script[script]:
            return []
        last = self.by_script[script][-1]
        found = []
        for message in last["messages"]:
            content = message["content"] if isinstance(message["content"], list) else []
            found += [_flat(block.get("content", "")) for block in content if block["type"] == "tool_result"]
        return found


def text_of(message: dict[str, Any]) -> str:
    """Return all text of a message."""
    return _flat(message["content"])


def everything(body: dict[str, Any]) -> str:
    """Return all text of a request: system, messages, results."""
    return _flat(body.get("system", "")) + "\n".join(text_of(message) for message in body["messages"])


def _flat(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = []
    for block in content:
        if block.get("type") == "text":
            parts.append(block["text"])
        elif block.get("type") == "tool_result":
            parts.append(_flat(block.get("content", "")))
    return "\n".join(parts)


def _message(model: str) -> dict[str, Any]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


_numbers = iter(range(1, 1_000_000))


def _content(turn: Turn) -> list[dict[str, Any]]:
    if isinstance(turn, str):
        return [{"type": "text", "text": turn}]
    return [
        {"type": "tool_use", "id": f"toolu_{next(_numbers)}", "name": name, "input": value}
        for name, value in turn
    ]


def _stream(turn: Turn, model: str) -> bytes:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": _message(model)}]
    for index, block in enumerate(_content(turn)):
        if block["type"] == "text":
            start = {**block, "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    reason = "end_turn" if isinstance(turn, str) else "tool_use"
    events.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": 1},
        }
    )
    events.append({"type": "message_stop"})
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()

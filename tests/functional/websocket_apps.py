"""Applications that speak WebSocket, written as for any server: flask-sock, and Flask-SocketIO.

WEBSOCKET_PING is flask-sock's `ping_interval`, in seconds; none without it.
"""

import os
from collections import defaultdict
from typing import Any

from flask import Flask, Response, request
from flask_sock import Sock
from flask_socketio import SocketIO, emit, join_room, send

# ---------------------------------------------------------------------- flask-sock

sock = Flask("sock")
if ping := os.environ.get("WEBSOCKET_PING"):
    sock.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": float(ping)}
sockets = Sock(sock)
rooms: defaultdict[str, set[Any]] = defaultdict(set)


@sock.get("/")
def hello() -> Response:
    return Response("hello", mimetype="text/plain")


@sockets.route("/echo")
def echo(ws: Any) -> None:
    """Send back what comes, until the client closes."""
    while True:
        ws.send(ws.receive())


@sockets.route("/burst/<int:count>")
def burst(ws: Any, count: int) -> None:
    """Answer with `count` messages at once."""
    while (text := ws.receive()) is not None:
        for number in range(count):
            ws.send(f"{number} {text}")


@sockets.route("/room/<name>")
def room(ws: Any, name: str) -> None:
    """Tell all in a room what one of them says, from its greenlet."""
    members = rooms[name]
    members.add(ws)
    try:
        ws.send(f"{len(members)} here")
        while True:
            text = ws.receive()
            for member in tuple(members):
                member.send(text)
    finally:
        members.discard(ws)


@sockets.route("/bye")
def bye(ws: Any) -> None:
    """Close, with a reason of its own."""
    ws.receive()
    ws.close(4_001, "that was all")


@sockets.route("/over")
def over(ws: Any) -> None:
    """Return, and leave the rest to flask-sock."""
    ws.send("last words")


# ---------------------------------------------------------------------- Flask-SocketIO

chat = Flask("chat")
socketio = SocketIO(chat, async_mode="gevent")


@chat.get("/")
def hello_chat() -> Response:
    return Response("hello", mimetype="text/plain")


@socketio.on("shout")
def shout(text: str) -> str:
    """Answer with an event, and with an acknowledgement."""
    emit("shouted", text.upper())
    return f"heard {len(text)}"


@socketio.on("enter")
def enter(name: str) -> None:
    join_room(name)
    emit("entered", name)


@socketio.on("say")
def say(name: str, text: str) -> None:
    send(text, to=name)


@socketio.on("transport")
def transport() -> str:
    """What the client has come to speak."""
    return str(socketio.server.transport(request.sid))  # type: ignore[attr-defined]

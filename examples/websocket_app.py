"""A chat over WebSocket, in Flask with flask-sock, which need not know of gpool.

Each open WebSocket has a worker for as long as it is open: its route runs all the time. So
`max_workers` bounds the people in the room and the requests together; examples/hijack.py shows how
to have more. A drain waits for WebSockets, too: here they are told to go before.

python examples/websocket_app.py [HOST] [PORT], then open http://127.0.0.1:8000/ twice
"""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402  # after the patch, as everything an application imports
import sys  # noqa: E402
from contextlib import suppress  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from flask import Flask  # noqa: E402
from flask_sock import ConnectionClosed, Sock  # noqa: E402

from gpool import WSGIServer  # noqa: E402

PAGE = """<!doctype html>
<title>chat</title>
<form><input autofocus placeholder="say something"></form>
<pre></pre>
<script>
  const field = document.querySelector("input"), log = document.querySelector("pre");
  const name = encodeURIComponent(prompt("your name") || "nobody");
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/chat/${name}`);
  socket.onmessage = ({data}) => log.append(data + "\\n");
  socket.onclose = ({reason}) => log.append(`* the end: ${reason}\\n`);
  document.forms[0].onsubmit = () => { socket.send(field.value); field.value = ""; return false; };
</script>
"""
GOING_AWAY = 1_001  # RFC 6455 section 7.4.1

app = Flask(__name__)
app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": 25}
sockets = Sock(app)
members: set[Any] = set()


@app.get("/")
def page() -> str:
    """Show what was said, and let more be said."""
    return PAGE


@sockets.route("/chat/<name>")
def chat(member: Any, name: str) -> None:
    """Tell everybody what `name` says, until they leave."""
    members.add(member)
    try:
        say(f"* {name} is here")
        while True:
            say(f"{name}: {member.receive()}")
    finally:
        members.discard(member)
        say(f"* {name} has left")


def say(text: str) -> None:
    """Send `text` to everybody."""
    for member in tuple(members):
        with suppress(ConnectionClosed, OSError):  # its own route will notice
            member.send(text)


def main(host: str = "127.0.0.1", port: str = "8000") -> None:
    """Serve until interrupted or terminated; then people are told so."""
    server = WSGIServer((host, int(port)), app, max_workers=1_000)

    def stop() -> None:
        for member in tuple(members):
            with suppress(ConnectionClosed, OSError):
                member.close(GOING_AWAY, "the server stops")
        server.stop(10)

    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stop)
    server.start()
    print(f"chatting on http://{host}:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

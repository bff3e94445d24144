"""HTTP/1.1 for WSGI applications (PEP 3333), on the worker pool.

**A worker is only ever held by application code, never by the network.** The Hub accepts, reads,
parses, parks idle connections and sends the rest of finished responses; a worker gets a whole
request, runs the application, writes, and is free again. `max_workers` bounds the requests in
flight, `max_connections` the sockets.

           Hub side: must not block                         | worker side: may block
    accept -> limits -> NEW -> READING -> (QUEUED) ---------+-> ACTIVE: application -> response
      ^         | 429/503       ^  bytes -> request         |       |
      |         v and close     |                           |       v keep-alive?
      paused while full        IDLE <----- take back <------+-- yes | no -> LINGERING | HIJACKED

The modules, in the order of a request: `server`, the only one that knows the whole trip; Hub side
`connection` (states, timeouts), `intake` (bytes to requests), `wire` (one connection's sending and
waiting), and what they use: `sockets` (accepting, and a socket that never blocks), `tls`, `parking`
(deadlines), `request` and `framing` (a head), `queueing` (waiting for a worker); worker side
`application` (the call), `answer` (its response), `response`, `body` (``wsgi.input``), `files`.
`site` is what all connections share, `settings`, `template` and `access` are what their names say.
"""

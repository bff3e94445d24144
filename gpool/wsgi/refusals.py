"""What clients read whom a server refuses for want of room; what is malformed says itself."""

from gpool.limits import Refusal

__all__ = ["ANSWERS", "RETRY_AFTER"]

RETRY_AFTER = b"Retry-After: 1\r\n"
#: What a refused client reads; fasthttp's words, with our names.
ANSWERS = {
    Refusal.FULL: (503, "The connection cannot be served because max_workers limit exceeded"),
    Refusal.OVERLOADED: (503, "The request cannot be served because the application is overloaded"),
    Refusal.MAX_CONNECTIONS: (
        503,
        "The connection cannot be served because max_connections limit exceeded",
    ),
    Refusal.MAX_CONNS_PER_IP: (
        429,
        "The number of connections from your address exceeds max_conns_per_ip",
    ),
}

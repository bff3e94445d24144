"""The parts of bench.profile: a client, three tools, and what is made of their figures."""

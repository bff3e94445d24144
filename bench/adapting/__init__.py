"""Overload control, simulated and measured: what bounds the time of a request, and what it costs.

python -m bench.adapting [FOLDER]            the simulation: a table, and a picture
python -m bench.adapting.measuring [FOLDER]  the same with gpool, on loopback
"""

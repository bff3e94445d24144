"""How evenly the kernel spreads connections over processes on one address, and what that does.

python -m bench.imbalance [--to FOLDER]    a table and a picture; bench/results by default
"""

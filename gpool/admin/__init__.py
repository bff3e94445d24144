"""The admin listener: what a gpool process tells about itself.

`snapshot` is all figures at one moment, `spool` shares them between processes, `history` keeps the
last minutes, `metrics` and `page` show them, and `server` answers on a listener of its own.
"""

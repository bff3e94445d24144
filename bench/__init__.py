"""Scripts that measure gpool; make bench runs them."""

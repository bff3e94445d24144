"""``python -m gpool``: the command."""

from gpool.cli import main

if __name__ == "__main__":
    main()

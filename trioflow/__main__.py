"""``python -m trioflow``: the command line."""

from trioflow.cli import main

if __name__ == "__main__":
    main()

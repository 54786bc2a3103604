"""python -m lmzip: the command lmzip."""

from lmzip_launcher import lmzip_main  # sets signals, so it comes first

if __name__ == "__main__":
    import sys

    sys.exit(lmzip_main())

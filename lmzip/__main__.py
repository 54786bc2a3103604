"""python -m lmzip: the command lmzip."""

from lmzip.cli import lmzip_main

if __name__ == "__main__":
    lmzip_main()

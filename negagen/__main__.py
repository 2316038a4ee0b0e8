"""`python -m negagen` is the `negagen` command."""

from negagen.cli import main

if __name__ == "__main__":
    main()

"""The command line: `python -m depthmask COMMAND --help`."""

import sys

from depthmask.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

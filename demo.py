"""The web demo of a checkout: drop two photos, see the mask and the depth.

The same as `depthmask demo`, whose options it takes.
"""

import sys

from depthmask.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))

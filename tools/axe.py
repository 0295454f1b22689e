"""Fetches axe-core, with which browser tests look for faults of accessibility, from npm.

It is used by tests only; its licence is MPL-2.0. The file is kept beside the packages in .venv.
"""

import argparse
import base64
import hashlib
import io
import sys
import tarfile
import urllib.request
from pathlib import Path

VERSION = "4.14.1"
ADDRESS = f"https://registry.npmjs.org/axe-core/-/axe-core-{VERSION}.tgz"
# of the archive, as the registry gives it (dist.integrity)
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
SCRIPT = "package/axe.min.js"
LIMIT_S = 60
MISSING = (
    "axe-core could not be fetched from the npm registry: the tests of accessibility are skipped"
)


def cached() -> Path:
    return Path(sys.prefix) / f"axe-core-{VERSION}.min.js"


def find_axe() -> str | None:
    """Returns axe-core's script; None if it is not here and cannot be fetched."""
    path = cached()
    if not path.is_file():
        try:
            with urllib.request.urlopen(ADDRESS, timeout=LIMIT_S) as answer:
                archive = answer.read()
        except OSError:
            return None
        path.write_bytes(unpack(archive))
    return path.read_text("utf-8")


def unpack(archive: bytes) -> bytes:
    """Takes the script out of the archive.

    Raises:
        ValueError: It is not the archive that is meant.
    """
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != SHA512:
        raise ValueError(f"{ADDRESS} is not what it was")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        script = files.extractfile(SCRIPT)
        assert script is not None
        return script.read()


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    print(f"setup: {cached() if find_axe() else MISSING}", file=sys.stderr)


if __name__ == "__main__":
    main()

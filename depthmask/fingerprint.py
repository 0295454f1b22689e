"""What tells a file's content from that of another of its name."""

from hashlib import sha256
from pathlib import Path


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; OSError where it cannot be read."""
    return sha256(path.read_bytes()).hexdigest()

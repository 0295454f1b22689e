"""Exit code 0 if an address answers within a few seconds: `python tools/reachable.py URL`."""

import os
import sys
import threading
import urllib.request

LIMIT_S = 6.0


def reachable(url: str, *, limit_s: float = LIMIT_S) -> bool:
    """Asks for the head of a page; False on any error, and when it takes longer than the limit."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=limit_s) as response:
                answers.append(response.status < 400)
        except (OSError, ValueError):
            answers.append(False)

    # A name look-up takes no time limit of ours, so the question is asked from a thread.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(limit_s)
    return answers == [True]


if __name__ == "__main__":
    # Not sys.exit: it would wait for a look-up that hangs.
    os._exit(0 if reachable(sys.argv[1]) else 1)

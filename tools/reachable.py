"""Ends with exit code 0 if an address answers within a few seconds."""

import argparse
import os
import threading
import urllib.request

LIMIT_S = 6.0


def reachable(url: str, *, limit_s: float = LIMIT_S) -> bool:
    """Requests the head of a page; False on any error, and if it takes longer than the limit."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=limit_s) as response:
                answers.append(response.status < 400)
        except (OSError, ValueError):
            answers.append(False)

    # A name look-up has no time limit, so a thread makes the request.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(limit_s)
    return answers == [True]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", metavar="URL")
    # Not sys.exit, which would wait for a look-up that hangs.
    os._exit(0 if reachable(parser.parse_args().url) else 1)

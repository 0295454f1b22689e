"""The report of a batch: a table for programs, and a page with previews for people."""

import base64
import csv
import html
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from urllib.parse import quote

from depthmask.batch.jobs import Shard
from depthmask.batch.run import PREVIEWS, STATUSES, Row
from depthmask.errors import counted, printable
from depthmask.files import refuse_links, write_together

MAX_PREVIEWS = 300  # on the page, which they make 3 MB large
MAX_FAILURES = 1000  # on the page
_FINE = "good"  # the verdict about which there is nothing to say
_STYLE = """:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:76rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem}p{margin:.3rem 0}
ul{padding:0;list-style:none}
.failed li{border-left:4px solid #c62828;padding:.1rem .75rem;margin:.75rem 0}
.made{display:grid;gap:1.25rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr))}
.name{font-weight:600;overflow-wrap:anywhere}.failed p{overflow-wrap:anywhere}
img{display:block;width:100%;max-height:20rem;object-fit:contain;background:#8881;border-radius:4px}
.score{float:right;margin-left:.75rem;font-variant-numeric:tabular-nums}"""


def report_files(out: Path, shard: Shard) -> tuple[Path, Path]:
    """Where the table and the page of a part lie."""
    part, parts = shard
    stem = "report" if parts == 1 else f"report-{part}-of-{parts}"
    return out / f"{stem}.csv", out / f"{stem}.html"


def write_report(out: Path, rows: Iterable[Row], shard: Shard = (1, 1)) -> None:
    """Writes both files; errors: OptionError where one is a link, OSError."""
    ordered = sorted(rows, key=lambda row: row.name)
    table, page = report_files(out, shard)
    for path in (table, page):
        refuse_links(out, path.name)
    write_together({table: _table(ordered), page: _page(out, ordered, table.name)})


def count(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows there are of each status."""
    found = Counter(row.status for row in rows)
    return {status: found[status] for status in STATUSES}


def summary(counts: Mapping[str, int]) -> str:
    """Counts in words: "118 pictures: 90 made, 26 kept, 2 failed"."""
    told = [f"{number:,} {status}" for status, number in counts.items() if number]
    whole = counted(sum(counts.values()), "picture")
    return f"{whole}: {', '.join(told)}" if told else whole


def _table(rows: Sequence[Row]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, [field.name for field in fields(Row)])
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return file.getvalue().encode("utf-8", "backslashreplace")  # names may be no text


def _page(out: Path, rows: Sequence[Row], table: str) -> bytes:
    failed = [row for row in rows if row.failed]
    made = sorted((row for row in rows if not row.failed), key=_score)
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>Report: {_text(out.name)}</title><style>{_STYLE}</style>"
        f"<h1>{summary(count(rows))}</h1>"
        f"<p>All are listed in <a href='{quote(table)}'>{table}</a>.</p>"
        + (_failures(failed) if failed else "")
        + (_previews(out, made) if made else "")
        + "</html>\n"
    )
    return page.encode("utf-8", "backslashreplace")


def _failures(rows: Sequence[Row]) -> str:
    items = "".join(
        f"<li><p class=name>{_text(Path(row.image).name)}</p><p>{_text(row.reason)}</p>"
        for row in rows[:MAX_FAILURES]
    )
    more = f"<p>And {len(rows) - MAX_FAILURES:,} more.</p>" if len(rows) > MAX_FAILURES else ""
    return f"<h2>Failed</h2><ul class=failed>{items}</ul>{more}"


def _previews(out: Path, rows: Sequence[Row]) -> str:
    first = "Pairs that fit badly come first; 1 is the best score."
    if len(rows) > MAX_PREVIEWS:
        first += f" The {MAX_PREVIEWS} that fit worst are shown."
    items = "".join(_preview(out, row) for row in rows[:MAX_PREVIEWS])
    return f"<h2>Results</h2><p>{first}</p><ul class=made>{items}</ul>"


def _preview(out: Path, row: Row) -> str:
    picture = f"<p>The preview of {_text(row.name)} is missing.</p>"
    try:
        content = base64.b64encode((out / PREVIEWS / f"{row.name}.jpg").read_bytes()).decode()
        picture = (
            f"<img alt='The image, and its foreground' src='data:image/jpeg;base64,{content}'>"
        )
    except OSError:
        pass  # it was removed a moment ago
    if row.result:
        picture = f"<a href='{quote(os.fsencode(row.result))}'>{picture}</a>"
    score = "" if row.score is None else f"<span class=score>{row.score:.2f}</span>"
    told = "" if row.verdict == _FINE else row.sentence
    remarks = "".join(f"<p>{_text(text)}</p>" for text in (told, row.notes) if text)
    return f"<li>{picture}<p class=name>{score}{_text(row.name)}</p>{remarks}"


def _score(row: Row) -> float:
    return 1.0 if row.score is None else row.score


def _text(text: str) -> str:
    return html.escape(printable(text))

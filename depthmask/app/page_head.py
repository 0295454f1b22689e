"""What the head of the page's HTML says beside what Gradio writes there.

Other websites and messengers show a preview beside a link to the page: its name, a sentence, a
picture. They read it from <meta> elements, in which Gradio names itself. And until Gradio has built
the page, a file that is dropped would be opened by the browser; a script keeps it for the page.
Another one spares the processor. The scripts of the tab that opens first are named, so that the
browser fetches them while it builds the page, and not one after the other when that is done.

`PageHead`, an ASGI application around the page, changes the HTML that passes through it. It also
answers the request for the picture, which nobody has to log in for.
"""

import re
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from gradio.route_utils import API_PREFIX
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from depthmask.app.asgi import App, Message, Receive, Scope, Send
from depthmask.app.modules import file_address
from depthmask.app.share import Addresses

FOLDER = Path(__file__).parent
PICTURE = FOLDER / "link_preview.jpg"
PICTURE_PATH = "/link-preview.jpg"
SIZE = (1200, 630)  # of the picture: width and height in pixels
NAME = "depthmask"
DESCRIPTION = "What is new in a photo, and how far away everything is."
ALTERNATIVE = "A photo, what is new in it cut out, and its depth in colours."
WRITTEN_BY_GRADIO = re.compile(r'[ \t]*<meta\s+(?:property="og:|name="twitter:)[^>]*>\n?')
LOGIN = '"auth_required"'  # in Gradio's login page alone
MAX_AGE_S = 86_400  # of the picture in caches
# photos.js takes `droppedEarly`, and prevents the same from then on
EARLY_DROPS = """<script>
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) window.droppedEarly = [...event.dataTransfer.files];
});
</script>"""
# Gradio counts the seconds of its loading sign in every frame, and goes on when the sign is gone.
# Now it counts once a second, so that a page at rest has nothing to do.
RARE_COUNTS = r"""<script>
const askFrame = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (work) => (/performance\.now\(\).{0,30}1e3/.test(work)
    ? setTimeout(work, 1000) : askFrame(work));
</script>"""


class PageHead:
    """Changes the head of the page.

    Args:
        app: The page.
        root_path: Where a proxy serves the page: a path, or an address.
        addresses: Those of the page, which it tells its visitors.
    """

    def __init__(
        self, app: App, *, root_path: str | None = None, addresses: Addresses | None = None
    ) -> None:
        self._app, self._root_path = app, root_path or ""
        self._addresses = addresses or Addresses()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
        elif scope["path"].endswith(PICTURE_PATH):
            headers = {"Cache-Control": f"public, max-age={MAX_AGE_S}"}
            await FileResponse(PICTURE, headers=headers)(scope, receive, send)
        elif scope["path"].strip("/") == self._path().strip("/") or scope["path"] == "/":
            await self._replace(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _replace(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the page answer, and sends its HTML on with another head."""
        start: Message = {}
        body = bytearray()

        async def collect(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                await self._answer(scope, receive, send, start, bytes(body))

        await self._app(scope, receive, collect)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, start: Message, body: bytes
    ) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]
        }
        if headers.get("content-type", "").startswith("text/html") and start["status"] == 200:
            address = self._address(Request(scope))
            told = self._addresses.script(address, urlsplit(address).hostname or "")
            body = with_head(body.decode("utf-8"), address, told).encode()
        headers.pop("content-length", None)
        await Response(body, start["status"], headers)(scope, receive, send)

    def _address(self, request: Request) -> str:
        """The address of the page as its visitor sees it, without a slash at the end."""
        if "//" in self._root_path:
            return self._root_path.rstrip("/")
        headers = request.headers
        scheme = headers.get("x-forwarded-proto", request.url.scheme).split(",")[0].strip()
        host = headers.get("x-forwarded-host", headers.get("host", "")).split(",")[0].strip()
        return f"{scheme}://{host}{self._path().rstrip('/')}"

    def _path(self) -> str:
        return "" if "//" in self._root_path else self._root_path


def with_head(page: str, address: str, told: str = "") -> str:
    """Replaces Gradio's preview in a page, and adds `EARLY_DROPS`, `RARE_COUNTS` and the scripts.

    Args:
        page: HTML.
        address: Of the page, without a slash at the end.
        told: An element for whoever has logged in.
    """
    said = {
        "og:type": "website",
        "og:site_name": NAME,
        "og:title": NAME,
        "og:description": DESCRIPTION,
        "og:url": f"{address}/",
        "og:image": f"{address}{PICTURE_PATH}",
        "og:image:width": str(SIZE[0]),
        "og:image:height": str(SIZE[1]),
        "og:image:alt": ALTERNATIVE,
        "twitter:card": "summary_large_image",
    }
    # Twitter takes all else from the properties of Open Graph
    lines = [
        f'<meta {"property" if name.startswith("og:") else "name"}="{name}" '
        f'content="{escape(content)}" />'
        for name, content in said.items()
    ]
    lines.append(f'<meta name="description" content="{escape(DESCRIPTION)}" />')
    lines += [f"<title>{NAME}</title>", EARLY_DROPS, RARE_COUNTS]
    bare = WRITTEN_BY_GRADIO.sub("", page).replace("<head>", "<head>\n" + "\n".join(lines), 1)
    if LOGIN in page:  # it has none of the scripts, and may not fetch them
        return bare
    scripts = (FOLDER / "page.js", *sorted(FOLDER.glob("photos/*.js")))
    sources = (f"{address}{API_PREFIX}/{file_address(each)}" for each in scripts)
    # without a low priority, they would hold up those of Gradio's scripts that it finds later
    links = (
        f'<link rel="modulepreload" fetchpriority="low" href="{escape(each)}" />'
        for each in sources
    )
    return bare.replace(
        "</head>", "\n".join((told, *links, "</head>")), 1
    )  # Gradio's scripts come first

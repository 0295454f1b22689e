"""Which addresses visitors are told, and the static page beside the page."""

from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from depthmask.app import Serving
from depthmask.app.share import Addresses, StaticSite
from depthmask.errors import LaunchError
from tests.app.pages import in_own_loop

HERE = "http://127.0.0.1:7860"
NETWORK, PUBLIC = "http://192.168.1.2:7860/", "https://abc.gradio.live"


def test_addresses_that_do_not_exist_are_not_told() -> None:
    told = Addresses().describe(HERE, "127.0.0.1")
    assert told["near"]
    assert {told[way] for way in ("network", "public", "static", "hosted")} == {None}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "192.168.1.7", "pi.local"])
def test_who_is_near_is_told_the_address_in_the_network(host: str) -> None:
    told = Addresses(network=NETWORK, public=PUBLIC).describe(HERE, host)
    assert told["network"]["address"] == NETWORK
    assert told["network"]["code"].startswith("data:image/svg+xml")
    assert told["network"]["code"] != told["public"]["code"]


@pytest.mark.parametrize("host", ["abc.gradio.live", "8.8.8.8", "example.org"])
def test_who_comes_from_elsewhere_is_not(host: str) -> None:
    told = Addresses(network=NETWORK, public=PUBLIC, site=Path("dist")).describe(PUBLIC, host)
    assert not told["near"] and told["network"] is None
    assert told["public"]["address"] == PUBLIC
    assert told["static"] == f"{PUBLIC}/site/"


def test_a_hosted_page_is_told_before_the_one_beside() -> None:
    hosted = "https://ann.example/masks/</script>"
    addresses = Addresses(hosted=hosted, site=Path("dist"))
    assert addresses.describe(HERE, "127.0.0.1")["static"] == hosted
    assert addresses.script(HERE, "127.0.0.1").count("</script>") == 1


def test_the_address_of_a_hosted_page_is_checked() -> None:
    assert Serving(site="https://ann.example/").site
    for wrong in ("ann.example", "javascript:alert(1)", "https://"):
        with pytest.raises(LaunchError, match="--site names the address"):
            Serving(site=wrong)


@pytest.mark.parametrize("root_path", ["", "/app", "https://a.example/app"])
def test_the_static_page_is_served_isolated_below_the_page(tmp_path: Path, root_path: str) -> None:
    (tmp_path / "index.html").write_text("<p>static</p>")
    (tmp_path / "run.wasm").write_bytes(b"\0asm")
    app = StaticSite(PlainTextResponse("the page"), folder=tmp_path, root_path=root_path)
    root = "" if "//" in root_path else root_path

    async def get(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            return await client.get(f"{root}{path}")

    assert in_own_loop(lambda: get("/")).text == "the page"
    assert in_own_loop(lambda: get("/sites")).text == "the page"
    assert in_own_loop(lambda: get("/site")).headers["location"] == "site/"
    found = in_own_loop(lambda: get("/site/"))
    assert found.text == "<p>static</p>"
    assert found.headers["cross-origin-opener-policy"] == "same-origin"
    assert found.headers["cross-origin-embedder-policy"] == "require-corp"
    assert in_own_loop(lambda: get("/site/run.wasm")).headers["content-type"] == "application/wasm"
    assert in_own_loop(lambda: get("/site/%2e%2e/secret")).status_code == 404

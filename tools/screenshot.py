"""Takes the README's picture: python -m tools.screenshot URL FILE, with the demo running at URL."""

import sys

from playwright.sync_api import sync_playwright

from tools.browser import FLAGS, MISSING, find_browser

EXAMPLE = 0  # the one that is clicked
LIMIT_MS = 60_000


def main() -> int:
    url, output = sys.argv[1:]
    executable = find_browser()
    if executable is None:
        print(MISSING, file=sys.stderr)
        return 2
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(LIMIT_MS)
        page.goto(url)
        page.locator("#examples button").nth(EXAMPLE).click()
        page.wait_for_selector("#mask img")
        page.wait_for_selector("#depth img")
        page.wait_for_timeout(1000)  # the pictures fade in
        page.screenshot(path=output)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

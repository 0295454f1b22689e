"""The colours of theme.py and style.css, for the static page and for saved results."""

import re
from collections.abc import Iterator

import gradio as gr

from depthmask.app.theme import STYLE, theme

# Of Gradio's variables, those that the tabs' own styles use.
_OF_THEME = (
    "body-text-color",
    "body-background-fill",
    "block-background-fill",
    "border-color-primary",
    "primary-700",
)
_HEAD = "Written by `python -m tools.web_fixtures`: the colours of theme.py and style.css."


def make_sheet() -> str:
    """The colours as a style sheet."""
    return f"/* {_HEAD} */\n\n{_rules()}"


def make_script() -> str:
    """The same as a module, for pages that a script writes."""
    return f"// {_HEAD}\n\nexport const COLOURS = `{_rules()}`;\n"


def _rules() -> str:
    """Sets the variables, for light and for dark."""
    light, dark = (
        "\n".join(f"    --{name}: {value};" for name, value in _variables(is_dark))
        for is_dark in (False, True)
    )
    dark = "\n".join(f"    {line}" for line in [":root {", *dark.splitlines(), "}"])
    return f":root {{\n{light}\n}}\n\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _variables(is_dark: bool) -> Iterator[tuple[str, str]]:
    look = theme()
    for name in _OF_THEME:
        yield name, _colour(look, name.replace("-", "_"), is_dark)
    style = STYLE[-1].read_text("utf-8")
    start = style.index(".dark .gradio-container" if is_dark else ".gradio-container")
    for name, value in re.findall(r"--([\w-]+): (.+);", style[start : style.index("}", start)]):
        if name != "font":
            known = re.fullmatch(r"var\(--([\w-]+)\)", value)
            yield name, _colour(look, known[1].replace("-", "_"), is_dark) if known else value


def _colour(look: gr.themes.Base, name: str, is_dark: bool) -> str:
    """A variable of the theme; "*name" stands for another one."""
    dark = getattr(look, f"{name}_dark", None) if is_dark else None
    value = str(dark or getattr(look, name))
    return _colour(look, value[1:], is_dark) if value.startswith("*") else value

// Written by `python -m tools.web_fixtures`: the colours of theme.py and style.css.

export const COLOURS = `:root {
    --body-text-color: #292524;
    --body-background-fill: #fafaf9;
    --block-background-fill: white;
    --border-color-primary: #e7e5e4;
    --primary-700: #0f766e;
    --quiet: #57534e;
    --color-accent: #0f766e;
    --letterbox: #f5f5f4;
    --warn: #b45309;
    --warn-fill: #fffbeb;
    --board: repeating-conic-gradient(#ccc 0 25%, #999 0 50%);
}

@media (prefers-color-scheme: dark) {
    :root {
        --body-text-color: #e7e5e4;
        --body-background-fill: #0f0e0d;
        --block-background-fill: #1c1917;
        --border-color-primary: #292524;
        --primary-700: #0f766e;
        --quiet: #a8a29e;
        --color-accent: #14b8a6;
        --letterbox: #0f0e0d;
        --warn: #fbbf24;
        --warn-fill: #29210f;
    }
}
`;

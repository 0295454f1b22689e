// The sentences that this page shares with Python, and their fields filled in.

import texts from "../../depthmask/texts.json" with { type: "json" };

export const TEXTS = texts;

// fill("{share:.1%} of {what}", { share: 0.1234, what: "it" }) is "12.3% of it", as str.format has it.
export function fill(text, fields = {}) {
    return text.replace(/\{(\w+)(?::\.(\d)([f%]))?\}/g, (_, name, digits, kind) => {
        const value = fields[name];
        if (!kind) return String(value);
        return kind === "%" ? `${(100 * value).toFixed(digits)}%` : value.toFixed(digits);
    });
}

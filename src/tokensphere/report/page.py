"""The frame of the page: its style and its skeleton. No script, no font, nothing from outside."""

from __future__ import annotations

from .html import Markup, element, join, text

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --soft: #5b6472; --line: #d9dde4; --paper: #ffffff; --panel: #f5f6f9;
  --good: #0f6b45; --good-bg: #dff3e8; --bad: #a3160f; --bad-bg: #fbe1df; --none: #4b5563; --none-bg: #e8eaee; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --soft: #a3abb8; --line: #3a414d; --paper: #14171c;
  --panel: #1d2128; --good: #7fdcae; --good-bg: #12382a; --bad: #ff9d94; --bad-bg: #4a1b18; --none: #c3c8d0;
  --none-bg: #2b3039; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.25rem 1rem 4rem; max-width: 62rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .4rem 0; }
.soft { color: var(--soft); }
.counts { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0; padding: 0; list-style: none; }
.tag { display: inline-block; padding: .1rem .55rem; border-radius: 1rem; font-size: .85rem; font-weight: 600;
  white-space: nowrap; }
.agrees { color: var(--good); background: var(--good-bg); }
.disagrees { color: var(--bad); background: var(--bad-bg); }
.not-applicable { color: var(--none); background: var(--none-bg); }
nav { font-size: .9rem; }
nav a { color: inherit; margin-right: .9rem; }
.scroll { overflow-x: auto; margin: .5rem 0 1.25rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; white-space: nowrap; border-bottom-width: 2px; }
tbody th { font-weight: 600; min-width: 7rem; }
td { font-variant-numeric: tabular-nums; }
table.numeric { width: auto; min-width: 60%; }
table.numeric td, table.numeric thead th:not(:first-child) { text-align: right; padding-left: 1rem; }
td.wide { min-width: 16rem; }
code, pre { font-family: ui-monospace, "SFMono-Regular", Menlo, "DejaVu Sans Mono", monospace; font-size: .85em;
  overflow-wrap: anywhere; }
pre { background: var(--panel); padding: .75rem 1rem; border-radius: .4rem; white-space: pre-wrap; }
figure { margin: 1.25rem 0 2rem; }
figure img { display: block; width: 100%; max-width: 54rem; height: auto; background: #fff; border-radius: .4rem;
  border: 1px solid var(--line); }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .4rem; max-width: 54rem; }
ul.plain { padding-left: 1.1rem; }
.picture { overflow-x: auto; }
@media screen and (max-width: 40rem) {
  body { font-size: 15px; }
  .picture img { width: 40rem; max-width: none; }
  table.cards, table.cards tbody, table.cards tr, table.cards th, table.cards td { display: block; }
  table.cards thead { display: none; }
  table.cards tr { padding: .6rem 0; border-bottom: 1px solid var(--line); }
  table.cards th, table.cards td { border: 0; padding: .1rem 0; min-width: 0; overflow-wrap: anywhere; }
  table.cards td { display: grid; grid-template-columns: 7rem 1fr; gap: .5rem; justify-items: start; }
  table.cards td::before { content: attr(data-label); color: var(--soft); }
}
@media print {
  :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --panel: #f5f6f9; --good: #0f6b45; --good-bg: #fff;
    --bad: #a3160f; --bad-bg: #fff; --none: #444; --none-bg: #fff; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .tag { border: 1px solid currentColor; }
  .scroll { overflow: visible; }
  tr, figure { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
}
"""


def page(title: str, head: Markup, sections: list[tuple[str, str, Markup]]) -> str:
    """A whole document from its headline and its sections (anchor, heading, content)."""
    links = element("nav", *(element("a", heading, href=f"#{anchor}") for anchor, heading, _ in sections))
    parts = [element("section", element("h2", heading), content, id=anchor) for anchor, heading, content in sections]
    viewport = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>{viewport}<title>{text(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n<header>{head}{links}</header>\n<main>{join(parts)}</main>\n"
        "</body>\n</html>\n"
    )

"""The style sheet of every report: system fonts, one column for reading, light and dark, phone and paper."""

STYLE_SHEET = """\
:root {
  --ink: #1d232b; --muted: #66707d; --line: #dfe3e8; --paper: #fefefe; --tint: #f4f6f8; --accent: #2f6fb0;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, Charter, Georgia, "DejaVu Serif", serif;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ed; --muted: #9aa5b1; --line: #333b45; --paper: #14181d; --tint: #1c2229; --accent: #7fb0dc; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.6 var(--sans); font-variant-numeric: tabular-nums; overflow-wrap: break-word;
}
main { max-width: 54rem; margin: 0 auto; padding: 3.5rem 1.5rem 4rem; }
h1, h2, h3 { font-family: var(--serif); font-weight: 600; line-height: 1.2; text-wrap: balance; }
h1 { font-size: clamp(1.9rem, 1.4rem + 2.2vw, 2.7rem); margin: 0 0 .8rem; letter-spacing: -.01em; }
h2 { font-size: 1.5rem; margin: 0 0 1rem; }
h3 { font-size: 1.1rem; margin: 1.6rem 0 .7rem; }
h4 { font-size: .82rem; margin: 0 0 .3rem; color: var(--muted); font-weight: 600; }
p, ul { max-width: 42rem; margin: 0 0 1rem; }
a { color: var(--accent); }
header { margin-bottom: 3rem; }
.kicker { color: var(--accent); font-size: .85rem; font-weight: 600; margin: 0 0 .6rem; }
.lead { font-size: 1.15rem; line-height: 1.55; }
nav { display: flex; flex-wrap: wrap; gap: .35rem 1.4rem; font-size: .92rem; padding-top: 1rem; }
nav a { text-decoration: none; border-bottom: 1px solid var(--line); padding: .15rem 0; }
nav a:hover { border-color: currentColor; }
section { border-top: 1px solid var(--line); padding-top: 2.2rem; margin-top: 3rem; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(11.5rem, 1fr)); gap: 1px; margin: 1.8rem 0;
  background: var(--line); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.numbers > div { background: var(--paper); padding: 1rem 1.15rem; display: flex; flex-direction: column; }
.numbers .value { order: -1; }
.numbers dt { color: var(--muted); font-size: .85rem; line-height: 1.35; }
.numbers dd { margin: 0; }
.numbers .value { font-family: var(--serif); font-size: 1.9rem; line-height: 1.3; font-weight: 600; }
.detail { color: var(--muted); font-size: .85rem; line-height: 1.4; }
.note { background: var(--tint); border-left: 3px solid var(--accent); border-radius: 0 6px 6px 0;
  padding: .9rem 1.2rem; margin: 1.4rem 0; max-width: 44rem; }
.note p { margin: 0; }
.scroll { overflow-x: auto; }
.scroll:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: 0 0 .4rem; }
.caption { color: var(--muted); font-size: .88rem; margin: 0 0 .5rem; }
th, td { text-align: left; padding: .5rem .9rem .5rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--muted); font-weight: 600; font-size: .82rem; vertical-align: bottom; }
thead th { border-bottom-color: var(--muted); }
td.number, th.number { text-align: right; }
td.number, .interval { white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
div.table { margin: 1.3rem 0 1.7rem; }
figure { margin: 1.7rem 0 2.2rem; }
figure svg { display: block; width: 100%; min-width: 34rem; max-width: 52rem; height: auto; font-family: var(--sans); }
figure svg.narrow { display: none; min-width: 0; max-width: 32rem; }
figcaption { color: var(--muted); font-size: .9rem; line-height: 1.5; max-width: 44rem; margin-top: .5rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .9rem; }
.compare { margin-bottom: 1.6rem; }
.card { background: var(--tint); border-radius: 8px; padding: .9rem 1.1rem; }
.card p { margin: 0; }
.card .detail { margin-top: .4rem; }
details { border: 1px solid var(--line); border-radius: 8px; padding: 0 1.1rem; margin: 1.2rem 0; }
summary { cursor: pointer; padding: .75rem 0; font-size: .95rem; color: var(--accent); }
footer { border-top: 1px solid var(--line); margin-top: 3.5rem; padding-top: 1.2rem; }
footer p { color: var(--muted); font-size: .85rem; }
@media (max-width: 40rem) {
  main { padding: 2rem 1.1rem 3rem; }
  .numbers { grid-template-columns: 1fr 1fr; }
  .numbers > div { padding: .8rem .9rem; }
  .numbers .value { font-size: 1.5rem; }
  figure svg { min-width: 0; }
  figure svg.wide { display: none; }
  figure svg.narrow { display: block; }
}
@media print { main { max-width: none; padding: 0; } section { break-inside: avoid-page; } nav { display: none; } }
"""

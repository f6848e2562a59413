/** Widths of a page in pixels, up to the widest: below its own a table is shown as a list. */
const limits = [400, 560, 720, 980];
/** Of a table too wide for any page. */
const always = 100_000;
/** Left and right of the page's text, in pixels. */
const bodyPadding = 40;

/**
 * The look of a report: light and dark by the reader's preference, which the charts follow through the same colors; nothing wider
 * than the page; on paper what a reader without scripts sees.
 */
export const pageStyle = `
:root { color-scheme: light dark; --text: #1b1b1b; --soft: #5c5c5c; --rule: #d9d9d9; --page: #fff; --band: #f6f6f6;
  --accent: #0069a8; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e8e8; --soft: #a8a8a8; --rule: #424242; --page: #161616; --band: #202020; --accent: #6cb8ec; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 61.25rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.15rem; font-weight: 600; margin: 0 0 1rem; color: var(--soft); overflow-wrap: anywhere; }
h2, caption { font-size: 1.1rem; font-weight: 600; line-height: 1.35; margin: 0; text-align: left; }
section { margin-top: 2.75rem; }
.answer { font-size: 1.5rem; line-height: 1.35; font-weight: 600; margin: 0 0 .75rem; text-wrap: pretty;
  overflow-wrap: anywhere; }
.answer + ul, .more { margin: 0 0 .75rem; padding-left: 1.2rem; overflow-wrap: anywhere; }
.lead, .note, figcaption { color: var(--soft); font-size: .875rem; margin: .5rem 0 0; max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--accent); }
figure { margin: 0; }
figure svg { display: block; width: 100%; height: auto; }
.static { margin-top: .75rem; }
.narrow { display: none; }
.live { margin-top: .75rem; width: 100%; overflow: hidden; }
@media screen and (max-width: 600px) { .wide { display: none; } .narrow { display: block; } }
@media screen { .is-live .static { display: none; } }
@media print { .live, .hint, .csv { display: none; } }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem .9rem; margin: .6rem 0 0; padding: 0; font-size: .875rem; }
.legend li { overflow-wrap: anywhere; }
.legend button { font: inherit; color: inherit; background: none; border: 0; padding: .15rem 0; cursor: pointer; text-align: left; }
.legend button[aria-pressed=false] { opacity: .4; text-decoration: line-through; }
.swatch { display: inline-block; width: .75em; height: .75em; border-radius: 50%; margin-right: .45em;
  print-color-adjust: exact; }
button:focus-visible, a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.tip { background: var(--page) !important; color: var(--text) !important; border: 1px solid var(--rule) !important;
  font: .8125rem/1.45 system-ui, sans-serif !important; max-width: min(26rem, 90vw); white-space: normal !important; }
.tip:empty { display: none; }
.tip .head { color: var(--soft); }
.tip .runs { color: var(--soft); font-size: .75rem; padding-left: 1.2em; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { padding-bottom: .6rem; overflow-wrap: anywhere; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top; }
th { font-weight: 600; }
thead th { color: var(--soft); font-weight: 500; vertical-align: bottom; border-bottom-color: var(--soft); }
th:first-child, td:first-child, .words td { text-align: left; }
tbody th, td { overflow-wrap: anywhere; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
.words th { width: 34%; text-align: left; }
.words td { overflow-wrap: anywhere; }
.s { white-space: nowrap; }
tbody th { min-width: 6rem; }
tbody tr:hover { background: var(--band); }
thead button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit; }
thead button:hover { color: var(--text); }
[aria-sort=ascending] button::after { content: " ▲"; font-size: .7em; }
[aria-sort=descending] button::after { content: " ▼"; font-size: .7em; }
.csv { font: 500 .75rem system-ui, sans-serif; color: var(--soft); background: none; border: 1px solid var(--rule);
  border-radius: 4px; padding: .1rem .45rem; margin-left: .6rem; cursor: pointer; vertical-align: .1em; }
.csv:hover { color: var(--text); border-color: var(--soft); }
summary { cursor: pointer; font-size: 1.1rem; font-weight: 600; }
.notes { margin-top: .5rem; }
.notes summary { font-size: .875rem; font-weight: 500; color: var(--soft); }
details table { margin-top: .75rem; }
details caption { font-size: .875rem; font-weight: 500; color: var(--soft); }
.sample { margin: 1rem 0 0; border-top: 1px solid var(--rule); padding-top: .8rem; break-inside: avoid; }
.sample p { margin: 0 0 .25rem; color: var(--soft); font-size: .75rem; }
.sample dl { margin: 0; display: grid; grid-template-columns: minmax(6rem, 11rem) minmax(0, 1fr); gap: .2rem 1rem; }
.sample dt { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; }
.sample dd { margin: 0; overflow-wrap: anywhere; }
.sample mark { background: none; color: inherit; border-bottom: 2px solid var(--accent); }
.files { list-style: none; padding: 0; margin: .6rem 0 0; font-size: .875rem; }
.files li { padding: .3rem 0; border-bottom: 1px solid var(--rule); display: flex; flex-wrap: wrap; gap: .1rem 1rem; }
.files span { font-weight: 600; min-width: 8rem; overflow-wrap: anywhere; }
@media (max-width: 480px) { .sample dl { grid-template-columns: minmax(0, 1fr); } .sample dd { margin-bottom: .35rem; }
  .answer { font-size: 1.25rem; } }
@media print { body { padding: 0; font-size: 10.5pt; } tr, figure { break-inside: avoid; }
  h2, h2 + .note, caption, summary, thead { break-after: avoid; } a { color: inherit; text-decoration: none; }
  details::details-content { content-visibility: visible; block-size: auto; } }
${[always, ...limits.toReversed()].map(listed).join('')}
`;

/** Below its width a table becomes a list: each row a block of its own, each cell with its heading. */
function listed(width: number): string {
  const table = `.t${width}`;
  return `@media (max-width: ${width}px) {
${table}, ${table} caption, ${table} tbody, ${table} tr, ${table} td, ${table} tbody th { display: block; width: auto; text-align: left; padding: 0; border: 0; }
${table} caption { padding-bottom: .3rem; }
${table} thead { display: none; }
${table} tbody tr { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; border-top: 1px solid var(--rule); padding: .5rem 0; break-inside: avoid; }
${table} tbody th { flex: 0 0 100%; }
${table} td::before { content: attr(data-head) " "; color: var(--soft); margin-right: .35em; }
}
`;
}

/** Whether a cell is so short that breaking it would only puzzle. */
export const isShort = (cell: string): boolean => cell.length <= 14;

/** The class of a table: the width below which it would not fit as one. */
export function tableClass(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (head.length === 2) return 'words';
  // A cell breaks between words. 7.4 pixels a letter at .875rem, 19.2 of padding.
  const widest = (text: string) => Math.max(...text.split(/[\s-]+/).map((word) => word.length));
  const cellWidth = (cell: string) => {
    const parts = cell.split(', ');
    const whole = parts.every(isShort) ? Math.max(...parts.map(({ length }) => length)) : widest(cell);
    return Math.min(40, whole);
  };
  const needed = head.reduce((sum, name, i) => {
    const letters = Math.max(widest(name), ...rows.map((row) => cellWidth(row[i] ?? '')));
    return sum + 7.4 * letters + 19.2;
  }, 0);
  const limit = limits.find((width) => needed <= width - bodyPadding);
  return `t${limit ?? always}`;
}

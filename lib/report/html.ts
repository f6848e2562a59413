import type { ReportDocument } from './document.js';
import type { ReportTable } from './table.js';

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML shows it, in elements and in quoted attributes. */
export const escapeHtml = (text: string) =>
  text.replace(/[&<>"']/g, (character) => entities[character] as string);

/** Light and dark by the reader's preference; the colors of the plots' text and lines follow. */
const style = `
:root { color-scheme: light dark; --text: #1b1b1b; --soft: #5c5c5c; --rule: #d4d4d4; --page: #fff; --band: #f5f5f5; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e8e8; --soft: #a8a8a8; --rule: #474747; --page: #161616; --band: #202020; }
}
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
.lead, .note, figcaption { color: var(--soft); font-size: .9rem; }
.scroll { overflow-x: auto; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th:first-child, td:first-child, .words td { text-align: left; }
.words td { white-space: normal; overflow-wrap: anywhere; }
thead th { border-bottom-width: 2px; }
tbody tr:nth-child(even) { background: var(--band); }
.note { margin: .4rem 0 0; max-width: 48rem; }
figure { margin: 2rem 0 0; }
figure svg { max-width: 100%; height: auto; }
figure svg text { fill: var(--text); }
figure svg .role-axis-grid line, figure svg .role-axis-tick line, figure svg .role-axis-domain line { stroke: var(--rule); }
summary { cursor: pointer; margin-top: 2rem; font-weight: 600; }
details .scroll { margin-top: .5rem; }
`;

/** One file that loads nothing: the policy in its head forbids it. */
export function htmlReport({ title, lead, tables, plots, details }: ReportDocument): string {
  const figures = plots.map(
    ({ svg, caption }) => `<figure>\n${svg}\n<figcaption>${escapeHtml(caption)}</figcaption>\n</figure>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${lead.map((line) => `<p class="lead">${escapeHtml(line)}</p>`).join('\n')}
${[...tables.map(htmlTable), ...figures, ...details.map(htmlTable)].join('\n')}
</main>
</body>
</html>
`;
}

function htmlTable({ caption, head, rows, notes, folded }: ReportTable): string {
  const words = head.length === 2 ? ' class="words"' : '';
  const cells = rows.map(
    ([first, ...others]) =>
      `<tr><th scope="row">${escapeHtml(first as string)}</th>` +
      `${others.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`,
  );
  const table = `<div class="scroll">
<table${words}>
<caption>${escapeHtml(caption)}</caption>
<thead><tr>${head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join('')}</tr></thead>
<tbody>
${cells.join('\n')}
</tbody>
</table>
</div>`;
  const notesHtml = notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join('\n');
  return folded
    ? `${notesHtml}\n<details><summary>${escapeHtml(caption)}</summary>\n${table}\n</details>`
    : `${table}\n${notesHtml}`;
}

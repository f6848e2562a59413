import type { Chart } from './charts/chart.js';
import { chartDrawer, chartWidths, escapeHtml, pageScript } from './charts/draw.js';
import type { ReportBlock, ReportDocument, Sample } from './document.js';
import { isShort, pageStyle, tableClass } from './page_style.js';
import type { ReportTable } from './table.js';

/** JSON inside a page: no text of it can end the element. */
const embeddedJson = (value: unknown) => JSON.stringify(value).replaceAll('<', '\\u003c');

/**
 * One file that loads nothing: the policy in its head forbids it, and allows the one script by its hash. All is there without
 * scripts; with them the charts and tables answer.
 */
export async function htmlReport({ title, answer, lead, blocks }: ReportDocument): Promise<string> {
  const [script, draw] = await Promise.all([pageScript(), chartDrawer()]);
  const charts: Chart[] = [];
  const sections = blocks.map((block) => {
    if (block.kind !== 'chart') return htmlBlock(block);
    const index = charts.push(block.chart) - 1;
    const drawn = (['wide', 'narrow'] as const).map(
      (name) =>
        `<div class="static ${name}">\n${draw(block.chart, chartWidths[name], `c${index}${name[0]}`)}\n</div>`,
    );
    const entries = block.chart.series.map(
      ({ name, color }) =>
        `<li><span class="swatch" style="background:${escapeHtml(color)}"></span>${escapeHtml(name)}</li>`,
    );
    return `<section>
<h2>${escapeHtml(block.title)}</h2>
<figure data-chart="${index}">
${block.legend ? `<ul class="legend">${entries.join('')}</ul>\n` : ''}${drawn.join('\n')}
<figcaption>${escapeHtml(block.caption)}</figcaption>
</figure>
</section>`;
  });
  const [verdict, ...more] = answer;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src ${script.policy}; base-uri 'none'; form-action 'none'">
<title>${escapeHtml(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${verdict === undefined ? '' : `<p class="answer">${escapeHtml(verdict)}</p>\n`}${
  more.length === 0
    ? ''
    : `<ul class="more">${more.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>\n`
}${lead.map((line) => `<p class="lead">${escapeHtml(line)}</p>`).join('\n')}
${sections.join('\n')}
</main>
${charts.length === 0 ? '' : `<script type="application/json" id="charts">${embeddedJson(charts)}</script>\n`}<script type="module">${script.text}</script>
</body>
</html>
`;
}

function htmlBlock(block: Exclude<ReportBlock, { kind: 'chart' }>): string {
  switch (block.kind) {
    case 'table':
      return `<section>\n${htmlTable(block)}\n</section>`;
    case 'samples':
      return `<section>
<h2>${escapeHtml(block.title)}</h2>
<p class="note">${escapeHtml(block.note)}</p>
${block.samples.map(htmlSample).join('\n')}
</section>`;
    case 'files': {
      const runs = block.runs.map(({ run, files }) => {
        const links = files.map(({ name, href }) => `<a href="${escapeHtml(href)}">${escapeHtml(name)}</a>`);
        return `<li><span>${escapeHtml(run)}</span>${links.join('')}</li>`;
      });
      return `<section>\n<h2>${escapeHtml(block.title)}</h2>\n<ul class="files">\n${runs.join('\n')}\n</ul>\n</section>`;
    }
  }
}

function htmlSample({ line, source, reference, translations }: Sample): string {
  const known = reference === undefined ? null : new Set(wordsOf(reference));
  const rows = [
    ...(source === undefined ? [] : [['source', escapeHtml(source)]]),
    ...(reference === undefined ? [] : [['reference', escapeHtml(reference)]]),
    ...translations.map(({ condition, text }) => [
      condition,
      known === null ? escapeHtml(text) : markedWords(text, known),
    ]),
  ];
  const items = rows.map(([name, html]) => `<dt>${escapeHtml(name as string)}</dt><dd>${html}</dd>`);
  return `<div class="sample"><p>sentence ${line}</p><dl>${items.join('')}</dl></div>`;
}

const wordsOf = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/** Words that the reference does not have are underlined. */
const markedWords = (text: string, known: ReadonlySet<string>) =>
  text
    .split(/([\p{L}\p{N}]+)/u)
    .map((part, i) =>
      i % 2 === 1 && !known.has(part.toLowerCase()) ? `<mark>${escapeHtml(part)}</mark>` : escapeHtml(part),
    )
    .join('');

/** A cell with its heading for where the table is a list; of numbers what is short, or short between commas, is not broken. */
function htmlCell(cell: string, heading: string, numbers: boolean): string {
  if (numbers && isShort(cell)) return `<td data-head="${heading}" class="s">${escapeHtml(cell)}</td>`;
  const parts = cell.split(', ');
  const html =
    numbers && parts.every(isShort)
      ? parts.map((part) => `<span class="s">${escapeHtml(part)}</span>`).join(', ')
      : escapeHtml(cell);
  return `<td data-head="${heading}">${html}</td>`;
}

/** More notes than these are folded away. */
const mostNotes = 5;

function htmlTable({ caption, head, rows, notes, folded }: ReportTable): string {
  const heads = head.map(escapeHtml);
  const cells = rows.map(
    ([first, ...others]) =>
      `<tr><th scope="row">${escapeHtml(first as string)}</th>` +
      `${others.map((cell, i) => htmlCell(cell, heads[i + 1] as string, head.length > 2)).join('')}</tr>`,
  );
  const table = `<table class="${tableClass(head, rows)}">
<caption>${escapeHtml(caption)}</caption>
<thead><tr>${heads.map((cell) => `<th scope="col">${cell}</th>`).join('')}</tr></thead>
<tbody>
${cells.join('\n')}
</tbody>
</table>`;
  const paragraphs = notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join('\n');
  const notesHtml =
    notes.length > mostNotes
      ? `<details class="notes"><summary>Notes</summary>\n${paragraphs}\n</details>`
      : paragraphs;
  return folded
    ? `${notesHtml}\n<details><summary>${escapeHtml(caption)}</summary>\n${table}\n</details>`
    : `${table}\n${notesHtml}`;
}

import type { ReportDocument } from './document.js';
import type { ReportTable } from './table.js';

/** Text as Markdown shows it, in paragraphs and in table cells. */
export const escapeMarkdown = (text: string) =>
  text
    .replace(/[\r\n]+/g, ' ')
    .replace(/[\\`*_[\]|~]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');

/** The report without its plots, which are in the HTML file beside it. */
export function markdownReport({ title, lead, tables, plots, plotsIn, details }: ReportDocument): string {
  const parts = [
    `# ${escapeMarkdown(title)}`,
    ...lead.map(escapeMarkdown),
    ...tables.map(markdownTable),
    ...(plots.length > 0 ? [`${plotsIn.what} are in [${plotsIn.file}](${plotsIn.file}).`] : []),
    ...details.map(markdownTable),
  ];
  return `${parts.join('\n\n')}\n`;
}

function markdownTable({ caption, head, rows, notes }: ReportTable): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeMarkdown).join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 || head.length === 2 ? '---' : '---:'));
  return [
    `## ${escapeMarkdown(caption)}`,
    [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n'),
    ...notes.map(escapeMarkdown),
  ].join('\n\n');
}

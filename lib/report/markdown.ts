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

/** The report without its charts and samples, which are in the HTML file beside it. */
export function markdownReport({ title, answer, lead, blocks, chartsIn }: ReportDocument): string {
  const [verdict, ...more] = answer;
  const tables = blocks.flatMap((block) => (block.kind === 'table' ? markdownTable(block) : []));
  const parts = [
    `# ${escapeMarkdown(title)}`,
    ...(verdict === undefined ? [] : [`**${escapeMarkdown(verdict)}**`]),
    ...(more.length === 0 ? [] : [more.map((line) => `- ${escapeMarkdown(line)}`).join('\n')]),
    ...lead.map(escapeMarkdown),
    ...(blocks.some(({ kind }) => kind === 'chart')
      ? [`${chartsIn.what} are in [${chartsIn.file}](${chartsIn.file}).`]
      : []),
    ...tables,
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

import { join } from 'node:path';
import type { ReportBlock, ReportDocument } from '../report/document.js';
import { htmlReport } from '../report/html.js';
import { markdownReport } from '../report/markdown.js';
import type { ReportTable } from '../report/table.js';
import { fileError, writeFileAtomically } from '../util/files/files.js';
import { makePath } from '../util/files/make_path.js';
import { theoryCharts } from './charts.js';
import type { GroupEstimate } from './estimates.js';

import { conditionsTable, divergenceTable, gradientNotes, gradientTable, layerTable } from './tables.js';
import type { DropoutMoments } from './theory.js';

const title = 'R-Drop in one direction and in both: divergences and gradients';

/** The result as an HTML page that loads nothing, and as Markdown. */
export async function renderTheory(result: DropoutMoments): Promise<{ html: string; markdown: string }> {
  const table = (one: ReportTable): ReportBlock => ({ kind: 'table', ...one });
  const document: ReportDocument = {
    title,
    answer: [theoryAnswer(result)],
    lead: theoryLead(result),
    blocks: [
      ...theoryCharts(result).map((chart): ReportBlock => ({ kind: 'chart', ...chart })),
      table(divergenceTable(result)),
      table(gradientTable(result, 'kl')),
      table({ ...gradientTable(result, 'loss'), notes: gradientNotes }),
      table(layerTable(result)),
      table(conditionsTable(result)),
    ],
    chartsIn: { file: 'theory.html', what: 'The charts of divergences, variance ratios and norms' },
  };
  return { html: await htmlReport(document), markdown: markdownReport(document) };
}

/** The result in one sentence. */
function theoryAnswer({ divergence, gradients, conditions }: DropoutMoments): string {
  const ratio = gradients.loss.at(-1)?.varianceRatio.ratio ?? null;
  const pairs = conditions.options.pairs.toLocaleString('en-US');
  const expected = divergence.difference.containsZero
    ? `${pairs} pairs of masks show no difference between the expected divergences of both directions`
    : `Over ${pairs} pairs of masks the divergences of both directions differ on average, which theory leaves to chance`;
  return ratio === null
    ? `${expected}.`
    : `${expected}; the gradient of uni varies ${ratio.toFixed(3)} times as much over masks as that of bi.`;
}

/** What the numbers say, in sentences. */
export function theoryLead({ divergence, gradients, conditions }: DropoutMoments): string[] {
  const { level } = conditions.options;
  const { difference } = divergence;
  const times = (groups: readonly GroupEstimate[]) => groups.at(-1)!.varianceRatio.ratio?.toFixed(3) ?? '—';
  return [
    'The two passes of R-Drop are exchangeable, so D(P1‖P2), D(P2‖P1) and bi, their mean, have one expectation, and so have ' +
      `their gradients. The ${Number((level * 100).toFixed(6))} % interval of the difference of both directions ` +
      `${difference.containsZero ? 'contains' : 'does not contain'} 0.`,
    `They differ in variance: over masks, that of the gradient of uni is ${times(gradients.kl)} times that of bi for the KL ` +
      `term alone and ${times(gradients.loss)} times for CE + ${conditions.loss.alpha}·KL, over all parameters.`,
  ];
}

/**
 * Writes theory.html, theory.md and theory.json.
 *
 * @param outDirectory made when it does not exist.
 * @returns the paths of the three files.
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE.
 */
export async function writeDropoutMoments(
  result: DropoutMoments,
  outDirectory: string,
): Promise<{ html: string; markdown: string; json: string }> {
  const { html, markdown } = await renderTheory(result);
  try {
    await makePath(outDirectory);
  } catch (error) {
    throw fileError(error, outDirectory, 'write');
  }
  const paths = {
    html: join(outDirectory, 'theory.html'),
    markdown: join(outDirectory, 'theory.md'),
    json: join(outDirectory, 'theory.json'),
  };
  await writeFileAtomically(paths.html, html);
  await writeFileAtomically(paths.markdown, markdown);
  await writeFileAtomically(paths.json, `${JSON.stringify(result, null, 1)}\n`);
  return paths;
}

/** The charts' renderer, dist/report/echarts.js: bundled from page/ by scripts/bundle_report_page.mjs, no module of lib/. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fileError } from '../../util/files/files.js';
import { loadPart } from '../../util/load_part.js';
import { packageRoot } from '../../util/package_root.js';
import type { Chart, ChartModule } from './chart.js';

const bundle = join(packageRoot, 'dist/report/echarts.js');

/** The widths that a chart is drawn in for readers without scripts: that of the page, and that of a telephone. */
export const chartWidths = { wide: 940, narrow: 340 };

/**
 * Draws charts without a browser.
 *
 * @returns a function from a chart to an <svg> element; what it gives has ids that begin with `prefix`
 * @throws RdropError FILE_NOT_FOUND where the package's own file is gone, PROCESS_LIMIT
 */
export async function chartDrawer(): Promise<(chart: Chart, width: number, prefix: string) => string> {
  await pageScript();
  const { svgOf } = (await loadPart(() => import(pathToFileURL(bundle).href))) as ChartModule;
  return (chart, width, prefix) => embeddable(svgOf(chart, width), chart.label, prefix);
}

/**
 * The same file as a script for a page, with the hash by which a policy allows it.
 *
 * @throws RdropError FILE_NOT_FOUND
 */
export async function pageScript(): Promise<{ text: string; policy: string }> {
  let text: string;
  try {
    text = await readFile(bundle, 'utf8');
  } catch (error) {
    throw fileError(error, bundle, 'read');
  }
  return { text, policy: `'sha256-${createHash('sha256').update(text).digest('base64')}'` };
}

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

/**
 * Inside a page an <svg> needs no namespaces, nothing that answers a mouse, no more digits than a screen shows, a name for those
 * who do not see it, and ids that no other chart has.
 */
function embeddable(svg: string, label: string, prefix: string): string {
  return svg
    .replace(/^<svg [^>]*?(viewBox="[^"]*")[^>]*>/, `<svg role="img" aria-label="${escapeHtml(label)}" $1>`)
    .replace(/<style ?>.*?<\/style>/s, '')
    .replaceAll(/ (?:ecmeta_\w+|class|pointer-events)="[^"]*"/g, '')
    .replaceAll(/ d="[^"]*"/g, (path) => path.replaceAll(/(\.\d)\d+/g, '$1'))
    .replaceAll(/\b(id="|url\(#|href="#)(?:zr\d+-)?/g, `$1${prefix}-`)
    .replaceAll(/\n+/g, '\n')
    .trim();
}

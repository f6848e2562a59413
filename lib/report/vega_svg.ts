/**
 * What all plots share: their look, and how a vega-lite specification becomes an <svg> element. Apart from the files whose
 * types are public, because vega's types need a browser's.
 */
import type { TopLevelSpec } from 'vega-lite';

export const width = 640;
export const config = {
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal', gridOpacity: 0.5 },
  legend: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', symbolStrokeWidth: 3 },
  title: { fontSize: 14, anchor: 'start', offset: 10 },
  aria: false,
} as const satisfies TopLevelSpec['config'];

/** Compiles a vega-lite specification and draws it without a browser. */
export async function renderSvg(spec: TopLevelSpec, index: number, label: string): Promise<string> {
  // Loaded here: they take longer than the rest of the library, and few of its users draw.
  const [{ None, parse, View }, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  const quiet = { level: () => quiet, error: fail, warn: () => quiet, info: () => quiet, debug: () => quiet };
  const compiled = compile(spec, { logger: quiet }).spec;
  const view = new View(parse(compiled), { renderer: 'none', logLevel: None });
  try {
    return embeddable(await view.toSVG(), index, label);
  } finally {
    view.finalize();
  }
}

function fail(...message: readonly unknown[]): never {
  throw new Error(`vega-lite: ${message.join(' ')}`);
}

/** Inside a page an <svg> needs no namespaces, a name for those who do not see it, and ids that no other plot has. */
function embeddable(svg: string, index: number, label: string): string {
  return svg
    .replace(/^<svg [^>]*?(?=width=)/, `<svg role="img" aria-label="${label}" class="marks" `)
    .replaceAll(/\b(id="|url\(#|href="#)/g, `$1plot${index}-`);
}

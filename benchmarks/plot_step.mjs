// Draws docs/plots/step.svg, README's chart: one training step of rdrop, of PyTorch eager and under torch.compile, from the rows that
// `rdrop bench step` wrote into benchmarks/results/step.csv on one machine at one commit.
//
//   node benchmarks/plot_step.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('..', import.meta.url);
/** Both peers ran in the same rounds at this commit, in every shape and precision. */
const measured = { commit: 'cf52988e', device: 'AMD EPYC (family 25 model 17)' };

const shapes = [
  { shape: 'iwslt14-16x24', name: 'transformer_iwslt_de_en', size: '16 pairs × 24+24 tokens' },
  { shape: 'iwslt14-48x30', name: 'transformer_iwslt_de_en', size: '48 pairs × 30+30 tokens' },
  { shape: 'multi30k-64x16', name: 'D 256, 3+3 layers', size: '64 pairs × 16+16 tokens' },
  { shape: 'tiny-32x12', name: 'D 64, 2+2 layers', size: '32 pairs × 12+12 tokens' },
];
const programs = [
  { key: 'rdrop', label: 'rdrop' },
  { key: 'eager', label: 'PyTorch eager' },
  { key: 'compiled', label: 'torch.compile' },
];

/** The rows of a CSV file as objects; fields may be quoted, a quote inside them is doubled. */
export function parseCsv(text) {
  const [head, ...rows] = text
    .trim()
    .split('\n')
    .map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, bare]) =>
        quoted === undefined ? bare : quoted.replaceAll('""', '"'),
      ),
    );
  return rows.map((row) => Object.fromEntries(head.map((name, i) => [name, row[i]])));
}

/**
 * What the chart shows: for each precision and shape the seconds of the three programs, and how many times as fast as eager rdrop is
 * (median over rounds; tenth and ninetieth percentile).
 */
export function stepTimes(rows, { commit, device } = measured) {
  return ['float32', 'bfloat16'].map((precision) => {
    const of = (shape, peer) => {
      const cast = precision === 'float32' ? precision : 'bfloat16 autocast';
      const found = rows.filter(
        (row) =>
          row.commit.startsWith(commit) &&
          row.device === device &&
          row.name === `training step, ${precision}` &&
          row.shape === shape &&
          row.peerName === `PyTorch ${peer}, ${cast}`,
      );
      if (found.length !== 1)
        throw new Error(
          `step.csv: expected one row of ${shape}, ${precision}, ${peer} at ${commit}, got ${found.length}`,
        );
      return found[0];
    };
    return {
      precision,
      groups: shapes.map(({ shape, ...labels }) => {
        const [eager, compiled] = [of(shape, 'eager'), of(shape, 'compiled')];
        return {
          ...labels,
          seconds: { rdrop: +eager.ours, eager: +eager.peer, compiled: +compiled.peer },
          ratio: { median: +eager.ratio, low: +eager.low, high: +eager.high },
        };
      }),
    };
  });
}

const style = `
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 } .panel { font-size: 14px; font-weight: 600 }
.size, .value, .note { font-size: 12px; fill: #59636e } .value.rdrop { fill: #1f2328; font-weight: 600 }
.axis { stroke: #d1d9e0 } .range { stroke: #1f2328; stroke-width: 1.5 }
rect.rdrop { fill: #0969da } rect.eager { fill: #afb8c1 } rect.compiled { fill: #c297ff }
@media (prefers-color-scheme: dark) {
text, .value.rdrop { fill: #f0f6fc } .size, .value, .note { fill: #9198a1 } .axis { stroke: #3d444d } .range { stroke: #f0f6fc }
rect.rdrop { fill: #4493f8 } rect.eager { fill: #656c76 } rect.compiled { fill: #8957e5 } }`;

/** The chart as an SVG document: a bar is a step's time as a share of PyTorch eager's in the same precision. */
export function stepChart(panels) {
  const [width, left, barWidth, bar, group, top] = [1000, 190, 290, 14, 62, 78];
  const scale = barWidth / 1.3; // torch.compile takes up to 1.29 of eager's time
  const panelWidth = (width - left) / 2;
  const height = top + shapes.length * group + 44;
  const out = [];
  const text = (x, y, content, name = '', anchor = 'start') =>
    out.push(`<text x="${x}" y="${y}" class="${name}" text-anchor="${anchor}">${content}</text>`);
  const milliseconds = (seconds) =>
    seconds < 0.1 ? (seconds * 1e3).toFixed(1) : Math.round(seconds * 1e3).toLocaleString('en-US');

  text(
    16,
    26,
    'Time of one training step with R-Drop, against PyTorch eager in the same precision (shorter is faster)',
    'title',
  );
  programs.forEach(({ key, label }, i) => {
    out.push(`<rect class="${key}" x="${left + i * 140}" y="39" width="12" height="12" rx="2"/>`);
    text(left + i * 140 + 18, 50, label);
  });
  panels.forEach(({ precision, groups }, p) => {
    const x = left + p * panelWidth;
    text(x, top - 6, precision, 'panel');
    groups.forEach(({ name, size, seconds, ratio }, g) => {
      const y = top + g * group + 6;
      if (p === 0) {
        text(16, y + 18, name);
        text(16, y + 34, size, 'size');
      }
      programs.forEach(({ key }, i) => {
        const share = seconds[key] / seconds.eager;
        const end = x + share * scale;
        const barTop = y + i * (bar + 2);
        out.push(
          `<rect class="${key}" x="${x}" y="${barTop}" width="${(share * scale).toFixed(1)}" height="${bar}" rx="2"/>`,
        );
        let labeled = end;
        if (key === 'rdrop') {
          const [from, to] = [x + scale / ratio.high, x + scale / ratio.low];
          labeled = Math.max(end, to);
          const middle = barTop + bar / 2;
          out.push(`<path class="range" fill="none" d="M${from.toFixed(1)} ${middle}H${to.toFixed(1)}"/>`);
        }
        const times = key === 'rdrop' ? ` · ${ratio.median.toFixed(2)}× as fast` : '';
        text(
          (labeled + 6).toFixed(1),
          barTop + 11,
          `${milliseconds(seconds[key])} ms${times}`,
          `value ${key}`,
        );
      });
    });
    const bottom = top + groups.length * group;
    out.push(`<path class="axis" d="M${x - 0.5} ${top}V${bottom}"/>`);
  });
  text(
    16,
    height - 18,
    '2 cores of an AMD EPYC (Zen 4, family 25 model 17), 2 threads, uni, dropout 0.3, seed 1; PyTorch and libtorch 2.13.0; 2026-11-29, commit cf52988.',
    'note',
  );
  text(
    16,
    height - 3,
    'Medians of 5 to 25 rounds in turn; the line on a bar: tenth to ninetieth percentile of the ratio.',
    'note',
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height + 6}" width="${width}" height="${height + 6}" role="img" aria-label="Time of one training step of rdrop, PyTorch eager and torch.compile in four shapes, float32 and bfloat16"><style>${style}</style>\n${out.join('\n')}\n</svg>\n`;
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const rows = parseCsv(readFileSync(new URL('benchmarks/results/step.csv', root), 'utf8'));
  const chart = stepChart(stepTimes(rows));
  writeFileSync(fileURLToPath(new URL('docs/plots/step.svg', root)), chart);
  process.stdout.write(`docs/plots/step.svg: ${Buffer.byteLength(chart)} bytes\n`);
}

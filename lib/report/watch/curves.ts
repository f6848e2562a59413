import { readFile } from 'node:fs/promises';
import { type CurveName, type Curves, curveNames, type Points, type WatchLine } from './messages.js';
import { watchLine } from './metrics_tail.js';

/** A curve has at most so many points; evenly spaced ones of a longer one, the first and the last among them. */
const most = 600;

/** The curve of each number of a line, with the number. */
function valuesOf(line: WatchLine): [CurveName, number | null][] {
  if (line.type === 'validation')
    return [
      ['validLoss', line.loss],
      ['score', line.score],
    ];
  const { loss, kl, learningRate, tokensPerSecond } = line;
  return Object.entries({ loss, kl, learningRate, tokensPerSecond }) as [CurveName, number | null][];
}

/** The curves of a metrics.jsonl, empty where there is none. */
export async function readCurves(path: string): Promise<Curves> {
  const curves = Object.fromEntries(curveNames.map((name) => [name, [] as Points])) as Curves;
  const text = await readFile(path, 'utf8').catch(() => '');
  for (const each of text.split('\n')) {
    const line = watchLine(each);
    if (line === null) continue;
    for (const [name, value] of valuesOf(line)) if (value !== null) curves[name].push([line.update, value]);
  }
  for (const name of curveNames) curves[name] = thin(curves[name]);
  return curves;
}

function thin(points: Points): Points {
  const step = (points.length - 1) / (most - 1);
  if (points.length <= most) return points;
  return Array.from({ length: most }, (_, i) => points[Math.round(i * step)]!);
}

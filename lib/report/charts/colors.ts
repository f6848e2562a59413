import { conditionOf } from '../conditions.js';
import type { RunSummary } from '../run_summary.js';

/** Okabe and Ito's colors, which stay apart for the color-blind and show on white and on black. */
export const directionColors = new Map([
  ['uni', '#0087d0'],
  ['bi', '#e66100'],
  ['uni-reverse', '#009e73'],
  ['baseline', '#8a8a8a'],
  ['one-pass', '#b59f00'],
]);
const furtherColors = ['#cc79a7', '#56b4e9'];

/** Each condition with its color, in the order of the runs. */
export function conditionColors(runs: readonly RunSummary[]): { name: string; color: string }[] {
  const further = [...furtherColors];
  // The first condition of a direction has the direction's color.
  const left = new Map(directionColors);
  return [...new Set(runs.map(conditionOf))].map((name, i) => {
    const direction = name.split(', ')[0] as string;
    const own = left.get(direction);
    left.delete(direction);
    return { name, color: own ?? further.shift() ?? spreadColor(i) };
  });
}

/** A color for each of many: hues by the golden angle, bright enough for dark pages and dark enough for bright ones. */
function spreadColor(i: number): string {
  const hue = (i * 137.508) % 360;
  const channel = (shift: number) => {
    const k = (shift + hue / 30) % 12;
    const value = 0.5 - 0.3 * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}

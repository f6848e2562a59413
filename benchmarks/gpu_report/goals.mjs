// The goals that a measured device meets or misses. A goal without its figures is neither: its outcome is null.
import { chipOf } from '../roofline/chips.mjs';

const directions = ['uni', 'bi'];

/** @returns {{goal: string, wanted: string, found: number | null, met: boolean | null}[]} */
export function goalsOf({ device, loss, step, epoch }) {
  const find = (rows, wanted) =>
    rows.find((row) => Object.entries(wanted).every(([name, value]) => row[name] === value));
  const goals = [];
  const add = (goal, found, limit, atLeast) => {
    const there = Number.isFinite(found);
    goals.push({
      ...{ goal, wanted: `${atLeast ? '≥' : '≤'} ${limit}`, found: there ? found : null },
      met: there ? (atLeast ? found >= limit : found <= limit) : null,
    });
  };
  const precisions = [
    ...new Set(loss.filter(({ side }) => side === 'rdrop').map(({ precision }) => precision)),
  ];
  for (const precision of precisions.length > 0 ? precisions : ['bfloat16']) {
    const of = (direction) => find(loss, { side: 'rdrop', direction, precision });
    for (const direction of ['uni', 'uni-reverse', 'bi']) {
      add(
        `loss ${direction}, ${precision}: share of the copy bandwidth`,
        of(direction)?.shareOfCopy,
        0.85,
        true,
      );
    }
    const [uni, bi] = [of('uni')?.median, of('bi')?.median];
    add(`loss, ${precision}: uni and bi apart by`, Math.max(uni / bi, bi / uni) - 1, 0.02, false);
  }
  for (const direction of directions) {
    const speed = (side) => find(step, { side, direction })?.stepsPerSecond;
    add(`steps a second, ${direction}, of PyTorch eager's`, speed('rdrop') / speed('torch eager'), 4, true);
    add(
      `steps a second, ${direction}, of torch.compile's`,
      speed('rdrop') / speed('torch compile'),
      1.5,
      true,
    );
  }
  const limit = chipOf(device.name)?.goalSeconds;
  if (limit !== undefined) {
    for (const direction of directions) {
      add(`epoch, ${direction}: seconds`, find(epoch, { side: 'rdrop', direction })?.seconds, limit, false);
    }
  }
  return goals;
}

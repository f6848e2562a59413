import { describe, expect, it } from 'vitest';
import { sweepProgress } from '../../lib/cli/shared/sweep_progress.js';
import { plannedComparison } from '../../lib/statistics/planned_comparison.js';
import type { SweepEvent } from '../../lib/sweep/messages.js';

/** What a plan shows on standard error. */
function shown(seeds: number, isTTY: boolean, ...more: SweepEvent[]): string {
  const written: string[] = [];
  const stream = {
    isTTY,
    columns: 200,
    write: (text: string) => written.push(text) > 0,
    on: () => stream,
    removeListener: () => stream,
  };
  const progress = sweepProgress(10, stream as unknown as NodeJS.WriteStream);
  const plan: SweepEvent = {
    type: 'plan',
    trials: [{ name: 'uni-1', direction: 'uni', seed: 1, state: 'new' }],
    parallel: 1,
    threads: 2,
    planned: plannedComparison(seeds, 2),
  };
  progress.onEvent(plan);
  for (const event of more) progress.onEvent(event);
  progress.stop();
  return written.join('');
}

describe('the progress of a sweep', () => {
  const note = /^rdrop: with 3 seeds .*cannot give less than p = 0\.1, the signed-rank test 0\.25; .*$/gm;
  it('says in one line what its comparison cannot reach, above bars and in a log', () => {
    expect(shown(3, false).match(note)).toHaveLength(1);
    expect(shown(3, false).split('\n')).toHaveLength(3);
    expect(shown(3, true).match(note)).toHaveLength(1);
    expect(shown(3, true).indexOf('with 3 seeds')).toBeLessThan(shown(3, true).indexOf('uni-1'));
  });

  it('says after a rung of a search which conditions continue, and which trial does not', () => {
    const rung = (survivors: string[]): SweepEvent => ({
      ...{ type: 'rung', rung: 1, rungs: 2, updates: 3, survivors, reused: false },
      scores: ['bi', 'uni'].map((condition) => ({ condition, bleu: 1, loss: 2 })),
    });
    expect(shown(6, false, rung(['bi']))).toContain(
      'rdrop: rung 1 of 2, 3 updates: bi continue; dropped (halving, rung 1): uni\n',
    );
    expect(shown(6, true, rung(['bi']))).toContain('dropped (halving, rung 1)');
    expect(shown(6, true, rung(['bi', 'uni']))).not.toContain('dropped');
  });

  it('is silent about it where there is nothing to say', () => {
    for (const isTTY of [true, false]) expect(shown(6, isTTY)).not.toContain('cannot');
  });
});

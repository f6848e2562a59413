// The tables of docs/configuration: made from the comments of the interfaces (scripts/docs/configuration.mjs), and complete.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { configurationPages } from '../../scripts/docs/configuration.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { pages, used, interfaces } = configurationPages();

/** Interfaces that are parts of others, and so have their rows in the tables of those. */
const parts = [
  ...['TrainLossOptions', 'OptimizerOptions', 'TrainBatchOptions', 'ValidationOptions', 'TestOptions'],
  ...[
    'RunModelOptions',
    'BeamSearchOptions',
    'ValidationBeamOptions',
    'MomentsRunOptions',
    'MomentsLossOptions',
  ],
  ...[
    'TextOptions',
    'TaskTextOptions',
    'TaskPieceOptions',
    'TextLimitOptions',
    'MosesDetokenizeOptions',
    'LockOptions',
    'DistributedOptions',
    'QueueOptions',
  ],
];

describe('the pages of docs/configuration', () => {
  it('are up to date', () => {
    const stale = [...pages].filter(([, { text, made }]) => text !== made).map(([path]) => path);
    expect(stale, 'npm run docs:configuration writes them').toEqual([]);
  });

  it('have a table for every schema', () => {
    const missing = [...interfaces.keys()].filter((name) => !used.has(name) && !parts.includes(name));
    expect(missing).toEqual([]);
    expect(used.size).toBeGreaterThan(25);
  });

  it('name every option with its default', () => {
    const training = readFileSync(join(root, 'docs/configuration/training.md'), 'utf8');
    expect(training).toContain(
      '| `optimizer.warmupUpdates` | 0 or more | `4000` | Updates of linear warm-up. |',
    );
    expect(training).toContain('| `validation.beam.maxLenA` | 0 or more | `1.2` |');
    expect(training).toContain('| `data` | text | required |');
  });

  it('are shorter than 300 lines each, and their links lead somewhere', () => {
    const all = [...pages.keys(), join(root, 'docs/configuration.md')];
    for (const path of all) {
      const text = readFileSync(path, 'utf8');
      expect(text.split('\n').length).toBeLessThan(300);
      for (const [, file, anchor] of text.matchAll(/\]\(([^)#:]*)(?:#([^)]+))?\)/g)) {
        const target = file === '' ? path : join(dirname(path), file!);
        expect(existsSync(target), `${path}: ${file}`).toBe(true);
        if (anchor === undefined) continue;
        const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
          heading!
            .toLowerCase()
            .replace(/[^\w\- ]/g, '')
            .replaceAll(' ', '-'),
        );
        expect(headings, `${path}: #${anchor}`).toContain(anchor);
      }
    }
  });
});

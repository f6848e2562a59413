import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { workerCommand } from '../../lib/cli/worker.js';

const at = (name: string): string =>
  fileURLToPath(new URL(`../../examples/scaling/${name}`, import.meta.url));
const known = workerCommand().options.map(({ long }) => long);

describe('the examples of workers', () => {
  it.each(['slurm_array.sh', 'workers.yaml'])('%s names options that rdrop worker has', (name) => {
    // Below the directives of SLURM, which have options of their own.
    const text = readFileSync(at(name), 'utf8').replace(/^#.*$/gm, '');
    const flags = [...text.matchAll(/(?<=[\s[])--[a-z-]+/g)].map(([flag]) => flag);
    expect(flags.length).toBeGreaterThan(4);
    expect(flags.filter((flag) => !known.includes(flag))).toEqual([]);
  });

  it('the script of the job array is one that bash reads', () => {
    execFileSync('bash', ['-n', at('slurm_array.sh')]);
  });
});

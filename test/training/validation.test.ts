import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchDirectory } from '../support/scratch.js';
import { makeReversalData, tinyOptions, trainAll } from './tiny_run.js';

it.each([
  [false, 'mixed'],
  [true, 'lc'],
  ['after', 'lc'],
])('compares text as the data have it: lowercase %j, case %s', async (lowercase, expected) => {
  const root = scratchDirectory();
  const data = join(root, 'data');
  await makeReversalData(data);
  const text = join(data, 'text.json');
  writeFileSync(text, JSON.stringify({ ...JSON.parse(readFileSync(text, 'utf8')), lowercase }));
  await trainAll({ ...tinyOptions(data, join(root, 'run')), maxUpdates: 1 });
  const { testBleu } = JSON.parse(readFileSync(join(root, 'run', 'result.json'), 'utf8'));
  expect(testBleu.signature).toContain(`case:${expected}|`);
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseConfig, trainSchema } from '../../lib/options/index.js';
import { mergeOptions, preset } from '../../lib/options/presets.js';

const text = readFileSync(new URL('../../docs/reproducing.md', import.meta.url), 'utf8');

/** The rows whose second column is an option of trainSchema: its path and its value as JSON. */
const rows = [...text.matchAll(/^\| .+ \| `([a-zA-Z.0-9]+)` \| `([^`]+)` \|$/gm)].map(
  ([, path = '', value = '']): [string, unknown] => [path, JSON.parse(value)],
);

const resolved = (name: string): unknown =>
  parseConfig(trainSchema, mergeOptions(preset(name), { data: 'data', runDirectory: 'run' }), 'config');

const at = (value: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], value);

/** Every path of the schema that a run's numbers can depend on, but for what each run sets itself. */
const paths = (value: unknown, path = ''): string[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, part]) => paths(part, path === '' ? key : `${path}.${key}`))
    : [path];
const ofEachRun = ['data', 'runDirectory', 'seed', 'device', 'threads', 'loss.direction'];

describe('docs/reproducing.md', () => {
  it.each(['iwslt14-rdrop-uni', 'iwslt14-rdrop-bi'])('gives the values of %s', (name) => {
    const config = resolved(name);
    expect(Object.fromEntries(rows.map(([path]) => [path, at(config, path)]))).toEqual(
      Object.fromEntries(rows),
    );
  });

  it('leaves no option out', () => {
    const expected = paths(resolved('iwslt14-rdrop-uni')).filter((path) => !ofEachRun.includes(path));
    expect([...new Set(rows.map(([path]) => path))].sort()).toEqual(expected.sort());
  });

  it('is spelled out in the presets, whatever the defaults are', () => {
    for (const direction of ['uni', 'bi']) {
      const own = preset(`iwslt14-rdrop-${direction}`);
      expect(paths(own).sort()).toEqual([...new Set(rows.map(([path]) => path)), 'loss.direction'].sort());
      expect(own.loss?.direction).toBe(direction);
    }
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pythonInt } from '../../lib/text/python_int.js';

/** What Python's int() made of each text, null where it raised ValueError: record.py beside the file. */
const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/text/readers/ints.json', import.meta.url), 'utf8'),
) as [text: string, value: string | null][];

describe("Python's int()", () => {
  it.each(recorded)('of %j is %s', (text, value) => {
    expect(pythonInt(text)?.toString() ?? null).toBe(value);
  });

  it('takes 4300 digits and no more', () => {
    expect(pythonInt('9'.repeat(4300))).toBe(10n ** 4300n - 1n);
    expect(pythonInt('9'.repeat(4301))).toBeNull();
  });
});

// The codes that native code throws, against those that the package documents.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { errorCodes } from '../../lib/util/error_codes.js';
import { packageRoot } from '../../lib/util/package_root.js';

const native = join(packageRoot, 'native');
const header = readFileSync(join(native, 'core/errors.h'), 'utf8');

test('every native code has its name in the table, and every name is a documented code', () => {
  const enumerators = /enum class ErrorCode \{([^}]*)\}/.exec(header)?.[1]?.match(/\w+/g) ?? [];
  const table = [...header.matchAll(/case ErrorCode::(\w+):\s*return "(\w+)";/g)].map(([, code, name]) => [
    code,
    name,
  ]);
  expect(enumerators.length).toBeGreaterThan(10);
  expect(table).toEqual(enumerators.map((code) => [code, code.toUpperCase()]));
  for (const [, name] of table) expect(Object.keys(errorCodes)).toContain(name);
});

test('every native code is thrown somewhere, and none is spelled as text', () => {
  const text = readdirSync(native, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(cc|h|cu)$/.test(file) && file !== 'core/errors.h')
    .map((file) => readFileSync(join(native, file), 'utf8'))
    .join('\n');
  for (const [, code] of header.matchAll(/case ErrorCode::(\w+):/g))
    expect(text).toContain(`ErrorCode::${code}`);
  const spelled = Object.keys(errorCodes).filter((code) => text.includes(`"${code}"`));
  expect(spelled).toEqual([]);
});

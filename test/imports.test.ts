// What the package's entry points load: by the names that its users import, each in a process of its own.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs code in the package's directory, where its own name leads to `exports` of package.json; gives what it prints. */
const printed = (kind: 'module' | 'commonjs', code: string): string =>
  execFileSync(process.execPath, [`--input-type=${kind}`, '-e', code], { cwd: root, encoding: 'utf8' });

/** The libraries of this package and of libtorch among all that the process has open. */
const libraries = `process.report.getReport().sharedObjects.filter((path) => /\\.node$|torch|libc10|rdrop_/.test(path))`;

const uses: Record<string, string> = {
  'rdrop/text': `
    const { mosesTokenize, mosesDetokenize, Dictionary } = await import('rdrop/text');
    const tokens = mosesTokenize('Ein Hund, zwei Katzen.', 'de');
    const dictionary = await Dictionary.build([tokens]);
    const used = mosesDetokenize(tokens, 'de') === 'Ein Hund, zwei Katzen.' && dictionary !== null;`,
  'rdrop/evaluation': `
    const { bleu, chrf, ter } = await import('rdrop/evaluation');
    const used = Math.abs(bleu(['a b c d'], ['a b c d']).score - 100) < 1e-9;`,
  'rdrop/statistics': `
    const { compareRuns } = await import('rdrop/statistics');
    const used = compareRuns([1, 2, 3], [4, 5, 6]).rankSum.p > 0;`,
  rdrop: `
    const { presets } = await import('rdrop');
    const used = presets.tiny.maxUpdates === 1000;`,
};

it.each(Object.entries(uses))('%s works and opens no addon', (_name, code) => {
  expect(printed('module', `${code}\nconsole.log(JSON.stringify({ used, libraries: ${libraries} }));`)).toBe(
    '{"used":true,"libraries":[]}\n',
  );
});

it('the check would see the addon', () => {
  const code = `
    const { rdropLoss } = await import('rdrop');
    await rdropLoss(Float64Array.of(1, 2, 3, 2), 2, Int32Array.of(1), { direction: 'uni', alpha: 5 });
    console.log(${libraries}.length);`;
  expect(Number(printed('module', code))).toBeGreaterThan(1);
});

it('an error of one entry point is an error of the others', () => {
  const code = `
    const [{ RdropError }, { mosesTokenize }, { bleu }] =
      await Promise.all([import('rdrop'), import('rdrop/text'), import('rdrop/evaluation')]);
    const thrown = (call) => { try { call(); } catch (error) { return error; } };
    console.log([thrown(() => mosesTokenize('a', 'xx')), thrown(() => bleu(['a'], []))].map((error) => error instanceof RdropError).join(' '));`;
  expect(printed('module', code)).toBe('true true\n');
});

it('an entry point is a few files, zod included', () => {
  const code = `
    const { readFileSync } = await import('node:fs');
    const seen = new Set();
    const packages = new Set();
    const visit = (url) => {
      if (seen.has(url.href)) return;
      seen.add(url.href);
      for (const [, name] of readFileSync(url, 'utf8').matchAll(/^(?:import|} from)\\s*(?:.* from\\s*)?"([^"]+)"/gm))
        name.startsWith('.') ? visit(new URL(name, url)) : packages.add(name);
    };
    visit(new URL(import.meta.resolve('rdrop')));
    console.log(JSON.stringify([seen.size, [...packages].filter((name) => !name.startsWith('node:'))]));`;
  const [files, packages] = JSON.parse(printed('module', code)) as [number, string[]];
  expect(packages).toEqual([]);
  expect(files).toBeGreaterThan(1);
  expect(files).toBeLessThan(40);
});

const requires = (process.features as { require_module?: boolean }).require_module === true;
it.skipIf(!requires)('require() gives the same modules (Node 20.19, 22.12 and later)', () => {
  const names = JSON.stringify(Object.keys(uses));
  const code = `
    Promise.all(${names}.map(async (name) => Object.keys(require(name)).length === Object.keys(await import(name)).length))
      .then((same) => console.log(same.join(' ')));`;
  expect(printed('commonjs', code)).toBe('true true true true\n');
});

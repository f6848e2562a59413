// The package as its users get it: packed, installed into an empty TypeScript project without running any script, then
// type-checked and run where no compiler can be found.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findAddon } from '../lib/native/addon.js';
import { expectDocumented } from './support/hovers.js';
import { installPackage, run } from './support/installed_package.js';

const root = fileURLToPath(new URL('..', import.meta.url));
let directory: string;
let project: string;
beforeAll(() => {
  ({ directory, project } = installPackage(['--flavors', 'cpu']));
}, 300_000);
afterAll(() => directory && rmSync(directory, { recursive: true, force: true }));

/** A program that uses the library as README does; prints one JSON document. */
const program = `
import { mkdirSync, writeFileSync } from 'node:fs';
import { bleu, prepareCorpus, rdropLoss, Trainer, type TrainEvent, Translator, type KlDirection } from 'rdrop';

const direction: KlDirection = 'uni';
const logits = Float64Array.of(1, 2, 3, 0.5, 2, 2.5);
const loss = await rdropLoss(logits, 3, Int32Array.of(2), { direction, alpha: 5, labelSmoothing: 0.1 });

mkdirSync('text');
const words = ['eins', 'zwei', 'drei', 'vier'];
const lines = Array.from({ length: 64 }, (_, i) => [0, 1, 2].map((k) => words[(i >> (2 * k)) & 3]!));
for (const split of ['train', 'valid', 'test']) {
  const some = split === 'train' ? lines : lines.slice(0, 8);
  writeFileSync(\`text/\${split}.de\`, some.map((line) => line.join(' ') + '\\n').join(''));
  writeFileSync(\`text/\${split}.en\`, some.map((line) => line.toReversed().join(' ') + '\\n').join(''));
}
await prepareCorpus({ source: 'de', target: 'en', train: 'text/train', valid: 'text/valid', test: 'text/test', bpe: 10, out: 'data' });
const trainer = await Trainer.create({
  data: 'data',
  runDirectory: 'run',
  threads: 1,
  model: { embedDim: 16, ffnDim: 32, heads: 2, encoderLayers: 1, decoderLayers: 1, dropout: 0.1 },
  loss: { direction },
  batches: { maxTokens: 128 },
  optimizer: { learningRate: 3e-3, warmupUpdates: 5 },
  maxUpdates: 20,
  logInterval: 5,
});
const losses: number[] = [];
for await (const event of trainer.fit() as AsyncIterable<TrainEvent>) if (event.type === 'train') losses.push(event.loss);
trainer.dispose();
const translator = await Translator.load('run', { checkpoint: 'last' });
const [translation] = await translator.translate(['eins zwei drei']);
translator.dispose();
console.log(JSON.stringify({ loss, gradient: [...loss.gradient], losses, text: translation!.text, bleu: bleu(['a b c d'], ['a b c d'], {}).score }));
`;

test('holds the prebuilt addon and no build of its own', () => {
  const installed = join(project, 'node_modules/rdrop');
  expect(existsSync(join(installed, 'build'))).toBe(false);
  expect(existsSync(join(installed, 'lib'))).toBe(false);
  // Nothing that only compiles, for nothing here could call it.
  for (const name of ['native', 'cmake', 'CMakeLists.txt', 'scripts'])
    expect(existsSync(join(installed, name))).toBe(false);
  for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md'])
    expect(existsSync(join(installed, name))).toBe(true);
  // Yarn runs node-gyp wherever there is one.
  expect(existsSync(join(installed, 'binding.gyp'))).toBe(false);
  const { os, cpu, libc, scripts } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  expect({ os, cpu, libc }).toEqual({ os: ['linux'], cpu: ['x64'], libc: ['glibc'] });
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
    expect(scripts).not.toHaveProperty(name);
  const platforms = readdirSync(join(installed, 'prebuilds'));
  expect(platforms).toEqual([`${process.platform}-${process.arch}`]);
  const files = readdirSync(join(installed, 'prebuilds', platforms[0]!));
  expect(files.some((name) => name.endsWith('.node'))).toBe(true);
  expect(files).toContain('librdrop_core.so');
  expect(files).toContain('librdrop_distributed.so');
  expect(findAddon(installed)).toContain(join('prebuilds', platforms[0]!));
});

test('type-checks, computes a loss, trains and translates without a compiler', () => {
  writeFileSync(join(project, 'main.ts'), program);
  const options = {
    ...{ target: 'ES2023', module: 'NodeNext', strict: true, outDir: 'out', skipLibCheck: false },
    ...{ types: ['node'], typeRoots: [join(root, 'node_modules/@types')], lib: ['ES2023'] },
  };
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, include: ['main.ts'] }),
  );
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], project);

  const bin = join(directory, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  const env = { ...process.env, PATH: bin, CC: '/nonexistent', CXX: '/nonexistent' };
  const printed = JSON.parse(run(process.execPath, ['out/main.js'], project, env)) as {
    loss: { loss: number; crossEntropy: number; nll: number; kl: number; tokens: number };
    gradient: number[];
    losses: number[];
    bleu: number;
  };

  // The loss written out, in float64.
  const logSoftmax = (z: number[]) => {
    const sum = Math.log(z.reduce((total, x) => total + Math.exp(x), 0));
    return z.map((x) => x - sum);
  };
  const [l1, l2] = [logSoftmax([1, 2, 3]), logSoftmax([0.5, 2, 2.5])];
  const kl = l1.reduce((sum, l, v) => sum + Math.exp(l) * (l - l2[v]!), 0);
  const smoothed = (l: number[]) => -0.9 * l[2]! - (0.1 / 3) * l.reduce((sum, x) => sum + x, 0);
  expect(printed.loss.kl).toBeCloseTo(kl, 12);
  expect(printed.loss.crossEntropy).toBeCloseTo(smoothed(l1) + smoothed(l2), 12);
  expect(printed.loss.loss).toBeCloseTo(smoothed(l1) + smoothed(l2) + 5 * kl, 12);
  expect(printed.gradient.length).toBe(6);
  expect(printed.gradient.slice(0, 3).reduce((sum, g) => sum + g, 0)).toBeCloseTo(0, 12);
  expect(printed.losses.length).toBe(4);
  expect(printed.losses.at(-1)!).toBeLessThan(printed.losses[0]!);
  expect(printed.bleu).toBeCloseTo(100, 9);
}, 120_000);

test.each([
  ['node16', 'node16'],
  ['esnext', 'bundler'],
])(
  'its declarations need no types of Node or the DOM: module %s, resolution %s',
  (module, moduleResolution) => {
    const place = join(project, `types-${moduleResolution}`);
    mkdirSync(place);
    const names = [
      'rdropLoss',
      'Trainer',
      'Translator',
      'Transformer',
      'prepareCorpus',
      'sweep',
      'writeReport',
    ];
    writeFileSync(
      join(place, 'main.ts'),
      `import { ${names.join(', ')} } from 'rdrop';\nexport const all = [${names.join(', ')}];\n`,
    );
    const compilerOptions = {
      ...{ target: 'ES2022', lib: ['ES2022'], types: [], skipLibCheck: false, strict: true, noEmit: true },
      ...{ module, moduleResolution, exactOptionalPropertyTypes: true },
    };
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }));
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], place);
  },
);

test('hovers show the comment of every option, from the declarations as installed', () => {
  const main = join(project, 'hover.ts');
  const text =
    "import { Trainer } from 'rdrop';\nawait Trainer.create({ data: 'data', model: { dropout: 0.1 }, logInterval: 5 });\n";
  writeFileSync(main, text);
  const options: ts.CompilerOptions = {
    ...{ target: ts.ScriptTarget.ES2022, strict: true, types: [], lib: ['lib.es2022.d.ts'] },
    ...{ module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
  };
  const service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => [main],
    getScriptVersion: () => '1',
    getScriptSnapshot: (name) => {
      const content = ts.sys.readFile(name);
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
    },
    getCurrentDirectory: () => project,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    realpath: (path) => path,
  });
  const hover = (word: string) => {
    const shown = service.getQuickInfoAtPosition(main, text.indexOf(word));
    return `${ts.displayPartsToString(shown?.documentation)} ${(shown?.tags ?? []).map((tag) => `@${tag.name} ${ts.displayPartsToString(tag.text)}`).join(' ')}`;
  };
  expect(hover('dropout')).toBe(
    'Dropout rate on embeddings and on residual branches. @default 0.3 @range 0 to below 1',
  );
  expect(hover('logInterval')).toMatch(/^\w.*@default \d+/s);
  const installed = join(project, 'node_modules/rdrop/dist/');
  expectDocumented(service.getProgram()!, join(installed, 'index.d.ts'), (file) =>
    file.startsWith(installed),
  );
}, 180_000);

test('a bundle finds the installed package, and says what to do where there is none', async () => {
  // Rolldown comes with vitest.
  const { rolldown } = (await import(
    createRequire(createRequire(import.meta.url).resolve('vite/package.json')).resolve('rolldown')
  )) as { rolldown(options: object): Promise<{ write(options: object): Promise<unknown> }> };
  const entry = join(project, 'bundled.mjs');
  writeFileSync(
    entry,
    `import { rdropLoss } from 'rdrop';
const options = { direction: 'uni', alpha: 5 };
rdropLoss(Float64Array.of(1, 2, 3, 2), 2, Int32Array.of(1), options).then(
  ({ tokens }) => console.log(tokens),
  ({ code, message }) => console.log(code, message),
);
`,
  );
  const bundle = await rolldown({ input: entry, platform: 'node', logLevel: 'silent' });
  await bundle.write({ dir: join(project, 'bundle'), format: 'esm' });
  const bundled = join(project, 'bundle/bundled.js');
  expect(run(process.execPath, [bundled], directory)).toBe('1\n');

  // Moved to where no node_modules holds the package.
  const away = join(directory, 'away');
  cpSync(join(project, 'bundle'), away, { recursive: true });
  writeFileSync(join(away, 'package.json'), JSON.stringify({ type: 'module' }));
  const told = run(process.execPath, [join(away, 'bundled.js')], directory);
  expect(told).toMatch(/^ADDON_NOT_FOUND .*mark rdrop as external \(esbuild --external:rdrop/);
}, 120_000);

test('setup --cuda says before any download that this package cannot use it', () => {
  const bin = join(project, 'node_modules/rdrop/dist/cli/main.js');
  const { status, stderr } = spawnSync(process.execPath, [bin, 'setup', '--cuda'], {
    env: { ...process.env, RDROP_CACHE: join(directory, 'cache') },
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^rdrop: ADDON_NOT_FOUND: setup --cuda would download 2\.7 GB in vain: .*npm run build:cuda/,
  );
  expect(existsSync(join(directory, 'cache'))).toBe(false);
});

test('the command line answers', () => {
  const version = run(process.execPath, ['node_modules/rdrop/dist/cli/main.js', '--help'], project);
  expect(version).toContain('prepare');
  const bin = join(project, 'node_modules/.bin/rdrop');
  expect(
    run(
      process.execPath,
      [bin, 'stats', '--a', '37.34,37.29,37.32', '--b', '37.19,37.28,36.97', '--json'],
      project,
    ),
  ).toContain('"p":0.1');
});

// The commands and the TypeScript of the pages against the library as it is.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = [
  ...['README.md', 'CONTRIBUTING.md'],
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.startsWith('api'))
    .map((name) => `docs/${name}`),
  ...['multi30k', 'theory'].map((name) => `benchmarks/results/${name}.md`),
];
const read = (page: string) => readFileSync(join(root, page), 'utf8');

/** Command lines of the pages without their comments, continued lines joined. */
const commandsOf = (text: string) =>
  [...text.replaceAll(/\s*\\\n\s*/g, ' ').matchAll(/^(?:(?: {4})?npx rdrop| {4}rdrop) ([a-z].*)$/gm)].map(
    ([, line = '']) => line.replace(/\s+#.*$/, '').replace(/\s+[<>|].*$/, ''),
  );

/** What is wrong with a command line: an unknown command, or flags that it does not have. */
async function faults(line: string): Promise<string[]> {
  const [name = '', ...words] = line.trim().split(/\s+/);
  const file = new URL(`../../lib/cli/${name}.ts`, import.meta.url).href;
  const module = (await import(file).catch(() => ({}))) as Record<string, () => Command>;
  const make = module[`${name}Command`];
  if (make === undefined) return [`${line}: no command ${name}`];
  let command = make();
  const flags = new Set(['--help']);
  const learn = () => {
    for (const { long } of command.options) if (long) flags.add(long);
  };
  learn();
  for (const word of words) {
    const below = command.commands.find((each) => each.name() === word);
    if (below === undefined) break;
    command = below;
    learn();
  }
  return words
    .filter((word) => word.startsWith('--') && !flags.has(word))
    .map((word) => `${line}: no ${word}`);
}

/** What the compiler finds in blocks of TypeScript, each a module. */
function diagnostics(blocks: { name: string; text: string }[]): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile) as { config: object };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const texts = new Map(blocks.map(({ name, text }) => [join(root, name), `${text}\nexport {};\n`]));
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => texts.has(path) || fileExists(path);
  host.readFile = (path) => texts.get(path) ?? readFile(path);
  host.getSourceFile = (path, version, ...rest) => {
    const text = texts.get(path);
    return text === undefined
      ? getSourceFile(path, version, ...rest)
      : ts.createSourceFile(path, text, version);
  };
  const program = ts.createProgram([...texts.keys()], options, host);
  return [...texts.keys()].flatMap((path) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(path))
      // 2304, 2552, 18004: a name that the text around the fragment explains.
      .filter(({ code }) => ![2304, 2552, 18004].includes(code))
      .map(
        ({ messageText, start = 0 }) =>
          `${path.slice(root.length)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')} at: ${texts.get(path)?.slice(start).split('\n')[0]}`,
      ),
  );
}

describe('commands of the pages', () => {
  it.each(pages)('%s', async (page) => {
    const found = await Promise.all(commandsOf(read(page)).map(faults));
    expect(found.flat()).toEqual([]);
  });

  it('a wrong one is seen', async () => {
    expect(commandsOf('x\nnpx rdrop train --a \\\n  --b # c\n    rdrop bpe learn < x --y')).toEqual([
      ...['train --a --b', 'bpe learn'],
    ]);
    expect(await faults('train --nothing')).toEqual(['train --nothing: no --nothing']);
    expect(await faults('nothing')).toEqual(['nothing: no command nothing']);
  });
});

describe('TypeScript of the pages', () => {
  it('compiles, and what does not is seen', { timeout: 120_000 }, () => {
    const blocks = pages.flatMap((page) =>
      [...read(page).matchAll(/^```ts\n(.*?)^```/gms)].map(([, text = ''], i) => ({
        name: `test/docs/${page.replaceAll(/\W/g, '_')}_${i}.ts`,
        text,
      })),
    );
    expect(blocks.length).toBeGreaterThan(3);
    const wrong = "import { Trainer } from 'rdrop';\nawait Trainer.create({ datum: 1 });";
    const found = diagnostics([...blocks, { name: 'test/docs/wrong.ts', text: wrong }]);
    expect(found.at(-1)).toMatch(/wrong.ts.*datum/);
    expect(found.slice(0, -1)).toEqual([]);
  });
});

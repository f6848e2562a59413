// npm run docs:configuration: writes the tables of options in docs/. A table stands between `<!-- options: Interface -->` and
// `<!-- end -->`; what is around it is written by hand. --check writes nothing and fails where a table is not up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesUnder, main, root, say } from '../steps.mjs';
import { documentedInterfaces, optionsOf, programOf } from './options.mjs';

const block = /(<!-- options: (\w+) -->\n)([\s\S]*?)(<!-- end -->)/g;
const cell = (text) => text.replaceAll('|', '\\|');

function table(options) {
  const rows = options.map(({ name, optional, values, text, default: value, range }) => {
    const fallback = value !== null ? `\`${value}\`` : optional ? '' : 'required';
    return `| \`${name}\` | ${cell(range ?? values)} | ${cell(fallback)} | ${cell(text)} |`;
  });
  return ['| option | values | default | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}

/** The pages whose tables are made here: path → the text that they should have. */
export function configurationPages() {
  const program = programOf('lib/index.ts', 'lib/options/index.ts');
  const interfaces = new Map(documentedInterfaces(program).map((each) => [each.name, each]));
  const pages = new Map();
  const used = new Set();
  for (const file of filesUnder(['docs'], (path) => path.endsWith('.md') && !path.includes('docs/api/'))) {
    const path = file.startsWith(root) ? file : join(root, file);
    const text = readFileSync(path, 'utf8');
    if (!text.includes('<!-- options: ')) continue;
    const made = text.replace(block, (_, begin, name, _old, end) => {
      const found = interfaces.get(name);
      if (found === undefined) throw new Error(`${file}: no schema is checked against an interface ${name}`);
      used.add(name);
      return begin + table(optionsOf(found.type, program.checker)) + end;
    });
    pages.set(path, { text, made });
  }
  return { pages, used, interfaces };
}

if (process.argv[1] === import.meta.filename) {
  await main(async () => {
    for (const [path, { text, made }] of configurationPages().pages) {
      if (text === made) continue;
      say(`${path.slice(root.length)}: ${process.argv.includes('--check') ? 'not up to date' : 'written'}`);
      if (process.argv.includes('--check')) process.exitCode = 1;
      else writeFileSync(path, made);
    }
  });
}

import type { LabeledConfig } from '../../options/tasks/preparation.js';
import { type LineReading, lineBlocks } from '../../text/lines/line_reader.js';
import { words } from '../../util/characters.js';
import { RdropError } from '../../util/errors.js';
import { finiteNumber } from './labels.js';

/** An example as its file has it. */
export interface LabeledRow {
  text: string;
  second: string | undefined;
  /** The name of a class, or of regression a number. */
  label: string;
  /** Of the file, from 1. */
  line: number;
}

type RowForm = Pick<LabeledConfig, 'task' | 'format' | 'labelFirst' | 'header' | 'pairs'>;

/**
 * Reads the examples of a file, block by block.
 *
 * @throws RdropError MALFORMED_FILE (another number of columns, a missing field, an empty text or label, what is no number) and
 *   NON_FINITE, naming the line; FILE_EMPTY where there is no example; and as lineBlocks()
 */
export async function* labeledRows(
  path: string,
  form: RowForm,
  reading: LineReading,
): AsyncGenerator<LabeledRow[]> {
  let line = 0;
  let rows = 0;
  for await (const block of lineBlocks(path, reading)) {
    const found: LabeledRow[] = [];
    for (const content of block) {
      line++;
      if (form.header && line === 1) continue;
      found.push(rowOf(content, form, line, path));
    }
    rows += found.length;
    yield found;
  }
  if (rows === 0)
    throw new RdropError('FILE_EMPTY', `${path}: expected at least one example, got the header alone`);
}

function rowOf(content: string, form: RowForm, line: number, path: string): LabeledRow {
  const where = `${path}:${line}`;
  const parsed = parse(content, form, where);
  const text = oneLine(parsed.text);
  const second = parsed.second === undefined ? undefined : oneLine(parsed.second);
  const label = parsed.label.trim();
  for (const [name, value] of Object.entries({ text, second, label })) {
    if (value === undefined || words(value).length > 0) continue;
    throw new RdropError(
      'MALFORMED_FILE',
      `${where}: expected a ${name === 'second' ? 'second text' : name}, got an empty one`,
    );
  }
  if (form.task === 'regression') finiteNumber(label, where);
  else if (/[\n\r]/.test(label))
    throw new RdropError(
      'MALFORMED_FILE',
      `${where}: expected a label of one line, got ${JSON.stringify(label.slice(0, 80))}`,
    );
  return { text, second, label, line };
}

/** JSON may hold line ends; a line of a prepared directory is one example. */
const oneLine = (text: string): string => (/[\n\r]/.test(text) ? text.replace(/[\n\r]+/g, ' ') : text);

type Parsed = Pick<LabeledRow, 'text' | 'second' | 'label'>;

function parse(content: string, form: RowForm, where: string): Parsed {
  switch (form.format) {
    case 'tsv':
      return parseTsv(content, form, where);
    case 'jsonl':
      return parseJson(content, form.pairs, where);
    case 'trec':
    case 'trec-fine':
      return parseTrec(content, form.format === 'trec-fine', where);
  }
}

function parseTsv(content: string, { labelFirst, pairs }: RowForm, where: string): Parsed {
  const columns = pairs ? ['text', 'second text'] : ['text'];
  const expected = labelFirst ? ['label', ...columns] : [...columns, 'label'];
  const fields = content.split('\t');
  if (fields.length !== expected.length)
    throw new RdropError(
      'MALFORMED_FILE',
      `${where}: expected ${expected.length} columns with tabs between them (${expected.join(', ')}), got ${fields.length} in ` +
        JSON.stringify(content.slice(0, 80)),
    );
  const label = (labelFirst ? fields.shift() : fields.pop()) as string;
  return { text: fields[0] as string, second: fields[1], label };
}

function parseJson(content: string, pairs: boolean, where: string): Parsed {
  const fail = (message: string) =>
    new RdropError(
      'MALFORMED_FILE',
      `${where}: expected ${message}, got ${JSON.stringify(content.slice(0, 80))}`,
    );
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw fail('a JSON object');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail('a JSON object');
  const fields = value as Record<string, unknown>;
  const textOf = (name: string): string => {
    const field = fields[name];
    // Half a surrogate pair is no text: UTF-8 cannot hold it.
    if (typeof field === 'string') return field.replace(/\p{Surrogate}/gu, '\ufffd');
    throw fail(`a field "${name}" that is a text`);
  };
  const { label } = fields;
  if (typeof label !== 'string' && typeof label !== 'number' && typeof label !== 'boolean')
    throw fail('a field "label" that is a text or a number');
  return {
    text: textOf('text'),
    second: pairs ? textOf('second') : undefined,
    label: String(label),
  };
}

const trecForm = /^([^\s:]+):(\S+) (.*)$/s;

function parseTrec(content: string, fine: boolean, where: string): Parsed {
  const [, coarse, detail, text] = trecForm.exec(content) ?? [];
  if (coarse === undefined || text === undefined)
    throw new RdropError(
      'MALFORMED_FILE',
      `${where}: expected "COARSE:fine question", got ${JSON.stringify(content.slice(0, 80))}`,
    );
  return { text, second: undefined, label: fine ? `${coarse}:${detail}` : coarse };
}

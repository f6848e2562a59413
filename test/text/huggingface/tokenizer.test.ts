import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HuggingFaceTokenizer } from '../../../lib/text/huggingface/tokenizer.js';
import { loadTextTokenizer, tokenizerFiles } from '../../../lib/text/tasks/text_tokenizer.js';
import { scratchDirectory } from '../../support/scratch.js';

const fixtures = join(import.meta.dirname, '../../fixtures/huggingface/tokenizers');
type Row = [ids: number[], types: number[], decoded: string];
const read = (name: string) => JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8'));
const recorded = JSON.parse(readFileSync(join(fixtures, 'encodings.json'), 'utf8')) as {
  strings: string[];
  pairs: [string, string][];
  encodings: Record<string, Row[]>;
};
const inputs = [...recorded.strings.map((text) => [text, undefined] as const), ...recorded.pairs];
const names = Object.keys(recorded.encodings);

/** The ids of the file, from ours. */
const exchanged = (ids: Iterable<number>, pad: number) =>
  [...ids].map((id) => (id === pad ? 1 : id === 1 ? pad : id));

describe('a tokenizer.json of Hugging Face', () => {
  it.each(names)('%s: ids, types and text equal those of the Python library', async (name) => {
    const tokenizer = await HuggingFaceTokenizer.read(join(fixtures, `${name}.json`));
    expect(recorded.encodings[name]).toHaveLength(inputs.length);
    for (const [i, [ids, types, decoded]] of recorded.encodings[name]!.entries()) {
      const [text, pair] = inputs[i]!;
      const encoded = tokenizer.encode(text, pair);
      const where = JSON.stringify([text, pair]);
      expect([where, ...exchanged(encoded.ids, tokenizer.padId)]).toEqual([where, ...ids]);
      expect([where, ...encoded.types]).toEqual([where, ...types]);
      expect([where, tokenizer.decode(encoded.ids)]).toEqual([where, decoded]);
    }
  });

  it('takes a directory, and the padding token that the files beside name', async () => {
    const directory = scratchDirectory();
    const at = (name: string) => join(directory, name);
    writeFileSync(at('tokenizer.json'), JSON.stringify(read('bert_uncased')));
    expect((await HuggingFaceTokenizer.read(directory)).padId).toBe(0);
    writeFileSync(at('special_tokens_map.json'), JSON.stringify({ pad_token: { content: '[MASK]' } }));
    expect((await HuggingFaceTokenizer.read(directory)).padId).toBe(4);
    writeFileSync(at('tokenizer_config.json'), JSON.stringify({ pad_token: '[SEP]' }));
    const tokenizer = await HuggingFaceTokenizer.read(directory);
    expect(tokenizer.padId).toBe(3);
    // [UNK], 1 in the file, and [SEP], 3 there, are exchanged.
    expect([...tokenizer.encode('☃').ids]).toEqual([2, 3, 1]);
    expect(tokenizer.size).toBe(420);
    writeFileSync(
      at('config.json'),
      JSON.stringify({ model_type: 'bert', vocab_size: 430, pad_token_id: 2 }),
    );
    const ofModel = await HuggingFaceTokenizer.read(directory);
    expect([ofModel.padId, ofModel.size]).toEqual([2, 430]);
    const copy = scratchDirectory();
    await ofModel.write(copy);
    const again = await loadTextTokenizer(copy);
    expect(readdirSync(copy).sort()).toEqual([...tokenizerFiles].sort());
    expect(again.size).toBe(430);
    expect(again.encode('a ☃', 'b')).toEqual(ofModel.encode('a ☃', 'b'));
    writeFileSync(at('config.json'), JSON.stringify({ model_type: 'bert', vocab_size: 400 }));
    await expect(HuggingFaceTokenizer.read(directory)).rejects.toThrow(/expected at most 400 ids/);
    writeFileSync(at('config.json'), '{}');
    writeFileSync(at('tokenizer_config.json'), JSON.stringify({ pad_token: '[NONE]' }));
    await expect(HuggingFaceTokenizer.read(directory)).rejects.toMatchObject({ code: 'MALFORMED_FILE' });
    await expect(HuggingFaceTokenizer.read(at('none.json'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });

  it('has a dictionary of its pieces by id, as many as the model has', () => {
    const tokenizer = HuggingFaceTokenizer.parse(read('bert_uncased'), 'f').sized(423);
    const { size, symbols } = tokenizer.dictionary();
    expect([size, tokenizer.size]).toEqual([423, 423]);
    expect(symbols.slice(0, 6)).toEqual(['<s>', '<pad>', '</s>', '<unk>', '[MASK]', tokenizer.piece(5)]);
    expect(symbols.at(-1)).toMatch(/^madeupword/);
    expect(tokenizer.piece(1)).toBe('[PAD]');
    expect(tokenizer.piece(0)).toBe('[UNK]');
    expect(() => tokenizer.decode([size])).toThrowError(/TOKEN_OUT_OF_RANGE|below/);
  });

  it('joins what it cut, special tokens left out', () => {
    const tokenizer = HuggingFaceTokenizer.parse(read('roberta'), 'f');
    const text = "The dog's 東京 ☃ <tag>";
    expect(tokenizer.decode(tokenizer.encode(text, text).ids)).toBe(text + text);
    expect(tokenizer.decode([])).toBe('');
  });

  const bpe = { type: 'BPE', unk_token: null, vocab: { a: 0, b: 1, ab: 2, '<pad>': 3 }, merges: ['a b'] };
  it.each<[string, object, 'NOT_EXPRESSIBLE' | 'MALFORMED_FILE', RegExp]>([
    [
      'a normalizer',
      { normalizer: { type: 'Precompiled', precompiled_charsmap: '' } },
      'NOT_EXPRESSIBLE',
      /^f: normalizer\.type: expected one of BertNormalizer.*got "Precompiled"/,
    ],
    [
      'one inside a sequence',
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Replace' }] } },
      'NOT_EXPRESSIBLE',
      /^f: normalizer\.normalizers\.1\.type: .*"Replace"/,
    ],
    ['a name of every object', { normalizer: { type: 'constructor' } }, 'NOT_EXPRESSIBLE', /"constructor"/],
    [
      'an option of a normalizer',
      { normalizer: { type: 'BertNormalizer', new_option: 1 } },
      'NOT_EXPRESSIBLE',
      /^f: normalizer\.new_option: expected no such member, got 1/,
    ],
    [
      'a pre-tokenizer',
      { pre_tokenizer: { type: 'Metaspace', replacement: '▁' } },
      'NOT_EXPRESSIBLE',
      /^f: pre_tokenizer\.type: .*"Metaspace"/,
    ],
    [
      'a model',
      { model: { type: 'Unigram', vocab: [] } },
      'NOT_EXPRESSIBLE',
      /^f: model\.type: expected one of WordPiece, BPE, got "Unigram"/,
    ],
    [
      'bytes of unknown characters',
      { model: { ...bpe, byte_fallback: true } },
      'NOT_EXPRESSIBLE',
      /^f: model\.byte_fallback: expected false, got true/,
    ],
    ['BPE dropout', { model: { ...bpe, dropout: 0.1 } }, 'NOT_EXPRESSIBLE', /^f: model\.dropout: .*got 0\.1/],
    [
      'an end of words',
      { model: { ...bpe, end_of_word_suffix: '</w>' } },
      'NOT_EXPRESSIBLE',
      /^f: model\.end_of_word_suffix: .*"<\/w>"/,
    ],
    ['a decoder', { decoder: { type: 'CTC' } }, 'NOT_EXPRESSIBLE', /^f: decoder\.type: .*"CTC"/],
    [
      'a post-processor',
      { post_processor: { type: 'Unheard' } },
      'NOT_EXPRESSIBLE',
      /^f: post_processor\.type: .*"Unheard"/,
    ],
    [
      'an id twice',
      { model: { ...bpe, vocab: { ...bpe.vocab, b: 0 } } },
      'MALFORMED_FILE',
      /^f: model\.vocab\.b: expected an id that no other piece has, got 0/,
    ],
    [
      'a merge of no pieces',
      { model: { ...bpe, merges: ['a x'] } },
      'MALFORMED_FILE',
      /^f: model\.merges\.0: /,
    ],
    ['no padding', { model: { ...bpe, vocab: { a: 0, b: 1, ab: 2 } } }, 'MALFORMED_FILE', /padding/],
    [
      'a special token without ids',
      {
        post_processor: {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: 'x', type_id: 0 } }],
          pair: [],
          special_tokens: {},
        },
      },
      'MALFORMED_FILE',
      /^f: post_processor\.single\.0: expected one of its special_tokens, got "x"/,
    ],
    [
      'a template beyond the vocabulary',
      { post_processor: { type: 'BertProcessing', sep: ['x', 99], cls: ['x', 0] } },
      'MALFORMED_FILE',
      /^f: post_processor: expected ids of the vocabulary, got 99/,
    ],
  ])('refuses %s by its name', (_what, parts, code, message) => {
    const json = {
      version: '1.0',
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      model: bpe,
    };
    expect(() => HuggingFaceTokenizer.parse(json, 'f')).not.toThrow();
    const parse = () => HuggingFaceTokenizer.parse({ ...json, ...parts }, 'f');
    expect(parse).toThrowError(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });
});

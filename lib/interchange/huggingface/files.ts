import { streamSafetensors } from '../../data/safetensors/safetensors.js';
import { untiedParameters } from '../../model/parameter_names.js';
import type { BeamSearchConfig } from '../../options/translation.js';
import { bos, type Dictionary, eos, pad } from '../../text/dictionary.js';
import { usualSeparator } from '../../text/pieces/bpe.js';
import { endOfWord } from '../../text/pieces/bpe_learner.js';
import { dictionaryName, type Side } from '../../text/pipeline.js';
import { RdropError } from '../../util/errors.js';
import type { ExportedRun, FileContent } from '../exported_run.js';

/**
 * The files of a run for transformers' FSMT (FSMTForConditionalGeneration, FSMTTokenizer).
 *
 * @param beam the search that becomes generation_config.json
 * @throws RdropError NOT_EXPRESSIBLE, naming what FSMT has no counterpart of and its value
 * @source transformers/models/fsmt
 */
export function huggingFaceFiles(run: ExportedRun, beam: BeamSearchConfig): Map<string, FileContent> {
  const { model, pipeline } = run;
  if (model.norm !== 'post') {
    throw refused(run, 'model.norm', '"post", the only order of FSMT', JSON.stringify(model.norm));
  }
  const { source, target, lowercase } = pipeline.config;
  const vocabulary = (side: Side) =>
    fsmtVocabulary(pipeline.dictionaries[side], run.path, dictionaryName(pipeline.config, side));
  // Of the parameters, which are float32 whatever the precision of a run on a GPU.
  const type = run.config.precision === 'float64' ? 'float64' : 'float32';
  const parameters = new Map(
    [...untiedParameters(run.parameters, model)].map(([name, tensor]) => [`model.${name}`, tensor]),
  );
  return new Map<string, FileContent>([
    [
      'config.json',
      json({
        architectures: ['FSMTForConditionalGeneration'],
        model_type: 'fsmt',
        dtype: type,
        torch_dtype: type,
        langs: [source, target],
        src_vocab_size: model.sourceVocabSize ?? model.vocabSize,
        tgt_vocab_size: model.vocabSize,
        d_model: model.embedDim,
        encoder_layers: model.encoderLayers,
        encoder_ffn_dim: model.ffnDim,
        encoder_attention_heads: model.heads,
        encoder_layerdrop: 0,
        decoder_layers: model.decoderLayers,
        decoder_ffn_dim: model.ffnDim,
        decoder_attention_heads: model.heads,
        decoder_layerdrop: 0,
        activation_function: model.activation,
        dropout: model.dropout,
        attention_dropout: model.attentionDropout,
        activation_dropout: model.activationDropout,
        max_position_embeddings: model.maxPositions,
        scale_embedding: true,
        tie_word_embeddings: model.shareEmbeddings === 'all',
        is_encoder_decoder: true,
        decoder_start_token_id: eos,
        bos_token_id: bos,
        pad_token_id: pad,
        eos_token_id: eos,
        forced_eos_token_id: eos,
      }),
    ],
    ['generation_config.json', json(generationConfig(run, beam))],
    [
      'tokenizer_config.json',
      json({
        tokenizer_class: 'FSMTTokenizer',
        langs: [source, target],
        do_lower_case: lowercase !== false,
        model_max_length: model.maxPositions,
      }),
    ],
    ['vocab-src.json', vocabulary('source')],
    ['vocab-tgt.json', vocabulary('target')],
    ['merges.txt', fsmtMerges(run)],
    ['model.safetensors', streamSafetensors(parameters, { format: 'pt' })],
  ]);
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

const refused = ({ path }: { path: string }, option: string, expected: string, got: string) =>
  new RdropError('NOT_EXPRESSIBLE', `${path}: ${option}: expected ${expected}, got ${got}`);

/**
 * The same search: fairseq stops as soon as it has as many hypotheses as beams, divides by the length with eos, and never
 * writes padding. transformers counts the start token into both lengths. Only a hypothesis that is cut at the longest length
 * scores differently: transformers takes the forced eos for certain, fairseq for as likely as the model does.
 */
function generationConfig(run: ExportedRun, beam: BeamSearchConfig) {
  if (beam.maxLenA !== 0) {
    const expected = '0, since transformers has one longest length for all sources (give maxLenB instead)';
    throw refused(run, 'beam.maxLenA', expected, String(beam.maxLenA));
  }
  return {
    num_beams: beam.beam,
    length_penalty: beam.lengthPenalty,
    early_stopping: true,
    max_length: Math.min(beam.maxLenB, run.model.maxPositions - 1) + 2,
    min_length: beam.minLen + 1,
    do_sample: false,
    suppress_tokens: [pad],
    decoder_start_token_id: eos,
    bos_token_id: bos,
    pad_token_id: pad,
    eos_token_id: eos,
    forced_eos_token_id: eos,
  };
}

/**
 * The types as FSMT spells them: what ends a word has </w> behind it, what the next piece continues has nothing. JSON by
 * hand: an object would move types that look like numbers to the front.
 *
 * @throws RdropError NOT_EXPRESSIBLE when two types would become one
 */
export function fsmtVocabulary(dictionary: Dictionary, path: string, file = 'dict.txt'): string {
  const separator = usualSeparator();
  const seen = new Map<string, number>();
  const lines = dictionary.symbols.map((symbol, id) => {
    const inside = symbol.length > separator.length && symbol.endsWith(separator);
    const text = id < 4 ? symbol : inside ? symbol.slice(0, -separator.length) : `${symbol}${endOfWord}`;
    const other = seen.get(text);
    if (other !== undefined) {
      throw refused(
        { path },
        `${file}:${id - 3}`,
        'types that differ in the spelling of FSMT',
        `${JSON.stringify(symbol)} beside ${JSON.stringify(dictionary.symbols[other])}`,
      );
    }
    seen.set(text, id);
    return `  ${JSON.stringify(text)}: ${id}`;
  });
  return `{\n${lines.join(',\n')}\n}\n`;
}

/** One merge a line, without a header. */
function fsmtMerges(run: ExportedRun): string {
  const { bpe } = run.pipeline;
  if (bpe === null) throw refused(run, 'text.bpe', 'merges, since FSMT cannot leave words whole', '0');
  if (bpe.version !== '0.2') {
    throw refused(
      run,
      'codes',
      'codes of version 0.2, whose end of word is no symbol of its own',
      bpe.version,
    );
  }
  return bpe.merges.map(([first, second]) => `${first} ${second}\n`).join('');
}

/** What FSMTTokenizer does to raw text otherwise than the run does, in sentences. */
export function textDifferences({ pipeline: { config } }: ExportedRun): string[] {
  const differences: string[] = [];
  if (config.tokenizer === 'none') {
    differences.push(
      'FSMTTokenizer applies Moses to its input; the run takes tokenized text (bypass_tokenizer=True)',
    );
  } else {
    if (config.lowercase === 'after') {
      differences.push('FSMTTokenizer lower-cases before it looks for words; the run lower-cases its tokens');
    }
    differences.push('FSMTTokenizer splits words at hyphens (@-@); the run does not');
    if (!config.normalize) {
      differences.push('FSMTTokenizer normalizes quotation marks and dashes; the run does not');
    }
  }
  return differences;
}

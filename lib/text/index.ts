/** `rdrop/text`: Moses's tokenizers, byte pair encoding and fairseq's dictionary, without the addon. */

export type {
  BpeApplyOptions,
  BpeOptions,
  DictionaryOptions,
  MosesDetokenizeOptions,
  NormalizeOptions,
  PieceFormat,
  TextConfig,
  TextOptions,
  TokenizeOptions,
} from '../options/text.js';
export { Dictionary } from './dictionary.js';
export { mosesDetokenize } from './moses/detokenizer.js';
export { normalizePunctuation } from './moses/normalizer.js';
export { readProtectedPatterns } from './moses/protected_patterns.js';
export { sacremosesDetokenize } from './moses/sacremoses_detokenizer.js';
export { mosesTokenize } from './moses/tokenizer.js';
export { Bpe, type BpeLearnOptions } from './pieces/bpe.js';
export { countWords, readVocabulary } from './pieces/bpe_vocabulary.js';
export { joinPieces, type PieceConvention } from './pieces/pieces.js';
export { TextPipeline } from './pipeline.js';
export { type EncodedText, TaskText } from './tasks/task_text.js';

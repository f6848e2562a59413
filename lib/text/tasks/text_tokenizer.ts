import { loadPart } from '../../util/load_part.js';

/**
 * A tokenizer with ids and a template of its own, as tokenizer.json holds one. Its ids are the model's: padding is 1.
 */
export interface TextTokenizer {
  /** Number of ids V. */
  readonly size: number;
  /**
   * A text, or a pair of texts, with the tokens that the template puts around.
   *
   * @returns ids, and of each its token type (0, or 1 in the second text); as many of one as of the other
   */
  encode(text: string, second?: string): { ids: ArrayLike<number>; types: ArrayLike<number> };
  /** The text of ids, without the tokens of the template. @throws RdropError TOKEN_OUT_OF_RANGE */
  decode(ids: Int32Array): string;
  /** Writes the files that it is read from. @throws RdropError DISK_FULL, FILE_UNWRITABLE */
  write(directory: string): Promise<void>;
}

/** The files of a directory that a tokenizer is read from. */
export const tokenizerFiles: readonly string[] = ['tokenizer.json', 'tokenizer_ids.json'];

/**
 * Reads the tokenizer of a directory: a prepared one, a run, or one of Hugging Face.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE, NOT_EXPRESSIBLE (a part that is not supported)
 */
export async function loadTextTokenizer(directory: string): Promise<TextTokenizer> {
  const { HuggingFaceTokenizer } = await loadPart(() => import('../huggingface/tokenizer.js'));
  return HuggingFaceTokenizer.read(directory);
}

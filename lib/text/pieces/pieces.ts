import { type PieceFormat, pieceMarks } from '../../options/text.js';
import { pythonSpace } from '../../util/characters.js';
import { once } from '../../util/once.js';

/** Whose pieces a text is cut into, and their mark where it is not the usual one. */
export interface PieceConvention {
  /** Whose pieces. Left out: none, the text holds words. */
  pieces?: PieceFormat | undefined;
  /** Their mark. Left out: the usual one of `pieces`. */
  pieceMark?: string | undefined;
}

const space = new RegExp(`[${pythonSpace}]`, 'v');

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && space.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

function trim(text: string): string {
  let start = 0;
  while (start < text.length && space.test(text[start]!)) start++;
  return trimEnd(text.slice(start));
}

/** Formats whose spaces are all in their marks: joining other text would run its words together. */
export const holdsSpacesInMarks = (pieces: PieceFormat): boolean =>
  pieces === 'sentencepiece' || pieces === 'end-of-word' || pieces === 'byte-level';

/**
 * The words of a line that another program cut into pieces; a line of whole words where `pieces` is none or left out.
 *
 * @source fairseq/data/data_utils.py, post_process: subword_nmt, sentencepiece and _EOW; the decoders WordPiece and ByteLevel of
 *   Hugging Face's tokenizers; the joiners of OpenNMT's Tokenizer
 */
export function joinPieces(line: string, { pieces = 'none', pieceMark }: PieceConvention): string {
  if (pieces === 'none') return line;
  const mark = pieceMark ?? pieceMarks[pieces];
  switch (pieces) {
    case 'subword-nmt':
      return trimEnd(`${line} `.replaceAll(`${mark} `, ''));
    case 'sentencepiece':
    case 'end-of-word':
      return trim(line.replaceAll(' ', '').replaceAll(mark, ' '));
    case 'wordpiece':
      return line.replaceAll(` ${mark}`, '');
    case 'joiner':
      return joinAtMarks(line, mark);
    case 'byte-level':
      return trim(textOfBytes(line.replaceAll(' ', '')));
  }
}

/** A mark on either side of a space takes the space away. */
function joinAtMarks(line: string, mark: string): string {
  let text = '';
  let open = true;
  for (const token of line.split(' ')) {
    const joinsLeft = token.startsWith(mark);
    const joinsRight = token.endsWith(mark) && token.length > (joinsLeft ? mark.length : 0);
    if (!open && !joinsLeft) text += ' ';
    text += token.slice(joinsLeft ? mark.length : 0, joinsRight ? -mark.length : undefined);
    open = joinsRight || (joinsLeft && token === mark);
  }
  return text;
}

/** GPT-2 writes each byte as a character that can be seen: those of Latin-1 as they are, the others from U+0100 on. */
const byteOf = once(() => {
  const shown = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const bytes = new Map<number, number>();
  let hidden = 0;
  for (let byte = 0; byte < 0x100; byte++) bytes.set(shown(byte) ? byte : 0x100 + hidden++, byte);
  return bytes;
});

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** @source bytes_to_unicode in GPT-2's encoder.py */
function textOfBytes(line: string): string {
  const bytes: number[] = [];
  for (const character of line) {
    const byte = byteOf().get(character.codePointAt(0)!);
    // Not one of theirs.
    if (byte === undefined) bytes.push(...Buffer.from(character));
    else bytes.push(byte);
  }
  return decoder.decode(Uint8Array.from(bytes));
}

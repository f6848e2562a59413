import * as everything from '@huggingface/tokenizers';

interface Cutter {
  /** Words to pieces. */
  encode(words: string[]): string[];
}

interface Decoder {
  added_tokens: { content: string }[];
  decode(pieces: string[]): string;
}

/** The parts of the package that are used: its own declarations lose them under Node's module resolution. */
export const { BPE, WordPiece, WordPieceDecoder, ByteLevelDecoder } = everything as unknown as {
  WordPiece: new (options: object) => Cutter;
  BPE: new (options: object) => Cutter;
  WordPieceDecoder: new (options: object) => Decoder;
  ByteLevelDecoder: new (options: object) => Decoder;
};

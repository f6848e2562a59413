/**
 * What a pickle may make. Few bytes of one can ask for much: a dict is one byte, a call copies a list of any length that the
 * memo holds. So everything that is made is counted, in about the bytes that it takes here.
 */
export class PickleBudget {
  #left: number;

  /** @param exceeded makes the error that refuses the pickle */
  constructor(
    private readonly exceeded: (why: string) => Error,
    private readonly limit = mostBytes,
  ) {
    this.#left = limit;
  }

  /** Counts so many bytes. @throws what `exceeded` makes */
  spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw this.exceeded(`data that takes more than ${this.limit} bytes once it is read`);
  }

  /** Counts a key of a dict. Numbers as keys can be chosen so that they fall together, which costs their square. */
  key(isText: boolean, dictSize: number): void {
    this.spend(cost.entry);
    if (!isText && dictSize >= mostOtherKeys) {
      throw this.exceeded(`a dict with more than ${mostOtherKeys} keys, one of them no text`);
    }
  }
}

/** Checkpoints of a thousand tensors, with an optimizer's state, take a hundredth of it. */
const mostBytes = 128 << 20;

/** The states of an optimizer are numbered, one a parameter. */
const mostOtherKeys = 20_000;

/** Bytes of what has no length of its own, measured in V8 and rounded up. */
export const cost = {
  dict: 256,
  list: 64,
  tuple: 96,
  object: 128,
  number: 16,
  text: 32,
  slot: 16,
  entry: 64,
};

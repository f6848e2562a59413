import { RdropError } from '../util/errors.js';

/** The hidden state of the objects of one class; a foreign receiver and a disposed object are coded errors. */
export class Receivers<State> {
  readonly #states = new WeakMap<object, State>();
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  set(receiver: object, state: State): void {
    this.#states.set(receiver, state);
  }

  /** @throws RdropError WRONG_RECEIVER */
  get(receiver: unknown): State {
    const state = typeof receiver === 'object' && receiver !== null ? this.#states.get(receiver) : undefined;
    if (state === undefined) {
      throw new RdropError('WRONG_RECEIVER', `${this.#name}: a method was called on something else`);
    }
    return state;
  }
}

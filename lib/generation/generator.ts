import type { Generation, Transformer } from '../model/transformer.js';
import { checkCall } from '../options/schema/call_options.js';
import { describe, parseConfig } from '../options/schema/parse.js';
import { type GenerationOptions, generationSchema } from '../options/tasks/generation.js';
import type { TrainConfig } from '../options/training.js';
import { eos } from '../text/dictionary.js';
import { newline } from '../text/tasks/characters.js';
import { TaskText } from '../text/tasks/task_text.js';
import { type LoadOptions, loadOptionNames, loadRun } from '../training/run/load_run.js';
import { untilAborted } from '../util/async/abortable.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';

/** What a language model made of a prompt. */
export interface GeneratedText extends Generation {
  prompt: string;
  /** What follows the prompt. */
  text: string;
}

/** A trained language model that continues texts. `using` frees the model where a block ends. */
export class Generator implements Disposable, AsyncDisposable {
  readonly #model: Transformer;
  readonly #text: TaskText;

  private constructor(model: Transformer, text: TaskText) {
    this.#model = model;
    this.#text = text;
  }

  /**
   * Reads a run directory: its text and one of its checkpoints.
   *
   * @throws RdropError ABORTED, INVALID_ARGUMENT (also of a run of another task), FILE_NOT_FOUND (no run, or no such checkpoint yet),
   *   CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH, MANIFEST_MISMATCH (another dictionary or other codes than the run was made with)
   */
  static async load(runDirectory: string, options: LoadOptions = {}): Promise<Generator> {
    checkCall(options, loadOptionNames, 'Generator.load');
    const { signal } = options;
    throwIfAborted(signal, loading);
    return await untilAborted(Generator.#load(runDirectory, options), signal, loading, (late) =>
      late.dispose(),
    );
  }

  static async #load(runDirectory: string, options: LoadOptions): Promise<Generator> {
    const { directory, model } = await loadRun(runDirectory, options, loading, checkTask);
    try {
      return new Generator(model, await TaskText.load(directory));
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /**
   * Goes on with each prompt. A language model of lines begins each with its eos and ends a text where a line ends; one of a stream
   * continues to `maxTokens`, and begins an empty prompt behind the end of a line.
   *
   * @throws RdropError DISPOSED, INVALID_ARGUMENT, NON_FINITE
   */
  async generate(prompts: readonly string[], options: GenerationOptions = {}): Promise<GeneratedText[]> {
    const parsed = parseConfig(generationSchema, options, 'generation', 'INVALID_ARGUMENT');
    checkPrompts(prompts);
    const generated = await this.#model.generate(
      prompts.map((prompt) => this.#tokensOf(prompt)),
      {
        ...parsed,
        untilEos: parsed.untilEos ?? this.#ofLines,
        types: parsed.types || this.#text.dictionary.filled,
      },
    );
    return generated.map((each, i) => ({
      prompt: prompts[i]!,
      text: this.#textOf(each.tokens),
      ...each,
    }));
  }

  get #ofLines(): boolean {
    return this.#text.config.mode === 'lines';
  }

  #tokensOf(prompt: string): Int32Array {
    const tokens = this.#text.stream(prompt);
    if (this.#ofLines) return Int32Array.from([eos, ...tokens]);
    if (tokens.length > 0) return tokens;
    return this.#text.config.pieces === 'characters' ? this.#text.ids(newline) : Int32Array.of(eos);
  }

  #textOf(tokens: Int32Array): string {
    const ended = this.#ofLines && tokens.at(-1) === eos;
    return this.#text.decode(ended ? tokens.subarray(0, -1) : tokens);
  }

  /** Frees the native memory; calls under way end first. May be called again. */
  dispose(): void {
    this.#model.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** dispose(), and waits until the calls under way have ended, with their results. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#model[Symbol.asyncDispose]();
  }
}

function checkTask({ task }: TrainConfig, directory: string): void {
  if (task === 'language-model') return;
  throw new RdropError(
    'INVALID_ARGUMENT',
    `${directory}: expected a run whose task is "language-model", got one of "${task}"`,
  );
}

const loading = 'loading the generator';

function checkPrompts(prompts: unknown): asserts prompts is readonly string[] {
  if (!Array.isArray(prompts))
    throw new RdropError('INVALID_ARGUMENT', `prompts: expected an array of texts, got ${describe(prompts)}`);
  const wrong = prompts.findIndex((prompt) => typeof prompt !== 'string');
  if (wrong >= 0)
    throw new RdropError(
      'INVALID_ARGUMENT',
      `prompts[${wrong}]: expected a text, got ${describe(prompts[wrong])}`,
    );
}

import { OpenSafetensors, streamSafetensors, type Tensor } from '../data/safetensors/safetensors.js';
import { type StoredTensors, wholeTensors } from '../data/safetensors/stored_tensor.js';
import { native } from '../native/binding.js';
import type {
  FloatArray,
  NativeGeneration,
  NativeHypothesis,
  NativeLoss,
  NativeTransformer,
} from '../native/contract.js';
import type { LossOptions } from '../options/loss.js';
import { laterModelOptions, type ModelConfig, type ModelOptions, modelSchema } from '../options/model.js';
import { type RuntimeOptions, runtimeSchema } from '../options/runtime.js';
import { checkCall } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import { type GenerationOptions, generationSchema } from '../options/tasks/generation.js';
import { type BeamOptions, beamSchema } from '../options/translation.js';
import { CallsUnderWay } from '../util/async/calls_under_way.js';
import { fromNative, RdropError } from '../util/errors.js';
import { writeFileAtomically } from '../util/files/files.js';
import { nativeRuntime, type ResolvedRuntime, reportGraphFallback, resolveRuntime } from './device.js';
import { nativeLossOptions } from './loss_options.js';
import { checkMemory } from './model_memory.js';
import { type Batch, pack, packBatch } from './pack.js';
import { hasDecoder, hasEncoder, outputCount, parameterShapes } from './parameter_names.js';
import {
  checkParameters,
  checksum,
  type ParameterSnapshot,
  type ParameterType,
  takeSnapshot,
  writeTensors,
} from './stored_parameters.js';

/** tokens end in eos; score is the log-probability divided by length ** lengthPenalty; one log-probability a token. */
export type Hypothesis = NativeHypothesis;

/** The tokens behind a prompt, with eos where the text came to its end, and one log-probability of the model itself a token. */
export type Generation = NativeGeneration;

/** Sums over the target positions, natural logarithm; `gradients` are undivided and have fairseq's names. */
export type LossAndGradients = NativeLoss & { gradients: Map<string, FloatArray> };

export interface ModelLoadOptions {
  /** Whether the checksum that `save` wrote is compared. Default true. */
  verify?: boolean;
}

export interface GradientOptions {
  /** Other sources for pass 2, so that the two passes differ without dropout. */
  secondSource?: readonly Int32Array[];
  /** Dropout on. Default false. */
  training?: boolean;
  /** With the seed, the key of the dropout masks. Default 0. */
  update?: number;
}

/** What the functions of this module know of a model besides its methods. */
interface Inside {
  native: NativeTransformer;
  runtime: ResolvedRuntime;
}

let insideOf: (model: Transformer) => Inside;
let lend: (model: Transformer) => Transformer;

/** For lib/training alone: the native half of a model. */
export const nativeTransformer = (model: Transformer): NativeTransformer => insideOf(model).native;

/** The same model, which cannot be disposed of: for code that only computes with it. */
export const lentTransformer = (model: Transformer): Transformer => lend(model);

/**
 * A Transformer of an encoder, a decoder or both, computed natively over packed tokens; with both it is fairseq's. Calls on one model are queued; after
 * dispose() each throws DISPOSED. `using` frees its memory where a block ends, `await using` also waits for the calls under way.
 */
export class Transformer implements Disposable, AsyncDisposable {
  readonly #native: NativeTransformer;
  readonly #config: ModelConfig;
  readonly #runtime: ResolvedRuntime;
  readonly #calls: CallsUnderWay;
  /** Belongs to another object, which alone disposes of it. */
  readonly #lent: boolean;

  static {
    insideOf = (model) => ({ native: model.#native, runtime: model.#runtime });
    lend = (model) => new Transformer(model.#native, model.#config, model.#runtime, model.#calls);
  }

  private constructor(
    made: NativeTransformer,
    config: ModelConfig,
    runtime: ResolvedRuntime,
    lentCalls?: CallsUnderWay,
  ) {
    this.#native = made;
    this.#config = config;
    this.#runtime = runtime;
    this.#calls = lentCalls ?? new CallsUnderWay();
    this.#lent = lentCalls !== undefined;
  }

  /**
   * A freshly initialized model (fairseq's initialization, drawn from the seed).
   *
   * @throws RdropError INVALID_CONFIG, OUT_OF_MEMORY, and those of `native()`
   */
  static async create(config: ModelOptions, runtime: RuntimeOptions = {}): Promise<Transformer> {
    const model = parseConfig(modelSchema, config, 'model');
    const settings = parseConfig(runtimeSchema, runtime, 'runtime');
    const resolved = resolveRuntime(settings);
    checkMemory(model, resolved);
    const created = await fromNative(() => native().Transformer.create(model, nativeRuntime(resolved)));
    return new Transformer(created, model, resolved);
  }

  /**
   * Reads a model from safetensors with fairseq's parameter names, tensor by tensor. Parameters of 16 and 8 bits are
   * widened, which is exact.
   *
   * @param config needed when the file was not written by `save`, which keeps the configuration in the metadata
   * @throws RdropError FILE_NOT_FOUND, MALFORMED_FILE, CHECKPOINT_CORRUPT (cut off, damaged: the checksum differs),
   *   CHECKPOINT_MISMATCH, INVALID_ARGUMENT (no configuration), INVALID_CONFIG, OUT_OF_MEMORY
   */
  static async load(
    path: string,
    config?: ModelOptions,
    runtime: RuntimeOptions = {},
    loading: ModelLoadOptions = {},
  ): Promise<Transformer> {
    checkCall(loading, ['verify'], 'Transformer.load');
    const { verify = true } = loading;
    await using file = await OpenSafetensors.open(path);
    const { tensors, metadata } = file;
    const options =
      config === undefined
        ? parseConfig(modelSchema, configOf(metadata, path), `${path}: model`)
        : parseConfig(modelSchema, config, 'model');
    checkParameters(tensors, parameterShapes(options), path);
    const { rdrop: configuration = '', sha256 } = metadata;
    if (verify && sha256 !== undefined && (await checksum(tensors, configuration)) !== sha256) {
      throw new RdropError(
        'CHECKPOINT_CORRUPT',
        `${path}: its SHA-256 is not the one in its metadata: the file is damaged, or another program changed it ` +
          '(verify: false loads it all the same)',
      );
    }
    const doubles = [...tensors.values()].every(({ dtype }) => dtype === 'F64');
    return await transformerOf(
      tensors,
      options,
      { ...(doubles && { precision: 'float64' as const }), ...runtime },
      path,
    );
  }

  get config(): Readonly<ModelConfig> {
    return this.#config;
  }

  get parameterCount(): number {
    return this.#native.parameterCount;
  }

  /** Copies of the parameters with their shapes, fairseq's names. @throws RdropError OUT_OF_MEMORY */
  async parameters(): Promise<Map<string, Tensor & { data: FloatArray }>> {
    return this.#calls.run(async () => {
      using snapshot = await snapshotOf(this);
      return (await wholeTensors(snapshot.tensors)) as Map<string, Tensor & { data: FloatArray }>;
    });
  }

  /**
   * Writes the parameters and the configuration, whole or not at all, with a checksum that `load` compares. They are
   * those of this moment, also where training continues meanwhile.
   *
   * @throws RdropError DISK_FULL, FILE_UNWRITABLE
   */
  async save(path: string): Promise<void> {
    await this.#calls.run(async () => {
      using snapshot = await snapshotOf(this);
      const { tensors } = snapshot;
      const metadata = modelMetadata(this.#config);
      const sha256 = await checksum(tensors, metadata.rdrop);
      await writeFileAtomically(path, streamSafetensors(tensors, { ...metadata, sha256 }));
    });
  }

  /**
   * [T,V] row-major, packed, dropout off; of an encoder [B,outputs].
   *
   * @throws RdropError TOKEN_OUT_OF_RANGE, INVALID_ARGUMENT
   */
  async logits(batch: Batch): Promise<FloatArray> {
    const model = this.#native;
    const packed = packBatch(batch);
    return this.#call(() => model.logits(packed));
  }

  /**
   * The states that the output projection or the head reads, dropout off: [T,D] row-major of the decoder, or else of the encoder
   * [S,D].
   *
   * @throws RdropError TOKEN_OUT_OF_RANGE, INVALID_ARGUMENT
   */
  async hidden(batch: Batch): Promise<FloatArray> {
    const model = this.#native;
    const packed = packBatch(batch);
    return this.#call(() => model.hidden(packed));
  }

  /** Both passes, the R-Drop loss and its gradient. @throws RdropError TOKEN_OUT_OF_RANGE, INVALID_ARGUMENT, NON_FINITE */
  async lossAndGradients(
    batch: Batch,
    options: LossOptions,
    gradient: GradientOptions = {},
  ): Promise<LossAndGradients> {
    checkCall(gradient, ['secondSource', 'training', 'update'], 'lossAndGradients');
    const { secondSource, training = false, update = 0 } = gradient;
    const model = this.#native;
    const packed = packBatch(batch);
    const loss = nativeLossOptions(options, outputCount(this.#config));
    const second = secondSource === undefined ? null : pack(secondSource, 'second source');
    return this.#call(() => model.lossAndGradients(packed, loss, { secondSource: second, training, update }));
  }

  /** One pass, dropout off: the sums of a validation loss (kl 0, α unused). */
  async evaluate(batch: Batch, options: LossOptions): Promise<NativeLoss> {
    const model = this.#native;
    const packed = packBatch(batch);
    const loss = nativeLossOptions(options, outputCount(this.#config));
    return this.#call(() => model.evaluate(packed, loss));
  }

  /**
   * Beam search; for each source its nBest hypotheses, best first.
   *
   * @throws RdropError TOKEN_OUT_OF_RANGE, INVALID_ARGUMENT (also of a network without encoder or decoder)
   */
  async translate(sources: readonly Int32Array[], beamOptions: BeamOptions = {}): Promise<Hypothesis[][]> {
    const model = this.#native;
    if (!hasEncoder(this.#config) || !hasDecoder(this.#config)) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `Transformer: translate(): expected a network with encoder and decoder, got one whose architecture is ` +
          `"${this.#config.architecture}"`,
      );
    }
    const packed = pack(sources, 'source');
    const options = parseConfig(beamSchema, beamOptions, 'beam', 'INVALID_ARGUMENT');
    const { hypotheses, graphFallbackReason } = await this.#call(() => model.translate(packed, options));
    reportGraphFallback('beam search', graphFallbackReason);
    return hypotheses;
  }

  /**
   * Goes on with each prompt, as a language model does: for each the tokens behind it. Prompts are what the network reads, in any
   * number and of any lengths above 0; of a text longer than `maxPositions` the network sees the end. The same options give the
   * same tokens, whatever other prompts there are; only rounding in the sums of a matrix product knows of those, which decides
   * where two tokens are as good as equal.
   *
   * @throws RdropError TOKEN_OUT_OF_RANGE, NON_FINITE, INVALID_ARGUMENT (also of a network that is more than a decoder)
   */
  async generate(
    prompts: readonly Int32Array[],
    generationOptions: GenerationOptions = {},
  ): Promise<Generation[]> {
    const model = this.#native;
    if (hasEncoder(this.#config)) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `Transformer: generate(): expected a language model, whose architecture is "decoder", got one of ` +
          `"${this.#config.architecture}"`,
      );
    }
    const options = parseConfig(generationSchema, generationOptions, 'generation', 'INVALID_ARGUMENT');
    const empty = prompts.findIndex((prompt) => prompt.length === 0);
    if (empty >= 0) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `prompts[${empty}]: expected at least one token, which the network reads to find the next; got none`,
      );
    }
    const packed = pack(prompts, 'source');
    return this.#call(() => model.generate(packed, { ...options, untilEos: options.untilEos ?? true }));
  }

  /** Frees the native memory; calls under way end first. May be called again. */
  dispose(): void {
    if (this.#lent) {
      throw new RdropError(
        'BUSY',
        'Transformer: dispose(): expected a model of your own, got the one that fit() trains and validates; dispose of its trainer',
      );
    }
    this.#native.dispose();
  }

  [Symbol.dispose](): void {
    // A foreign receiver has a dispose() of its own, or none.
    Transformer.prototype.dispose.call(this);
  }

  /** dispose(), and waits until the calls under way have ended, with their results. */
  async [Symbol.asyncDispose](): Promise<void> {
    Transformer.prototype.dispose.call(this);
    await this.#calls.ended();
  }

  #call<T>(call: () => Promise<T>): Promise<T> {
    return this.#calls.run(() => fromNative(call));
  }
}

/** The metadata of a model's file. That of a model without later options is as it was before there were any. */
export function modelMetadata(config: ModelConfig) {
  const written: Record<string, unknown> = { ...config };
  for (const [name, value] of laterModelOptions) if (written[name] === value) delete written[name];
  return { format: 'pt', rdrop: JSON.stringify(written) };
}

/** The parameters as they now are, read by ranges. */
export function snapshotOf(model: Transformer): Promise<ParameterSnapshot> {
  const { native: handle, runtime } = insideOf(model);
  return takeSnapshot(handle, typeOf(runtime));
}

const typeOf = ({ precision }: ResolvedRuntime): ParameterType => (precision === 'float64' ? 'F64' : 'F32');

/** Puts tensors of a file into a model. @throws RdropError CHECKPOINT_MISMATCH, naming the file and the parameter */
export async function loadParameters(
  model: Transformer,
  tensors: StoredTensors,
  path: string,
): Promise<void> {
  const { native: handle, runtime } = insideOf(model);
  checkParameters(tensors, handle.parameterShapes, path);
  await writeTensors(tensors, typeOf(runtime), path, (name, begin, end, values) =>
    handle.write(name, begin, end, values),
  );
}

/**
 * A model with the parameters of a file. They are compared with the configuration before memory is taken for it.
 *
 * @throws RdropError CHECKPOINT_MISMATCH, and those of Transformer.create
 */
export async function transformerOf(
  tensors: StoredTensors,
  config: ModelOptions,
  runtime: RuntimeOptions,
  path: string,
): Promise<Transformer> {
  checkParameters(tensors, parameterShapes(parseConfig(modelSchema, config, 'model')), path);
  const model = await Transformer.create(config, runtime);
  try {
    await loadParameters(model, tensors, path);
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

function configOf(metadata: Record<string, string>, path: string): ModelOptions {
  if (metadata['rdrop'] === undefined) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${path}: expected a model configuration in the metadata (rdrop writes one), or one given to load()`,
    );
  }
  try {
    return JSON.parse(metadata['rdrop']);
  } catch (error) {
    throw new RdropError('MALFORMED_FILE', `${path}: its model configuration is not JSON`, { cause: error });
  }
}

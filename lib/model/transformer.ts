import { native } from '../binding.js';
import {
  type BeamOptions,
  beamSchema,
  type LossOptions,
  type ModelConfig,
  type ModelOptions,
  modelSchema,
  parseConfig,
  type RuntimeOptions,
  runtimeSchema,
} from '../config.js';
import { encodeSafetensors, readSafetensors, type Tensor } from '../data/safetensors.js';
import { fromNative, RdropError } from '../errors.js';
import { writeFileAtomically } from '../files.js';
import type { FloatArray, NativeHypothesis, NativeLoss, NativeTransformer } from '../native.js';
import { type ResolvedRuntime, resolveRuntime, tellNoGraphs } from './device.js';
import { nativeLossOptions } from './loss_options.js';
import { type Batch, pack, packBatch } from './pack.js';
import { Receivers } from './receiver.js';

/** tokens end in eos; score is the log-probability divided by length ** lengthPenalty; one log-probability a token. */
export type Hypothesis = NativeHypothesis;

/** Sums over the target positions, natural logarithm; `gradients` are undivided and have fairseq's names. */
export type LossAndGradients = NativeLoss & { gradients: Map<string, FloatArray> };

export interface GradientOptions {
  /** Other sources for pass 2, so that the two passes differ without dropout. */
  secondSource?: readonly Int32Array[];
  /** Dropout on. Default false. */
  training?: boolean;
  /** With the seed, the key of the dropout masks. Default 0. */
  update?: number;
}

interface State {
  native: NativeTransformer;
  config: ModelConfig;
  runtime: ResolvedRuntime;
}

const states = new Receivers<State>('Transformer');

/** For lib/training alone: the native half of a model. */
export const nativeTransformer = (model: Transformer): NativeTransformer => states.get(model).native;

/**
 * fairseq's encoder-decoder Transformer, computed natively over packed tokens. Calls on one model are queued; after
 * dispose() each throws DISPOSED.
 */
export class Transformer {
  private constructor(state: State) {
    states.set(this, state);
  }

  /**
   * A freshly initialised model (fairseq's initialisation, drawn from the seed).
   *
   * @throws RdropError INVALID_CONFIG, OUT_OF_MEMORY, and those of `native()`
   */
  static async create(config: ModelOptions, runtime: RuntimeOptions = {}): Promise<Transformer> {
    const model = parseConfig(modelSchema, config, 'model');
    const settings = parseConfig(runtimeSchema, runtime, 'runtime');
    const resolved = resolveRuntime(settings);
    const created = await fromNative(() => native().Transformer.create(model, resolved));
    return new Transformer({ native: created, config: model, runtime: resolved });
  }

  /**
   * Reads a model from safetensors with fairseq's parameter names.
   *
   * @param config needed when the file was not written by `save`, which keeps the configuration in the metadata
   * @throws RdropError FILE_NOT_FOUND, MALFORMED_FILE, CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH, INVALID_CONFIG
   */
  static async load(path: string, config?: ModelOptions, runtime: RuntimeOptions = {}): Promise<Transformer> {
    const { tensors, metadata } = await readSafetensors(path);
    const options = config ?? configOf(metadata, path);
    const doubles = [...tensors.values()].every(({ data }) => data instanceof Float64Array);
    const model = await Transformer.create(options, { ...(doubles && { precision: 'float64' }), ...runtime });
    try {
      await loadParameters(model, tensors, path);
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  }

  get config(): Readonly<ModelConfig> {
    return states.get(this).config;
  }

  get parameterCount(): number {
    return states.get(this).native.parameterCount;
  }

  /** Copies of the parameters with their shapes, fairseq's names. */
  async parameters(): Promise<Map<string, Tensor & { data: FloatArray }>> {
    const { native: model } = states.get(this);
    const values = await fromNative(() => model.parameters());
    return new Map(model.parameterShapes.map(([name, shape]) => [name, { shape, data: values.get(name)! }]));
  }

  /** Writes the parameters and the configuration, whole or not at all. @throws RdropError DISK_FULL, FILE_UNWRITABLE */
  async save(path: string): Promise<void> {
    const { config } = states.get(this);
    const parameters = await this.parameters();
    await writeFileAtomically(path, encodeSafetensors(parameters, modelMetadata(config)));
  }

  /** [T,V] row-major, packed, dropout off. @throws RdropError TOKEN_OUT_OF_RANGE, INVALID_ARGUMENT */
  async logits(batch: Batch): Promise<FloatArray> {
    const { native: model } = states.get(this);
    const packed = packBatch(batch);
    return fromNative(() => model.logits(packed));
  }

  /** Both passes, the R-Drop loss and its gradient. @throws RdropError TOKEN_OUT_OF_RANGE, INVALID_ARGUMENT, NON_FINITE */
  async lossAndGradients(
    batch: Batch,
    options: LossOptions,
    { secondSource, training = false, update = 0 }: GradientOptions = {},
  ): Promise<LossAndGradients> {
    const { native: model, config } = states.get(this);
    const packed = packBatch(batch);
    const loss = nativeLossOptions(options, config.vocabSize);
    const second = secondSource === undefined ? null : pack(secondSource, 'second source');
    return fromNative(() => model.lossAndGradients(packed, loss, { secondSource: second, training, update }));
  }

  /** One pass, dropout off: the sums of a validation loss (kl 0, α unused). */
  async evaluate(batch: Batch, options: LossOptions): Promise<NativeLoss> {
    const { native: model, config } = states.get(this);
    const packed = packBatch(batch);
    const loss = nativeLossOptions(options, config.vocabSize);
    return fromNative(() => model.evaluate(packed, loss));
  }

  /** Beam search; for each source its nBest hypotheses, best first. @throws RdropError TOKEN_OUT_OF_RANGE, INVALID_ARGUMENT */
  async translate(sources: readonly Int32Array[], beamOptions: BeamOptions = {}): Promise<Hypothesis[][]> {
    const { native: model } = states.get(this);
    const packed = pack(sources, 'source');
    const options = parseConfig(beamSchema, beamOptions, 'beam', 'INVALID_ARGUMENT');
    const { hypotheses, noGraphs } = await fromNative(() => model.translate(packed, options));
    tellNoGraphs('beam search', noGraphs);
    return hypotheses;
  }

  /** Frees the native memory; calls under way end first. May be called again. */
  dispose(): void {
    states.get(this).native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The metadata of a model's file. */
export const modelMetadata = (config: ModelConfig) => ({ format: 'pt', rdrop: JSON.stringify(config) });

/** Puts tensors of a file into a model. @throws RdropError CHECKPOINT_MISMATCH, naming the file and the parameter */
export async function loadParameters(
  model: Transformer,
  tensors: ReadonlyMap<string, Tensor>,
  path: string,
): Promise<void> {
  const handle = nativeTransformer(model);
  for (const [name, shape] of handle.parameterShapes) {
    const found = tensors.get(name);
    if (found === undefined || String(found.shape) === String(shape)) continue;
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${path}: parameter ${name}: expected the shape [${shape}], got [${found.shape}]`,
    );
  }
  try {
    const values = new Map([...tensors].map(([name, { data }]) => [name, data as FloatArray]));
    await fromNative(() => handle.setParameters(values));
  } catch (error) {
    if (!(error instanceof RdropError)) throw error;
    throw new RdropError(error.code, `${path}: ${error.message}`, { cause: error });
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

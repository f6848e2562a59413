/** Translation: sentence pairs, BLEU of the beam search. */
import { join } from 'node:path';
import type { Transformer } from '../../model/transformer.js';
import { withVocabularies } from '../../model/vocabularies.js';
import { taskMetrics } from '../../options/tasks/names.js';
import type { TrainConfig } from '../../options/training.js';
import { readTextConfig, TextPipeline } from '../../text/pipeline.js';
import { lossOf } from '../scores.js';
import type {
  Evaluation,
  Task,
  TaskData,
  TaskSplit,
  TaskWork,
  Validated,
  ValidationSample,
} from '../task.js';
import { loadRunData, loadSplit } from './run_data.js';
import { splitBatches } from './split_batches.js';
import { type EvaluationSet, scoreTest, searchTest, validate } from './validation.js';
import { textWarnings } from './warnings.js';

export const translation: Task = {
  name: 'translation',
  metrics: taskMetrics.translation,
  lossUnit: Math.LN2,
  directed: true,

  // checkpoint_utils.py, is_better.
  laterWins: ({ validation }) => validation.metric === 'bleu' && validation.bleu === 'fairseq',

  async textFiles(directory) {
    return TextPipeline.fileNames(await readTextConfig(directory));
  },

  async dataFiles(directory) {
    const text = await readTextConfig(directory);
    return [
      ...TextPipeline.fileNames(text),
      ...['train', 'valid', 'test', join('raw', 'valid'), join('raw', 'test')].flatMap((split) =>
        [text.source, text.target].map((side) => `${split}.${side}`),
      ),
    ];
  },

  async network({ model }, directory) {
    return withVocabularies(model, await TextPipeline.load(directory), directory);
  },

  async open(config, opening): Promise<TaskData> {
    const data = await loadRunData(config, opening);
    const { pipeline, train, valid, test, overlong } = data;
    const network = withVocabularies(config.model, pipeline, config.data);
    return {
      ...{ task: translation, network, loss: lossOf(config), classes: network.vocabSize, train, overlong },
      warnings: [...data.warnings, ...textWarnings(config, data)],
      validate: (model, work) => validated(model, pipeline, valid, config, work),
      test: test === null ? null : splitOf(pipeline, test, config),
    };
  },

  async batches(config, split, names) {
    return await splitBatches(config, split, names);
  },

  async openSplit(config, directory, split, opening) {
    const pipeline = await TextPipeline.load(directory);
    return splitOf(
      pipeline,
      await loadSplit({ ...config, data: directory }, pipeline, split, opening),
      config,
    );
  },
};

async function validated(
  model: Transformer,
  pipeline: TextPipeline,
  valid: EvaluationSet,
  config: TrainConfig,
  { report, ...work }: TaskWork,
): Promise<Validated> {
  const samples: ValidationSample[] = [];
  const losses = await validate(model, pipeline, valid, {
    ...{ config, ...work },
    onProgress: (...progress) => report?.('validation translation', ...progress),
    onLoss: (...progress) => report?.('validation loss', ...progress),
    onSamples: (found) => samples.push(...found),
  });
  return { ...losses, samples };
}

const splitOf = (pipeline: TextPipeline, set: EvaluationSet, config: TrainConfig): TaskSplit => ({
  async search(model, { report, ...work }) {
    const found = await searchTest(model, set, {
      ...{ config, ...work },
      onProgress: (...progress) => report?.('test translation', ...progress),
    });
    return (scoring) => evaluated(found, pipeline, set, scoring);
  },
});

/** hypotheses/: the translations, and both sides as `fairseq-score` reads them, under the names that 0.1 gave them. */
async function evaluated(
  found: readonly Int32Array[],
  pipeline: TextPipeline,
  set: EvaluationSet,
  { signal, report }: TaskWork,
): Promise<Evaluation> {
  const { hypotheses, tokenized, scores } = await scoreTest(found, pipeline, set, {
    signal,
    onProgress: (...progress) => report?.('test scores', ...progress),
  });
  const language = pipeline.config.target;
  return {
    scores,
    files: {
      [`test.${language}`]: hypotheses,
      [`test.tokenised.${language}`]: tokenized.hypotheses,
      [`test.tokenised.reference.${language}`]: tokenized.references,
    },
  };
}

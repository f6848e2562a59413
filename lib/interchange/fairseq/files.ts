import type { Tensor } from '../../data/safetensors/safetensors.js';
import type { StoredTensor } from '../../data/safetensors/stored_tensor.js';
import { untiedParameters } from '../../model/parameter_names.js';
import type { PieceFormat } from '../../options/text.js';
import type { ExportedRun, FileContent } from '../exported_run.js';
import { PickleDict, PickleForeign, type PickleValue } from '../torch_file/pickle_values.js';
import { OrderedPickleDict } from '../torch_file/pickle_writer.js';
import { encodeTorchFile } from '../torch_file/writer.js';
import { fairseqOptionsOf } from './options.js';

const checkpointName = 'checkpoint_best';

/**
 * The files of a run as fairseq has them: a checkpoint, the dictionaries under the names of both languages, the codes.
 *
 * `args` is an OrderedDict whose attributes are the options: torch.load's restricted reader knows no Namespace, and
 * programs that want one (fairseq, CTranslate2's converter) read attributes alone.
 */
export function fairseqFiles(run: ExportedRun): Map<string, FileContent> {
  const { source, target } = run.pipeline.config;
  const { dictionaries } = run.pipeline;
  const files = new Map<string, FileContent>([
    [`${checkpointName}.pt`, encodeTorchFile(checkpointOf(run), checkpointName)],
    [`dict.${source}.txt`, dictionaries.source.toString()],
    [`dict.${target}.txt`, dictionaries.target.toString()],
  ]);
  const codes = run.pipeline.bpe?.toString();
  if (codes !== undefined) files.set('code', codes);
  return files;
}

/** What fairseq-generate and CTranslate2 leave to their caller, in sentences. */
export function pieceDifferences({ pipeline: { bpe, config } }: ExportedRun): string[] {
  const { pieces = 'none', pieceMark } = config;
  if (bpe !== null || pieces === 'none') return [];
  const flags: Partial<Record<PieceFormat, string | undefined>> = {
    'subword-nmt': pieceMark === undefined ? '--remove-bpe' : `--remove-bpe '${pieceMark} '`,
    wordpiece: undefined,
    sentencepiece: pieceMark === undefined ? '--remove-bpe=sentencepiece' : undefined,
  };
  const flag = flags[pieces];
  const how = flag === undefined ? 'its reader joins it' : `fairseq-generate joins them with ${flag}`;
  return [
    `the run takes and gives text in pieces of ${pieces}, which the run joins itself; elsewhere ${how}`,
  ];
}

const dict = (entries: [string, PickleValue][]) => new PickleDict(entries);

/** What fairseq's trainer saves, without an optimizer's state. @source fairseq/checkpoint_utils.py, save_state */
function checkpointOf(run: ExportedRun): PickleDict {
  const options = fairseqOptionsOf(run.model, run.pipeline.config);
  const args = new OrderedPickleDict(options);
  args.attributes = options;
  return dict([
    ['args', args],
    ['cfg', null],
    ['model', stateDictOf(run)],
    [
      'optimizer_history',
      [
        dict([
          ['criterion_name', 'LabelSmoothedCrossEntropyCriterion'],
          ['optimizer_name', 'FairseqAdam'],
          ['lr_scheduler_state', dict([['best', null]])],
          ['num_updates', run.updates],
        ]),
      ],
    ],
    [
      'extra_state',
      dict([
        [
          'train_iterator',
          dict([
            ['version', 2],
            ['epoch', run.epoch],
            ['iterations_in_epoch', 0],
            ['shuffle', true],
          ]),
        ],
        ['val_loss', null],
      ]),
    ],
  ]);
}

/** The order and the buffers of fairseq's own state dict. */
function stateDictOf({ parameters, model }: ExportedRun): OrderedPickleDict {
  const tensor = (data: Tensor | StoredTensor) => new PickleForeign(data);
  const one = (value: number) => tensor({ shape: [1], data: Float32Array.of(value) });
  const state = new OrderedPickleDict();
  for (const [name, parameter] of untiedParameters(parameters, model)) {
    const side = /^(encoder|decoder)\.embed_tokens\.weight$/.exec(name)?.[1];
    if (side !== undefined) state.set(`${side}.version`, one(3));
    state.set(name, tensor(parameter));
    if (side !== undefined) state.set(`${side}.embed_positions._float_tensor`, one(0));
  }
  return state;
}

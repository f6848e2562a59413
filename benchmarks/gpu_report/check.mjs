// What scripts/gpu-check.sh has written, as results of the programs that it ran.

/** Kinds of rows that a report has. */
const kinds = ['loss', 'memory', 'step', 'epoch', 'validation'];
const model = { vocabSize: 10152, embedDim: 512, ffnDim: 1024, heads: 4, layers: '6+6', dropout: 0.3 };

/** Whether a file is one of gpu-check.sh and not of a benchmark. */
export const isCheck = (content) => content.program === undefined && Array.isArray(content.stages);

/**
 * @returns results as those of gpu.mjs and peers/gpu.py: of rdrop from the stages that measure it, of PyTorch from `peers`.
 *   What stage `node` measured counts where the stages before it have no figure of that kind.
 */
export function resultsOfCheck({ device, stages }) {
  const programs = { rdrop: ['kernels', 'step', 'node'], pytorch: ['peers'] };
  return Object.entries(programs).flatMap(([program, names]) => {
    const ran = names.flatMap((name) => stages.filter(({ stage }) => stage === name));
    if (ran.length === 0) return [];
    const rowsOf = (kind) =>
      ran.map(({ rows }) => rows.filter(({ row }) => row === kind)).find((rows) => rows.length > 0) ?? [];
    const built = ran.flatMap(({ rows }) => rows).find(({ row }) => row === 'build');
    return [
      {
        ...{
          program,
          quick: ran.some(({ quick }) => quick),
          date: ran[0].date,
          seed: 64,
          precision: 'bfloat16',
        },
        ...{ versions: built ? { libtorch: built.libtorch } : {}, model },
        device: {
          ...{
            kind: 'cuda',
            name: device.name,
            capability: device.capability,
            driver_version: device.driver,
          },
        },
        stages: [
          ...kinds.map((stage) => ({ stage, rows: rowsOf(stage) })),
          ...ran
            .filter(({ result }) => result !== 'passed')
            .map(({ stage, result, message }) => ({
              ...{ stage, rows: [], failed: { code: result, message: `${result}: ${message}` } },
            })),
        ],
      },
    ];
  });
}

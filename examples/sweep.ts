// Three seeds, one direction of KL against both. Node 22.18 and later run TypeScript as it is:
// node examples/sweep.ts <prepared directory> <sweep directory>
import { compareRuns, sweep, writeReport } from 'rdrop';

const [data = 'data', directory = 'runs/sweep'] = process.argv.slice(2);
const scores: Record<string, number[]> = { uni: [], bi: [] };

// Called again after an interruption, it reuses what is finished and continues with the rest.
const events = sweep(
  { preset: 'tiny', data, maxUpdates: 200 },
  { directory, seeds: [63, 64, 65], directions: ['uni', 'bi'] },
);
for await (const event of events) {
  if (event.type === 'start') console.log(`${event.trial.name} ${event.resumed ? 'resumes' : 'begins'}`);
  if (event.type === 'fail') console.error(event.error.message);
  if (event.type === 'finish') {
    const score = event.result.testBleu?.score ?? Number.NaN;
    scores[event.trial.direction]?.push(score);
    console.log(`${event.trial.name}: test BLEU ${score.toFixed(2)}`);
  }
}

const { meanDifference, cohensD, rankSum } = compareRuns(scores['uni'] ?? [], scores['bi'] ?? []);
console.log(
  `uni - bi: ${meanDifference.toFixed(2)} BLEU, Cohen's d ${cohensD?.toFixed(3)}, rank-sum p ${rankSum.p}`,
);
console.log((await writeReport(directory, directory)).html);

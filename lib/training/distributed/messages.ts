/** What a trainer and the processes of its other ranks say to each other; all else goes through their group. */
import type { DistributedOptions } from '../../options/distributed.js';
import type { TrainOptions } from '../../options/training.js';

/** How a rank opens its run. */
export type RankStart =
  | { how: 'create'; options: TrainOptions }
  | { how: 'resume'; runDirectory: string; data: string | undefined };

/** Parent to child. */
export type ToRank = { type: 'start'; start: RankStart; distributed: DistributedOptions };

/** Child to parent. */
export type FromRank = { type: 'ready' } | { type: 'failed'; code: string; message: string };

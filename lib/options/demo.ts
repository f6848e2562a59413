/** The demo. */
import * as z from 'zod';
import { documented } from './schema/documented.js';
import { countTo, seed, text } from './schema/ranges.js';
import type { TaskName } from './tasks/names.js';
import { preparedTasks } from './tasks/text.js';

/** `rdrop demo`. */
export interface DemoOptions {
  /**
   * What is trained, each on text of the package's own making.
   * @default "translation"
   */
  task?: TaskName | undefined;
  /**
   * The directory to make.
   * @default "runs/demo"
   */
  directory?: string | undefined;
  /**
   * Seconds instead of minutes, to see that everything works; its metrics mean nothing.
   * @default false
   */
  quick?: boolean | undefined;
  /**
   * Removes an earlier demo in the directory first.
   * @default false
   */
  fresh?: boolean | undefined;
}

export const demoSchema = documented<DemoOptions>()(
  z.strictObject({
    task: z.enum(['translation', ...preparedTasks]).default('translation'),
    directory: text.default('runs/demo'),
    quick: z.boolean().default(false),
    fresh: z.boolean().default(false),
  }),
);

/** `writeDemoText(options)`, `rdrop demo text`. */
export interface DemoTextOptions {
  /** What the text is for. */
  task: TaskName;
  /** The directory to write into. */
  directory: string;
  /**
   * Seed of the sentences.
   * @default 1
   * @range 0 or more
   */
  seed?: number | undefined;
  /**
   * Lines to train on.
   * @default 1000
   * @range 1 to 100,000
   */
  train?: number | undefined;
  /**
   * Lines to validate with.
   * @default 200
   * @range 1 to 100,000
   */
  valid?: number | undefined;
  /**
   * Lines to test with.
   * @default 500
   * @range 1 to 100,000
   */
  test?: number | undefined;
}

const lines = countTo(100_000);

export const demoTextSchema = documented<DemoTextOptions>()(
  z.strictObject({
    task: z.enum(['translation', ...preparedTasks]),
    directory: text,
    seed: seed.default(1),
    train: lines.default(1000),
    valid: lines.default(200),
    test: lines.default(500),
  }),
);

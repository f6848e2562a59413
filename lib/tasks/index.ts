/** The tasks by their names. */
import type { TaskName } from '../options/tasks/names.js';
import { taskOfDirectory } from '../text/tasks/task_text.js';
import { RdropError } from '../util/errors.js';
import { classification } from './classification/task.js';
import { languageModel } from './language_model/task.js';
import { regression } from './regression/task.js';
import type { Task } from './task.js';
import { translation } from './translation/task.js';

const tasks: Record<TaskName, Task> = {
  translation,
  'language-model': languageModel,
  classification,
  regression,
};

export const taskNamed = (name: TaskName): Task => tasks[name];

/** The task that a prepared directory or a run directory is for. @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE */
export async function taskOf(directory: string): Promise<Task> {
  return taskNamed(await taskOfDirectory(directory));
}

/**
 * The task of a run, whose data must be of it.
 *
 * @param data its prepared directory
 * @throws RdropError INVALID_CONFIG, and as taskOf()
 */
export async function taskOfRun(name: TaskName, data: string): Promise<Task> {
  const found = await taskOfDirectory(data);
  if (found === name) return taskNamed(name);
  throw new RdropError(
    'INVALID_CONFIG',
    `task: expected "${found}", which ${data} was prepared for, got "${name}"`,
  );
}

// The parsers: valid samples, what their formats are made of, mutations by structure, and how each is called.
import { targets as files } from './targets_files.mjs';
import { targets as runs } from './targets_runs.mjs';
import { targets as setup } from './targets_setup.mjs';
import { targets as text } from './targets_text.mjs';

export const targets = { ...files, ...text, ...runs, ...setup };

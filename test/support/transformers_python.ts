import { spawnSync } from 'node:child_process';

/**
 * What a script of Python prints, under the one that RDROP_PYTHON names, else python3.
 *
 * @returns its output, or a sentence that says why there is no Python with torch and transformers
 */
export function transformersSays(
  script: string,
  args: readonly string[],
): { output: string; missing?: undefined } | { missing: string } {
  const python = process.env['RDROP_PYTHON'] || 'python3';
  const { status, stdout, stderr, error } = spawnSync(python, ['-c', `${script}`, ...args], {
    encoding: 'utf8',
    env: { ...process.env, HF_HUB_OFFLINE: '1' },
  });
  if (status === 0) return { output: stdout };
  const [missing] = /ModuleNotFoundError: No module named '(torch|transformers)'/.exec(stderr ?? '') ?? [];
  const reason = error === undefined ? missing : 'there is no such program';
  if (reason === undefined) throw new Error(stderr);
  return { missing: `${python}: expected a Python with torch and transformers (${reason})` };
}

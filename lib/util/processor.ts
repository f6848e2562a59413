import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/**
 * The processor of this machine, for what a figure was measured on: its name, and on Linux x86 its family and model. The name
 * alone can be that of several generations: virtual machines on Zen 4 and on Zen 5 both say "AMD EPYC".
 *
 * @returns for example "AMD EPYC (family 25 model 17)"
 */
export function processorName(): string {
  const name = cpus()[0]?.model.trim() ?? 'unknown';
  return `${name}${generation()}`;
}

function generation(): string {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8');
    const field = (key: string) => new RegExp(`^${key}\\s*: (\\d+)$`, 'm').exec(text)?.[1];
    const [family, model] = [field('cpu family'), field('model')];
    return family === undefined || model === undefined ? '' : ` (family ${family} model ${model})`;
  } catch {
    return ''; // no Linux
  }
}

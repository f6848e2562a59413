// What ptxas says about the fused loss's kernels: registers, spills and stack, for each chip. `node
// scripts/ptxas_report.mjs [sm_86 …]` prints a line a kernel. A report is kept until the sources or nvcc change.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { hashOf, main, root, StepError, trusted } from './steps.mjs';

const source = 'native/ops/rdrop_loss/rdrop_loss.cu';
const flags = ['-std=c++20', '-O3', '-Inative', '-Xptxas', '-v', '-cubin'];

/** The version that nvcc prints, or null where there is none. */
export function nvccVersion() {
  const child = spawnSync('nvcc', ['--version'], { encoding: 'utf8', env: trusted() });
  return child.status === 0 ? child.stdout.trim() : null;
}

/** The kernels in ptxas's output. */
export function parseReport(text) {
  const kernels = [];
  for (const part of text.split("Compiling entry function '").slice(1)) {
    const memory = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(part);
    const registers = /Used (\d+) registers/.exec(part);
    if (!memory || !registers) throw new StepError(`ptxas: a kernel without figures:\n${part}`);
    kernels.push({
      kernel: part.slice(0, part.indexOf("'")),
      registers: Number(registers[1]),
      stack: Number(memory[1]),
      spillStores: Number(memory[2]),
      spillLoads: Number(memory[3]),
    });
  }
  return kernels;
}

/** Compiles the fused loss for a chip, sm_86 for instance, and returns its kernels as parseReport does. */
export function ptxasReport(chip) {
  const stamp = hashOf(['native/ops', 'native/device', 'native/core'], nvccVersion() ?? '', ...flags);
  const kept = join(root, `node_modules/.cache/rdrop/ptxas_${chip}.json`);
  if (existsSync(kept)) {
    const report = JSON.parse(readFileSync(kept, 'utf8'));
    if (report.stamp === stamp) return report.kernels;
  }
  const directory = mkdtempSync(join(tmpdir(), 'rdrop-ptxas-'));
  try {
    const output = join(directory, 'loss.cubin');
    const child = spawnSync('nvcc', [...flags, `-arch=${chip}`, '-o', output, source], {
      cwd: root,
      env: trusted(),
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    if (child.error) throw new StepError(`nvcc: could not be started (${child.error.message})`);
    if (child.status !== 0) throw new StepError(`nvcc: ${source} does not compile:\n${child.stderr}`);
    const kernels = parseReport(child.stdout + child.stderr);
    mkdirSync(dirname(kept), { recursive: true });
    writeFileSync(kept, JSON.stringify({ stamp, kernels }));
    return kernels;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(async () => {
    const chips = process.argv.length > 2 ? process.argv.slice(2) : ['sm_86', 'sm_90'];
    for (const chip of chips) {
      for (const { kernel, registers, stack, spillStores, spillLoads } of ptxasReport(chip)) {
        const spills = `${spillStores} + ${spillLoads} bytes spilled`;
        process.stdout.write(
          `${chip} ${registers} registers, ${stack} bytes of stack, ${spills}: ${kernel}\n`,
        );
      }
    }
  });
}

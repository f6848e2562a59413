// librdrop_cuda.so as nvcc made it: what it exports, what it needs, for which chips it holds code.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { noFlavor } from './flavor.js';

const library = join(packageRoot, '.cmake-cuda-test/Release/librdrop_cuda.so');

/** The code in a library of nvcc: a fat binary is a header and entries of one kind (1 PTX, 2 machine code) and chip. */
function compiledFor(path: string): string[] {
  const bytes = readFileSync(path);
  const magic = Buffer.from([0x50, 0xed, 0x55, 0xba]);
  const found = new Set<string>();
  for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
    const end = at + bytes.readUInt16LE(at + 6) + Number(bytes.readBigUInt64LE(at + 8));
    for (let entry = at + bytes.readUInt16LE(at + 6); entry < end; ) {
      const kind = bytes.readUInt16LE(entry) === 2 ? 'sm' : 'compute';
      found.add(`${kind}_${bytes.readUInt32LE(entry + 28)}`);
      entry += bytes.readUInt32LE(entry + 4) + Number(bytes.readBigUInt64LE(entry + 8));
    }
  }
  return [...found].sort();
}

test('librdrop_cuda.so exports one function and one lock of the process, and needs no library beyond libtorch and the CUDA runtime', (context) => {
  if (noFlavor !== null) return context.skip(noFlavor);
  const tool = (program: string, ...args: string[]) => {
    const { stdout, error } = spawnSync(program, args, { encoding: 'utf8' });
    if (error) throw error;
    return stdout.trim().split('\n');
  };
  // The lock (native/device/cuda/flash.cc) is unique, so that two copies of the package share it.
  const exported = tool('nm', '-D', '--defined-only', library).map((line) =>
    line.split(' ').slice(1).join(' '),
  );
  expect(exported).toEqual(['u _ZN5rdrop20deterministic_switchE', 'T rdrop_open_device']);
  const needed = tool('readelf', '-d', library).flatMap(
    (line) => /\(NEEDED\).*\[(.*)\]/.exec(line)?.[1] ?? [],
  );
  expect(needed).toContain('libtorch_cuda.so');
  for (const name of needed)
    expect(name).toMatch(
      /^(libtorch_cuda|libc10_cuda|libtorch_cpu|libc10|libcudart|libstdc\+\+|libm|libgcc_s|libc|libpthread|libdl|librt|ld-linux-x86-64)\.so/,
    );
});

test('librdrop_cuda.so holds machine code for sm_86', (context) => {
  if (noFlavor !== null) return context.skip(noFlavor);
  expect(compiledFor(library)).toEqual(['sm_86']);
});

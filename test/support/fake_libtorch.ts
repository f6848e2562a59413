// Directories and wheels that look like libtorch as far as the search and the unpacking look.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { libtorchVersion } from '../../lib/native/libtorch/probe.js';

/** The members of a wheel below torch/. */
export const members = (version: string = libtorchVersion): Record<string, string> => ({
  'version.py': `__version__ = '${version}+cpu'\n`,
  'lib/libc10.so': 'not a library\n',
  'lib/libtorch_cpu.so': 'not a library either\n'.repeat(1000),
  'include/ATen/ATen.h': '#pragma once\n',
});

/** An unpacked one. */
export function fakeLibtorch(directory: string, version: string = libtorchVersion): string {
  for (const [name, text] of Object.entries(members(version))) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

/** A wheel with its RECORD; `spoiled` is a member whose content is not what RECORD says. */
export function fakeWheel(
  options: { version?: string; spoiled?: string; without?: string } = {},
): Uint8Array {
  const version = options.version ?? libtorchVersion;
  const files: Record<string, Uint8Array> = {};
  let record = '';
  for (const [name, text] of Object.entries(members(version))) {
    if (name === options.without) continue;
    const sum = createHash('sha256').update(text).digest('base64url');
    record += `torch/${name},sha256=${sum},${text.length}\n`;
    files[`torch/${name}`] = strToU8(name === options.spoiled ? `${text}x` : text);
  }
  files['torch/_C.so'] = strToU8('Python only: not unpacked');
  files[`torch-${version}.dist-info/RECORD`] = strToU8(record);
  return zipSync(files);
}

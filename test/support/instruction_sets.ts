import { native } from '../../lib/native/binding.js';
import type { NativeInfo } from '../../lib/native/contract.js';
import { asRdropError } from '../../lib/util/errors.js';

export type InstructionSet = NativeInfo['instructionSet'];

export const instructionSets = ['scalar', 'avx2', 'avx512'] as const;

/** Runs the body on each instruction set of this machine, and leaves the one that was chosen before. */
export async function onEachInstructionSet(
  body: (name: InstructionSet) => Promise<void>,
): Promise<InstructionSet[]> {
  const before = native().info().instructionSet;
  const done: InstructionSet[] = [];
  try {
    for (const name of instructionSets) {
      try {
        native().setInstructionSet(name);
      } catch (error) {
        // The widest sets are refused where the machine lacks them; the plain ones never are.
        if (name === 'scalar' || asRdropError(error).code !== 'INVALID_ARGUMENT') throw error;
        continue;
      }
      await body(name);
      done.push(name);
    }
  } finally {
    native().setInstructionSet(before);
  }
  return done;
}

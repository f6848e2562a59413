/**
 * zod, loaded when the first schema is needed: loading it and making every schema takes longer than everything else that
 * happens when the library is imported.
 */
import type { z as zod } from 'zod';
import { requireOwn } from '../util/package_root.js';

/** A function that makes something on its first call and returns that same thing ever after. */
export function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/**
 * Stands for an object that is made when it is first used: schemas that nobody asks for are never made. Its properties can
 * be read, and instanceof works; they cannot be listed, so such an object cannot be spread.
 */
export function lazily<T extends object>(make: () => T): T {
  const real = once(make);
  return new Proxy({} as T, {
    // Read from the real one: its getters must not see what stands for it.
    get: (_, key) => Reflect.get(real(), key),
    has: (_, key) => Reflect.has(real(), key),
    getPrototypeOf: () => Reflect.getPrototypeOf(real()),
  });
}

export const z: typeof zod = lazily(() => (requireOwn('zod') as { z: typeof zod }).z);

export declare namespace z {
  type ZodType = zod.ZodType;
  type infer<S extends zod.ZodType> = zod.infer<S>;
  type input<S extends zod.ZodType> = zod.input<S>;
  type output<S extends zod.ZodType> = zod.output<S>;
}

/**
 * Options are documented by interfaces and checked by zod schemas. Both are written by hand, the interface for its hovers and
 * the schema for its defaults and ranges; the types here make a difference between the two a compile-time error.
 */
import type * as z from 'zod';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** The options whose types differ; never where only some are optional on one side alone. */
type Differing<A, B> = {
  [K in keyof A | keyof B]-?: K extends keyof A & keyof B ? (Same<A[K], B[K]> extends true ? never : K) : K;
}[keyof A | keyof B];

/**
 * Returns the schema, and refuses to compile where its input is not exactly `Options`. Used as
 * `documented<LossOptions>()(z.strictObject({ … }))`.
 */
export const documented =
  <Options>() =>
  <S extends z.ZodType>(
    schema: S &
      (Same<z.input<S>, Options> extends true ? unknown : { differing: Differing<z.input<S>, Options> }),
  ): S =>
    schema;

type OptionalKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];

type Value<Option, Output> = Output extends readonly unknown[]
  ? Output
  : Output extends object
    ? Resolved<Extract<Option, object>, Output>
    : Output;

type Flat<T> = { [K in keyof T]: T[K] };

/** A schema's output with the comments of its options: every default is filled in, the rest may be missing. */
export type Resolved<Options, Output> = Flat<
  {
    [K in keyof Options as K extends OptionalKeys<Output> ? never : K]-?: Value<
      Options[K],
      Output[K & keyof Output]
    >;
  } & {
    [K in keyof Options as K extends OptionalKeys<Output> ? K : never]?: Value<
      Options[K],
      Output[K & keyof Output]
    >;
  }
>;

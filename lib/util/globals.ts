/**
 * The names of the platform that the declarations of this package and of zod use, for programs that compile with neither
 * the types of Node nor the DOM (`types: []`, `lib: ["ES2022"]`). Where those are there, these merge into them.
 */
declare global {
  interface AbortSignal {
    readonly aborted: boolean;
  }
  // A name to merge with: zod mentions it.
  interface URL {}
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
  interface Disposable {
    [Symbol.dispose](): void;
  }
  interface AsyncDisposable {
    [Symbol.asyncDispose](): PromiseLike<void>;
  }
}

export type {};

/** The test files that may share a process: those that need nothing built, measure nothing of their process and change nothing in it. */
export function filesThatShare(): string[];

/** What ptxas says about one kernel; stack and spills in bytes. */
export interface PtxasKernel {
  /** Its mangled name. */
  kernel: string;
  registers: number;
  stack: number;
  spillStores: number;
  spillLoads: number;
}

/** The version that nvcc tells, or null where there is none. */
export function nvccVersion(): string | null;
/** The kernels in ptxas's output. */
export function parseReport(text: string): PtxasKernel[];
/** Compiles the fused loss for a chip, sm_86 for instance, and returns its kernels. */
export function ptxasReport(chip: string): PtxasKernel[];

/** What the core says of itself and of the machine: part of the contract between TypeScript and C++ (contract.ts). */

export interface NativeInfo {
  /** The libtorch this core was compiled against, e.g. '2.13.0'. */
  compiledAgainst: string;
  /** Instruction set of the kernels chosen at run time. */
  instructionSet: 'avx512' | 'avx2' | 'scalar';
  /** What multiplies on the CPU: rdrop's own kernels where the libraries have slower ones. */
  float32Product: 'rdrop' | 'ATen';
  /** The same in bfloat16: ATen's way compiles a kernel for each new shape, or has no units to use. */
  bfloat16Product: 'rdrop' | 'oneMKL' | 'ATen';
  threads: number;
  /** What a thread does while it waits for another: 'sleeping' while other programs want the cores (native/addon/waiting.h). */
  waiting: 'spinning' | 'sleeping';
  cuda: NativeCuda;
}

export interface NativeCudaDevice {
  name: string;
  /** 'major.minor'. */
  computeCapability: string;
  totalBytes: number;
}

export interface NativeOpenDevice extends NativeCudaDevice {
  multiprocessors: number;
  /** Largest sum of rdrop's tensors on the device since resetPeak. */
  peakBytes: number;
}

/** What the driver says; asking it opens nothing of CUDA. */
export interface NativeCuda {
  /** Whether openCuda() can be expected to work. */
  available: boolean;
  /** Why not; null when it is available. */
  reason: string | null;
  /** The newest CUDA that the driver runs, '13.0'; null without a driver. */
  driver: string | null;
  devices: NativeCudaDevice[];
}

/** The files of CUDA, opened when a device is first asked for. */
export interface NativeCudaLibraries {
  /** Paths of libc10_cuda.so and libtorch_cuda.so. */
  libtorch: string[];
  /** Path of librdrop_cuda.so. */
  rdropCuda: string;
  /** What of these is lacking and what provides it; null when all are there. */
  missing: string | null;
}

// The driver's commands. Each prints one JSON object and returns the exit status.
#pragma once

#include "test/cuda_mock/driver/options.h"

namespace cuda_mock::driver {

/// Trains on the shapes of an epoch, `passes` times, and says how long it took, what was recorded and what was
/// violated. With `nodes=1` the nodes of the last graph of a step are listed.
int epoch(const Options& options);

/// Trains `updates` updates on the mock and on the emulated device and compares losses, parameters and hypotheses.
int compare(const Options& options);

/// Trains, validates, changes the number of micro-batches, makes a second model and disposes of one; after each of them
/// every address in a live graph has to belong to memory that libtorch's allocator has given out or holds for graphs.
int lifetimes(const Options& options);

/// Lets the nth call of a kind fail, for n from `from` on as long as there are so many, each time with a new trainer:
/// it has to go on, or throw a coded error and leave a process that works.
int failures(const Options& options);

/// Trains two models by turns, of `precision` and `second_precision`, on one device or two: each has the losses that it
/// has alone. Then two more steps of each, after which the products of float32 are counted: those as they are and those
/// in TF32.
int models(const Options& options);

/// Rank `rank` of `size` of a communicator `id`, or all ranks as threads with a device each (`threads=1`): collectives
/// on all types, eager and recorded, among other work of their streams; then one that no peer joins, which an abort
/// ends.
int collectives(const Options& options);

/// Rank `rank` of `size` of a run on a device each, rank 0 serving the store at `port`: `updates` updates by `backend`,
/// the last of them with a batch of rank 0 alone. The last rank is killed before update `killed`, or with `within=1`
/// when its part of that update is on the stream; with `stopped=1` it is stopped. Rank 0 compares the parameters with
/// those of one process that accumulates as many batches for as many updates as were done.
int ranks(const Options& options);

/// Goes on with prompts of several lengths, greedy, drawn and by beam search, beyond what the network can see, on the
/// mock, the emulated device and the CPU; then counts the multiplications for one text of
/// 6, 12, 18 and 24 tokens.
int generation(const Options& options);

/// A backward pass on the CPU in post-norm and pre-norm: at each layer's mark the gradients from there on are final, to
/// the bit.
int marks(const Options& options);

/// Breaks each rule of the runtime once: the mock has to notice.
int rules(const Options& options);

}  // namespace cuda_mock::driver

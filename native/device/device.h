// A device that runs the network with kernels of its own: a CUDA GPU (cuda/device.cc, in librdrop_cuda.so) or the
// emulated grid (emulated/device.cc, in librdrop_emulated.so, for tests). Both libraries are the same ops/*/*.cu,
// compiled by nvcc or by the C++ compiler, and export one function, rdrop_open_device. The core links neither.
//
// Work is put on the device's one stream in the order of the calls; nothing here waits for it unless it says so. What
// runs inside GraphPool::capture() is recorded instead and runs at every replay, so it must use no other memory than
// the tensors of DeviceMemory::empty() and those that outlive the graph, and no host value that changes from update to
// update.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "device/device_kernels.h"

namespace rdrop {

struct DeviceInfo {
  std::string name;  ///< as the driver reports it
  int compute_major, compute_minor;
  int64_t total_bytes;  ///< of the device's memory
  int64_t peak_bytes;   ///< largest sum of tensors since reset_peak
  int multiprocessors;
};

/// Tensors of the device, and the ways between them and the host.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;

  /// Memory for a tensor, uninitialized; inside capture() it belongs to the graph.
  virtual at::Tensor empty(at::IntArrayRef sizes, at::ScalarType type) = 0;
  virtual void zero(at::Tensor& tensor) = 0;
  /// Copies between tensors of the device, converting the type where they differ.
  virtual void copy(const at::Tensor& from, at::Tensor& to) = 0;
  /// Copies host memory to the start of a tensor. The host memory may be reused when the call returns; the copy runs
  /// beside the work that is already on the stream.
  virtual void upload(const void* from, size_t bytes, at::Tensor& to) = 0;
  /// The same for what `write` writes to the `bytes` of host memory that it is given, without another copy there.
  virtual void upload(size_t bytes, const std::function<void(void* host)>& write, at::Tensor& to) = 0;
  /// Copies a tensor to the host; waits for the stream.
  virtual at::Tensor download(const at::Tensor& from) = 0;

  /// Gives memory that no tensor uses back to the device; waits. That of a GraphPool stays.
  virtual void release_cached() = 0;
  /// What to call when memory does not suffice outside a GraphPool; true: some was released, so it is tried again.
  virtual void on_shortage(std::function<bool()> release) = 0;
};

/// How factors of float32 are multiplied and what is done with a product before it is stored.
struct ProductOptions {
  double beta = 0;    ///< out's own values times beta are added
  at::Tensor bias;    ///< [n] of out's type, added to every row; undefined: none. Goes with beta 0
  bool relu = false;  ///< what is negative becomes 0, after the bias; goes with one
  bool tf32 = false;  ///< float32 may be rounded to TF32 before it is multiplied
};

/// Matrix products, accumulated in float32 and always in the same order.
class DeviceProducts {
 public:
  virtual ~DeviceProducts() = default;

  /// out = a·b. a [m,k] and b [k,n] of one type, transposed views welcome; out [m,n] of that type or float32, its rows
  /// may be strided. Or c of them at once: [c,m,k], [c,k,n] and [c,m,n] at any strides, which are 0 where the products
  /// share a factor.
  virtual void multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& out,
                        const ProductOptions& options = {}) = 0;
};

/// What flash attention reads: n sequences of R query rows and K key rows, H heads of width Dh.
struct FlashInputs {
  at::Tensor query;                     ///< [R,H,Dh], rows may be strided
  at::Tensor key, value;                ///< [K,H,Dh], rows may be strided
  at::Tensor query_starts, key_starts;  ///< int32 [n+1] on the device
  int64_t longest_query, longest_key;   ///< bounds of the sequences' lengths
  bool causal;
};

/// What flash attention keeps for its backward pass; out [R,H,Dh] is its result.
struct FlashSaved {
  at::Tensor out, log_sum, random_state, unused;
};

/// What its backward pass writes, with the shapes and strides of query, key and value.
struct FlashGradients {
  at::Tensor query, key, value;
};

/// Attention whose probabilities are never in memory.
class FlashAttention {
 public:
  virtual ~FlashAttention() = default;

  /// Whether it takes queries of this type and width of head.
  virtual bool takes(at::ScalarType type, int64_t head_dim) const = 0;
  virtual FlashSaved forward(const FlashInputs& inputs) = 0;
  /// out_gradient [R,H,Dh]. Deterministic.
  virtual void backward(const FlashInputs& inputs, const FlashSaved& saved, const at::Tensor& out_gradient,
                        FlashGradients& gradients) = 0;
};

/// Work that was recorded once; replay() runs it on the device's stream.
class Graph {
 public:
  virtual ~Graph() = default;
  virtual void replay() = 0;
};

/// The memory of graphs, which they share with each other and with runs of the same work without a graph. That is safe
/// because all of it runs on one stream, and what is needed between two runs are tensors that their holders keep.
class GraphPool {
 public:
  /// After its graphs. Gives the memory back.
  virtual ~GraphPool() = default;

  /// Runs work, with the memory for its tensors from the pool.
  virtual void run(const std::function<void()>& work) = 0;
  /// Records what work puts on the stream. Throws CUDA_FAILED when something in it cannot be recorded, OUT_OF_MEMORY
  /// when the pool cannot grow; the device is usable afterwards, nothing has run.
  virtual std::unique_ptr<Graph> capture(const std::function<void()>& work) = 0;
};

class DeviceGraphs {
 public:
  virtual ~DeviceGraphs() = default;

  virtual std::unique_ptr<GraphPool> make_pool() = 0;
};

/// The devices of several processes, one each. Work on them is made by all ranks in the same order.
class DeviceRanks {
 public:
  virtual ~DeviceRanks() = default;

  /// Sums a tensor over the ranks in place, in its own type: the same bits at every rank. Put on the stream, and not
  /// waited for. Throws RANK_LOST after abort().
  virtual void all_reduce(at::Tensor& tensor) = 0;
  /// Why it works no more; empty: it does. On any thread.
  virtual std::string fault() noexcept = 0;
  /// Whatever waits for other ranks ends, and leaves any numbers behind; so does what follows. On any thread.
  virtual void abort() noexcept = 0;
};

/// How devices of several processes come together.
class DeviceMeetings {
 public:
  virtual ~DeviceMeetings() = default;

  /// Of a new meeting; one rank makes it and tells the others. Throws DISTRIBUTED_UNAVAILABLE.
  virtual std::vector<uint8_t> name() = 0;
  /// Waits for all ranks, without an end where one is lost. On any thread. Throws DISTRIBUTED_UNAVAILABLE.
  virtual std::unique_ptr<DeviceRanks> join(const std::vector<uint8_t>& name, int rank, int size) = 0;
};

/// The device itself: what it is, its stream, its kernels, and an interface for each concern, alive as long as it.
class Device {
 public:
  virtual ~Device() = default;

  virtual DeviceInfo info() = 0;
  virtual void reset_peak() = 0;
  /// Rows of a training step are rounded up to a multiple of this, so that a few graphs serve every batch.
  virtual int64_t row_step() const = 0;
  /// Most logits of one pass that exist at a time in a training step.
  virtual int64_t logits_at_once() const = 0;

  virtual const DeviceKernels& kernels() const = 0;
  /// The stream that kernels are launched on, as their launchers take it. Asked for at every launch: it is another one
  /// inside beside().
  virtual void* stream() = 0;
  /// Waits for all work on the stream, and for what join() has put into its order.
  virtual void synchronize() = 0;

  /// Runs `work`, whose kernels, products, copies and fills go on a second stream: after all that is on the first one
  /// now, after what was put beside it before, and beside what is put on the first one until join(). `uses`: the
  /// tensors that they read or write and that the caller may release before the join; the device holds them until then,
  /// as it holds what `work` gets from DeviceMemory::empty(). Neither stream may write what the other one uses in
  /// between, and no kernel that counts with Block::counter may run there. Works inside capture(), which fails when it
  /// ends with work that was not joined.
  virtual void beside(const std::vector<at::Tensor>& uses, const std::function<void()>& work) = 0;
  /// All that follows on the stream comes after the work that was put beside it. Nothing happens where there is none.
  virtual void join() = 0;

  virtual DeviceMemory& memory() = 0;
  virtual DeviceProducts& products() = 0;
  /// Null on a device without.
  virtual FlashAttention* flash_attention() = 0;
  virtual DeviceGraphs& graphs() = 0;
  /// Null on a device without.
  virtual DeviceMeetings* meetings() = 0;
};

/// The device that the operations of this thread run on; null: the CPU's own kernels.
Device* current_device();

/// Whether products of this thread may round float32 to TF32.
bool current_tf32();

/// Sets current_device() and current_tf32() for a scope.
class DeviceScope {
 public:
  explicit DeviceScope(Device* device, bool tf32 = false);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;

 private:
  Device* outer_;
  bool outer_tf32_;
};

/// Opens the library at a path and its device number `index`; the same Device for the same path and index, alive until
/// the process ends. Throws CUDA_UNAVAILABLE (no library, no driver, no such device, a chip older than sm_80), naming
/// what was found.
Device& open_device(const std::string& library, int index);

/// What a library exports as extern "C" rdrop_open_device. Throws as open_device.
using OpenDevice = std::unique_ptr<Device> (*)(int index);

}  // namespace rdrop

// Attention over cached keys and values on the CPU: rows over threads.
#include "ops/cached_attention/cached_attention.h"

#include <algorithm>

#include "core/dispatch.h"
#include "ops/cached_attention/cached_attention_kernel.h"

namespace rdrop {
namespace {

/// Runs kernel(arguments, begin, end) on ranges of rows, none of which sees more than `most` keys.
template <typename T, typename Kernel>
void run_rows(const at::Tensor& query, int64_t heads, int64_t most, at::Tensor& out, const Kernel& kernel) {
  const int64_t rows = query.size(0), width = query.size(1);
  CachedAttention<T> arguments{};
  arguments.query = elements<T>(query);
  arguments.out = mutable_elements<T>(out);
  arguments.query_stride = query.stride(0);
  arguments.heads = heads;
  arguments.head_dim = width / heads;
  parallel_rows(rows, most * width * 2, [&](int64_t begin, int64_t end) {
    std::vector<Wide<T>> scores(heads * attention_padded(most));
    std::vector<const T*> places(most);
    CachedAttention<T> mine = arguments;
    mine.scores = scores.data();
    mine.places = places.data();
    kernel(mine, begin, end);
  });
}

}  // namespace

void attention_to_history(const at::Tensor& query, const std::vector<at::Tensor>& blocks,
                          const std::vector<int32_t>& ancestors, int64_t ancestor_stride, int64_t heads,
                          at::Tensor& out) {
  dispatch_layers(query, [&](auto zero) {
    using T = decltype(zero);
    std::vector<const T*> starts;
    for (const at::Tensor& block : blocks) starts.push_back(elements<T>(block));
    const int64_t length = int64_t(blocks.size());
    const CachedHistory<T> history{starts.data(), ancestors.data(), ancestor_stride, length, blocks[0].stride(0)};
    run_rows<T>(query, heads, length, out, [&](const CachedAttention<T>& mine, int64_t begin, int64_t end) {
      kernels<CachedAttentionKernels<T>>().to_history(mine, history, begin, end);
    });
  });
}

void attention_to_source(const at::Tensor& query, const at::Tensor& memory, const std::vector<int32_t>& begin,
                         const std::vector<int32_t>& end, int64_t heads, at::Tensor& out) {
  int32_t most = 0;
  for (size_t row = 0; row < begin.size(); ++row) most = std::max(most, end[row] - begin[row]);
  dispatch_layers(query, [&](auto zero) {
    using T = decltype(zero);
    const CachedSource<T> source{elements<T>(memory), begin.data(), end.data(), memory.stride(0)};
    run_rows<T>(query, heads, most, out, [&](const CachedAttention<T>& mine, int64_t first, int64_t last) {
      kernels<CachedAttentionKernels<T>>().to_source(mine, source, first, last);
    });
  });
}

}  // namespace rdrop

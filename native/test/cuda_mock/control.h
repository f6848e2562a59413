// What a test asks of the mock CUDA runtime. The functions are exported by libcuda_mock.so; a test program that is
// linked without it finds them by dlsym (driver/mock.h).
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

/// The rules that were broken so far, and their texts.
size_t mock_violations(const char** texts, size_t most);
void mock_forget_violations();

/// The nth call of a kind from now on fails, once: allocation, pinned, launch, copy, fill, event, stream, capture,
/// graph, product, wait, collective or all. `lost`: the nth of all fails and so does every later one, as after an
/// illegal address. nth 0 ends that.
void mock_fail(const char* kind, long nth);
/// Calls of a kind since mock_fail.
long mock_calls(const char* kind);

/// The order of work that waits: 0 that of the calls, 1 the latest first, others shuffled.
void mock_order(uint64_t seed);

void mock_limit_memory(size_t bytes);
void mock_memory(int device, size_t* in_use, size_t* peak);
int mock_is_allocated(const void* pointer);

/// Products of float32 that were computed so far, in float32 or in TF32.
long mock_products(int tf32);
/// Multiplications in all products so far.
int64_t mock_multiplications();

/// One node of a graph that can still be launched.
struct MockNode {
  const void* graph;  ///< the same for the nodes of one graph
  const char* kind;   ///< kernel, copy, fill, product, host, empty
  const char* name;   ///< of a kernel the demangled one
  int own;            ///< a kernel of rdrop
  uint32_t blocks, threads;
  size_t shared_bytes;
  size_t pointers;  ///< how many addresses of a device it uses
  size_t after;     ///< how many nodes it follows directly
};
/// Calls f for every node of every graph, graphs in the order of their instantiation.
void mock_nodes(void (*f)(const MockNode*, void*), void* argument);
/// Calls f for every address of a device that a graph that can still be launched uses.
void mock_graph_pointers(void (*f)(const void* pointer, const char* node, void*), void* argument);
}

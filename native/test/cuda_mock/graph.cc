// Graphs: what a recording made, and how it is launched.
#include <algorithm>

#include "test/cuda_mock/control.h"
#include "test/cuda_mock/memory.h"
#include "test/cuda_mock/state.h"

namespace cuda_mock {
namespace {

/// In the order of their instantiation.
std::vector<Exec*>& execs() {
  static auto& instance = *new std::vector<Exec*>;
  return instance;
}

}  // namespace

MOCK_API cudaError_t cudaGraphGetNodes(cudaGraph_t handle, cudaGraphNode_t* nodes, size_t* count) {
  const Lock lock(mutex());
  const auto& graph = *reinterpret_cast<Graph*>(handle);
  if (nodes) {
    for (size_t i = 0; i < *count && i < graph.nodes.size(); ++i) {
      nodes[i] = reinterpret_cast<cudaGraphNode_t>(graph.nodes[i].get());
    }
  }
  *count = graph.nodes.size();
  return cudaSuccess;
}

MOCK_API cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t handle, cudaGraphNode_t* nodes, cudaGraphEdgeData*,
                                                  size_t* count) {
  const Lock lock(mutex());
  const auto& after = reinterpret_cast<Node*>(handle)->after;
  if (nodes) {
    for (size_t i = 0; i < *count && i < after.size(); ++i) nodes[i] = reinterpret_cast<cudaGraphNode_t>(after[i]);
  }
  *count = after.size();
  return cudaSuccess;
}

/// Of all types of nodes only the empty one.
MOCK_API cudaError_t cudaGraphAddNode(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t* after,
                                      const cudaGraphEdgeData*, size_t count, cudaGraphNodeParams* parameters) {
  const Lock lock(mutex());
  if (parameters->type != cudaGraphNodeTypeEmpty) return answer(cudaErrorNotSupported);
  std::vector<Node*> nodes;
  for (size_t i = 0; i < count; ++i) nodes.push_back(reinterpret_cast<Node*>(after[i]));
  *node = reinterpret_cast<cudaGraphNode_t>(
      reinterpret_cast<Graph*>(graph)->add(std::make_shared<const Work>(), std::move(nodes)));
  return cudaSuccess;
}

MOCK_API cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* handle, cudaGraph_t graph, unsigned long long) {
  const Lock lock(mutex());
  *handle = nullptr;
  if (const auto failed = begin(Call::graph)) return failed;
  auto* exec = new Exec;
  exec->device = current_device();
  for (const auto& node : reinterpret_cast<Graph*>(graph)->nodes) {
    exec->work.push_back(node->work);
    exec->after.emplace_back();
    for (const Node* earlier : node->after) exec->after.back().push_back(earlier->index);
  }
  execs().push_back(exec);
  *handle = reinterpret_cast<cudaGraphExec_t>(exec);
  return cudaSuccess;
}

MOCK_API cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags) {
  return cudaGraphInstantiateWithFlags(exec, graph, flags);
}

MOCK_API cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  return cudaSuccess;
}

MOCK_API cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const Lock lock(mutex());
  delete reinterpret_cast<Graph*>(graph);
  return cudaSuccess;
}

/// Launches that wait keep what they need.
MOCK_API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t handle) {
  const Lock lock(mutex());
  auto* exec = reinterpret_cast<Exec*>(handle);
  if (std::erase(execs(), exec) == 0) {
    violation("a graph is destroyed twice");
    return answer(cudaErrorInvalidValue);
  }
  delete exec;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream_handle) {
  const Lock lock(mutex());
  if (const auto failed = begin(Call::graph)) return failed;
  Stream& stream = stream_of(stream_handle);
  auto* exec = reinterpret_cast<Exec*>(handle);
  if (std::find(execs().begin(), execs().end(), exec) == execs().end()) {
    violation("a graph is launched that was destroyed");
    return answer(cudaErrorInvalidValue);
  }
  if (stream.capture) {
    violation("a graph is launched on a stream that is recorded");
    return invalidate(*stream.capture, cudaErrorStreamCaptureUnsupported, "cudaGraphLaunch");
  }
  std::vector<TaskPtr> start = predecessors(stream);
  prune(exec->last);
  start.insert(start.end(), exec->last.begin(), exec->last.end());
  std::vector<TaskPtr> tasks;
  std::vector<bool> is_last(exec->work.size(), true);
  for (size_t i = 0; i < exec->work.size(); ++i) {
    std::vector<TaskPtr> after;
    for (const size_t earlier : exec->after[i]) {
      after.push_back(tasks[earlier]);
      is_last[earlier] = false;
    }
    tasks.push_back(queue().add(exec->work[i], exec->device, after.empty() ? start : after));
  }
  if (tasks.empty()) return cudaSuccess;
  exec->last.clear();
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (is_last[i]) exec->last.push_back(tasks[i]);
  }
  stream.tail = exec->last;
  return cudaSuccess;
}

MOCK_API cudaError_t cudaUserObjectCreate(cudaUserObject_t* object, void* pointer, cudaHostFn_t destroy, unsigned,
                                          unsigned) {
  // Objects of graphs are kept forever.
  *object = reinterpret_cast<cudaUserObject_t>(new std::pair<void*, cudaHostFn_t>(pointer, destroy));
  return cudaSuccess;
}

MOCK_API cudaError_t cudaGraphRetainUserObject(cudaGraph_t, cudaUserObject_t, unsigned, unsigned) {
  return cudaSuccess;
}

MOCK_API cudaError_t cudaUserObjectRelease(cudaUserObject_t, unsigned) {
  return cudaSuccess;
}

MOCK_API void mock_nodes(void (*f)(const MockNode*, void*), void* argument) {
  const Lock lock(mutex());
  for (const Exec* exec : execs()) {
    for (size_t i = 0; i < exec->work.size(); ++i) {
      const Work& work = *exec->work[i];
      const MockNode node{exec,
                          name_of(work.kind),
                          work.name.c_str(),
                          work.own,
                          work.blocks,
                          work.threads,
                          work.shared_bytes,
                          work.memory.size(),
                          exec->after[i].size()};
      f(&node, argument);
    }
  }
}

MOCK_API void mock_graph_pointers(void (*f)(const void*, const char*, void*), void* argument) {
  const Lock lock(mutex());
  for (const Exec* exec : execs()) {
    for (const WorkPtr& work : exec->work) {
      for (const Range& range : work->memory) {
        if (memory().place_of(range.begin) == Place::device) f(range.begin, work->name.c_str(), argument);
      }
    }
  }
}

}  // namespace cuda_mock

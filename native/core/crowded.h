// Whether other programs want the cores: the engine's watcher says so (addon/waiting.h), parallel loops ask
// (core/dispatch.h).
#pragma once

#include <atomic>

namespace rdrop {

inline std::atomic<bool> cores_crowded{false};

}  // namespace rdrop

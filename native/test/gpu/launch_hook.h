// Included before every .cu file of the programs of this folder (CMakeLists.txt): kernels start on mirrors of the
// memory that their arguments point to, where mirrors are on. What runs on the device is the same.
#pragma once

#include "device/launch.h"
#include "test/gpu/mirrors.h"

namespace rdrop {

template <class Kernel, class... More>
void launch_on_mirrors(const Kernel& kernel, const LaunchShape& shape, More... more) {
  if (!test::mirrors_on) return launch(kernel, shape, more...);
  Kernel moved = kernel;
  test::Mirrors mirrors(&moved, sizeof(moved));
  launch(moved, shape, more...);
  mirrors.take_back();
}

}  // namespace rdrop

#define launch(...) launch_on_mirrors(__VA_ARGS__)

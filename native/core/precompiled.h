// What nearly every file of the core includes; precompiled once.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

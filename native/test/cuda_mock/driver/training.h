// Models, trainers and batches for the driver's commands.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/device.h"
#include "model/transformer.h"
#include "test/cuda_mock/driver/options.h"
#include "training/trainer.h"
#include "translation/beam_search.h"

namespace cuda_mock::driver {

/// librdrop_cuda.so on the mock, or librdrop_emulated.so: both beside the driver or where the options say.
rdrop::Device& cuda_device(const Options& options, int index = 0);
rdrop::Device& emulated_device(const Options& options);

/// model=paper: fairseq's transformer_iwslt_de_en; model=small: two layers of 64.
rdrop::ModelConfig model_config(const Options& options);
/// precision=bfloat16, float16, float32 or tf32, whose type is float32.
at::ScalarType precision(const Options& options);

struct Training {
  std::shared_ptr<rdrop::Transformer> model;
  std::unique_ptr<rdrop::Trainer> trainer;
};
Training make_training(const Options& options, rdrop::Device& device,
                       std::optional<rdrop::Distributed> distributed = std::nullopt);

/// The batches of an epoch of IWSLT'14 (benchmarks/iwslt14/batches.txt) with random tokens: `batches` of them.
std::vector<rdrop::PackedBatch> epoch_batches(const Options& options, const rdrop::ModelConfig& config);
/// Small batches whose target is a function of the source.
std::vector<rdrop::PackedBatch> small_batches(long count, const rdrop::ModelConfig& config, uint32_t seed = 7);

rdrop::BeamOptions beam_options();

}  // namespace cuda_mock::driver

// The parameters of a network in one flat buffer and their gradients in another, so that norm, optimizer and
// checkpoint are one sweep each. Fused matrices (query, key and value in one product) are neighbors in the buffer;
// on disk they have fairseq's names one by one. Biases of a network that has none lie as zeros outside these buffers. V
// types (those of source and target may differ in number), D width, F feed-forward width.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/config.h"

namespace rdrop {

class Device;

/// A tensor of the network: views of the flat buffers. `value` has the type of the activations, but gains and biases of
/// norms and tables of positions and token types are never of 16 bits; no `gradient` is.
struct Weight {
  at::Tensor value, gradient;
};

struct Linear {
  Weight weight;  // [out,in]
  Weight bias;    // [out]; of a network without biases undefined on the CPU, zeros on a device
};

struct LayerNorm {
  Weight gamma, beta;  // [D]; beta zeros in a network without biases
  double epsilon = 0;
};

struct FeedForward {
  Linear fc1, fc2;  // [F,D], [D,F]
  LayerNorm norm;
};

struct SelfAttention {
  Linear query_key_value;  // [3D,D]
  Linear out;              // [D,D]
  LayerNorm norm;
};

struct CrossAttention {
  Linear query;      // [D,D]
  Linear key_value;  // [2D,D]
  Linear out;        // [D,D]
  LayerNorm norm;
};

struct Layer {
  SelfAttention self_attention;
  CrossAttention cross_attention;  ///< undefined in a stack that attends to no other
  FeedForward feed_forward;
};

/// What the rows of a stack's input are sums of.
struct Embedding {
  Weight table;               // [V,D]
  Weight positions;           // [P,D]; undefined: sinusoids
  at::Tensor position_table;  // [P,D] the value of `positions`, or the sinusoids
  Weight token_types;         // [Y,D]; undefined: none
  LayerNorm norm;             ///< of the sum; undefined: none
  double scale = 1;           ///< of the table
};

/// The encoder, or the decoder.
struct Stack {
  Embedding embedding;
  std::vector<Layer> layers;
  LayerNorm norm;  ///< pre-norm only
};

/// Of an encoder that classifies or gives a value for a sequence.
struct Head {
  Linear dense;  // [D,D]; undefined: no pooler
  Linear out;    // [outputs,D]
};

/// A parameter as the checkpoint names it: a slice of the flat buffers.
struct NamedSlice {
  std::string name;
  int64_t offset;
  std::vector<int64_t> shape;
  int64_t size() const;
};

/// Numbers begin..end of a parameter, row-major.
struct ParameterRange {
  std::string name;
  int64_t begin, end;
};

struct Parameters {
  /// Allocates and initializes (design, "The model"): every parameter is a function of the seed and its own name, so
  /// that fusing or reordering layers changes nothing.
  /// device null: on the CPU. Masters are float32, or float64 where `type` is; where `type` has 16 bits there is a copy
  /// of that type for the network.
  Parameters(const ModelConfig& config, at::ScalarType type, uint64_t seed, Device* device);

  /// Makes the 16-bit copy from the masters again, after they were written from outside; in the scope of the device.
  void refresh_copy();

  /// The parameter of this name. Throws CHECKPOINT_MISMATCH.
  const NamedSlice& find(const std::string& name) const;

  /// Writes values [end-begin] of the masters' type and their 16-bit copy; in the scope of the device. Throws
  /// CHECKPOINT_MISMATCH, INVALID_ARGUMENT; nothing is then written.
  void write(const ParameterRange& range, const at::Tensor& values);

  /// Of a buffer [P] laid out as the parameters are: a copy on the host, and the way back. Both in the scope of the
  /// device, with the errors of write().
  at::Tensor read_range(const ParameterRange& range, const at::Tensor& buffer) const;
  void write_range(const ParameterRange& range, const at::Tensor& values, at::Tensor& buffer) const;

  at::Tensor flat;             // [P] padded so that each tensor starts on a 64-byte boundary
  at::Tensor gradient;         // [P]
  at::Tensor compute_weights;  // [P] of the activations' 16-bit type; undefined where that is the masters' own
  std::vector<NamedSlice> names;
  int64_t count = 0;  ///< parameters, padding excluded

  /// On a device: the keys and values of every decoder layer, [2·D·layers,D], whose parts are the layers' key_value.
  /// Undefined on the CPU.
  Linear source_keys;
  Stack encoder, decoder;    ///< one that the network has not is without layers
  Weight output_projection;  // [V,D] of a decoder; shared matrices are the same views
  Head head;                 ///< of a network without a decoder

  at::Tensor value_of(const NamedSlice& slice) const;     // a view with the slice's shape
  at::Tensor gradient_of(const NamedSlice& slice) const;  // likewise

 private:
  struct Slice {
    int64_t begin, size;
  };
  Slice place_of(const ParameterRange& range) const;
};

}  // namespace rdrop

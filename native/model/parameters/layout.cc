// See layout.h.
#include "model/parameters/layout.h"

#include <algorithm>
#include <cmath>

#include "core/philox.h"
#include "model/checked_size.h"

namespace rdrop {

Place Layout::add(Pieces pieces, int64_t rows, int64_t columns, bool padding_row) {
  const int64_t size = checked_product({int64_t(pieces.size()), rows, columns ? columns : 1}, "a parameter");
  return add_at(reserve(size), std::move(pieces), rows, columns, padding_row);
}

Place Layout::add_at(Place begin, Pieces pieces, int64_t rows, int64_t columns, bool padding_row) {
  int64_t offset = begin.offset;
  for (auto& [name, start] : pieces) {
    pieces_.push_back(
        {{std::move(name), offset, columns ? std::vector<int64_t>{rows, columns} : std::vector<int64_t>{rows}},
         start,
         padding_row});
    offset += pieces_.back().slice.size();
  }
  return begin;
}

Place Layout::reserve(int64_t size) {
  return {grow(size_, size), false};
}

Place Layout::reserve_apart(int64_t size) {
  return {grow(apart_, size), true};
}

int64_t Layout::grow(int64_t& end, int64_t size) {
  const int64_t begin = end;
  end = checked_sum(end, size, "model configuration: the parameters");
  end = checked_sum(end, 15, "model configuration: the parameters") / 16 * 16;
  return begin;
}

namespace {

/// FNV-1a, so that the stream of a parameter hangs on its name alone.
uint64_t hash_of(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (unsigned char c : name) hash = (hash ^ c) * 0x100000001b3u;
  return hash;
}

/// Of a uniform or a normal distribution.
template <typename T>
void draw(T* out, const Piece& piece, uint64_t seed) {
  const uint64_t key = portable::stream_key(seed, StreamRole::initialization);
  const uint64_t stream = hash_of(piece.slice.name);
  const int64_t size = piece.slice.size();
  for (int64_t i = 0; i < size; i += 4) {
    uint32_t word[4];
    portable::philox4x32(uint32_t(i / 4), uint32_t(uint64_t(i / 4) >> 32), uint32_t(stream), uint32_t(stream >> 32),
                         uint32_t(key), uint32_t(key >> 32), word, word + 1, word + 2, word + 3);
    double sample[4];
    if (piece.start.kind == Start::normal) {  // Box-Muller
      for (int pair = 0; pair < 4; pair += 2) {
        const double radius = std::sqrt(-2.0 * std::log((word[pair] + 0.5) * 0x1p-32));
        const double angle = 6.283185307179586477 * (word[pair + 1] * 0x1p-32);
        sample[pair] = radius * std::cos(angle) * piece.start.scale;
        sample[pair + 1] = radius * std::sin(angle) * piece.start.scale;
      }
    } else {
      for (int k = 0; k < 4; ++k) sample[k] = ((word[k] + 0.5) * 0x1p-31 - 1.0) * piece.start.scale;
    }
    for (int64_t k = i; k < std::min(i + 4, size); ++k) out[k] = T(sample[k - i]);
  }
}

}  // namespace

template <typename T>
void initialize(T* out, const Piece& piece, uint64_t seed) {
  const bool drawn = piece.start.kind == Start::uniform || piece.start.kind == Start::normal;
  if (piece.start.kind == Start::one) std::fill_n(out, piece.slice.size(), T(1));
  if (drawn) draw(out, piece, seed);
  if (piece.padding_row) {
    const int64_t columns = piece.slice.shape[1];
    std::fill_n(out + kPad * columns, columns, T(0));
  }
}

template void initialize(float*, const Piece&, uint64_t);
template void initialize(double*, const Piece&, uint64_t);

}  // namespace rdrop

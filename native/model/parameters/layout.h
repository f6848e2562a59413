// Where the parameters lie in their flat buffer, and how each starts.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/parameters.h"

namespace rdrop {

/// How a parameter starts.
struct Start {
  enum Kind { zero, one, uniform, normal } kind;
  double scale;  ///< half the width of the uniform distribution; standard deviation of the normal one
};

/// Where numbers lie: in the buffer of the parameters, or behind its end, where nobody trains, names or counts them.
struct Place {
  int64_t offset;
  bool apart = false;

  Place operator+(int64_t more) const { return {offset + more, apart}; }
};

struct Piece {
  NamedSlice slice;
  Start start;
  bool padding_row;  ///< an embedding, whose row of the padding token is zero
};

/// Collects the slices first; the buffers are allocated once their size is known.
class Layout {
 public:
  using Pieces = std::vector<std::pair<std::string, Start>>;

  /// Reserves [rows of all pieces, columns]; columns 0 stands for a vector.
  Place add(Pieces pieces, int64_t rows, int64_t columns, bool padding_row = false);
  /// The same where room was reserved.
  Place add_at(Place begin, Pieces pieces, int64_t rows, int64_t columns, bool padding_row = false);
  /// Room for `size` numbers.
  Place reserve(int64_t size);
  /// Room for `size` zeros apart.
  Place reserve_apart(int64_t size);

  int64_t size() const { return size_; }
  /// With what lies apart.
  int64_t whole_size() const { return size_ + apart_; }
  /// In a buffer of the whole size.
  int64_t offset_of(const Place& place) const { return place.offset + (place.apart ? size_ : 0); }
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  static int64_t grow(int64_t& end, int64_t size);

  int64_t size_ = 0, apart_ = 0;
  std::vector<Piece> pieces_;
};

/// Writes the first values of a parameter of float or double: a function of the seed and its name.
template <typename T>
void initialize(T* out, const Piece& piece, uint64_t seed);

}  // namespace rdrop

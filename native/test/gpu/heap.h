// Which object of the heap a pointer leads into: operator new is replaced in the programs that link heap.cc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rdrop::test {

struct HeapObject {
  uintptr_t begin = 0;  ///< 0: there is none
  size_t bytes = 0;     ///< as many as were asked for
};

HeapObject heap_object(uintptr_t at);

}  // namespace rdrop::test

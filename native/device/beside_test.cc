// Work beside the emulated stream shows a join that is missing, and a kernel that must not run there.
#include "device/emulated/block.h"
#include "device/emulated/stream.h"
#include "test/check.h"

namespace rdrop::test {
namespace {

/// Puts work beside the stream: a sum of what is there when it runs.
void add_beside(EmulatedStream& stream, const int& from, int& to) {
  stream.beside = true;
  enqueue(&stream, [&] { to += from; });
  stream.beside = false;
}

const Case order{"the emulated device runs work beside the stream at either end", [] {
                   for (const bool late : {true, false}) {
                     EmulatedStream stream;
                     stream.late = late;
                     int from = 1, to = 0, read_before = 0, read_after = 0;
                     add_beside(stream, from, to);
                     enqueue(&stream, [&] { read_before = to; });
                     stream.join();
                     enqueue(&stream, [&] { read_after = to; });
                     expect(read_before == (late ? 0 : 1), "a read before the join");
                     expect(read_after == 1, "a read after the join");
                   }
                 }};

const Case recorded{"the emulated device records work beside the stream in its order", [] {
                      EmulatedStream stream;
                      stream.recording = true;
                      int from = 1, to = 0;
                      add_beside(stream, from, to);
                      enqueue(&stream, [&] { from = 5; });
                      stream.join();
                      enqueue(&stream, [&] { to *= 2; });
                      stream.recording = false;
                      for (const auto& work : stream.recorded) work();
                      expect(to == 10, "the sum at the join, twice");
                    }};

const Case counters{"a kernel that counts its blocks is refused beside the stream", [] {
                      EmulatedStream stream;
                      stream.late = false;
                      const auto count = [&] {
                        emulate([](EmulatedBlock& block) { block.counter(0); }, {1, 32}, 32, &stream);
                      };
                      count();
                      stream.beside = true;
                      bool refused = false;
                      try {
                        count();
                      } catch (const Error&) {
                        refused = true;
                      }
                      expect(refused, "it ran");
                      stream.beside = false;
                      count();
                    }};

}  // namespace
}  // namespace rdrop::test

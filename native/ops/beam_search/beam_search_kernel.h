// Beam search's own state on a device and what advances it by one token, translation/beam_search.cc's rule to the
// letter. N sentences of W beams each are R = N·W rows; L positions; V types. A sentence keeps its W rows from start to
// end, those in use first; hypotheses are never copied: every position notes each row's token and the row it went on
// from.
#pragma once

#include "core/host_device.h"

namespace rdrop {

struct BeamSearchState {
  int64_t sentences, beam;
  int64_t capacity;        ///< L, more than any sentence's longest
  int64_t min_length;      ///< tokens that must stand before eos
  const int32_t* longest;  // [N] most tokens before eos; -1 where there is no sentence

  int32_t* length;            // [1] tokens that every row in use has, eos at the start not counted
  uint32_t* done;             // [1] sentences that have ended
  int32_t* not_finite;        // [1] 1 + the first position whose logits were not finite; 0: none
  uint32_t* arrived;          // [1] blocks that have finished a step; 0 between steps
  int32_t* live;              // [R] whether the row is in use
  int32_t* tokens;            // [R] the decoder's next input
  int32_t* positions;         // [R] its row of the sinusoids
  double* sums;               // [R] log-probability of the row's tokens
  int32_t* ancestors;         // [2,L,R] at length l: half l % 2 has the row that held position p < l of a row's history
  double* candidate_sums;     // [R,2W] best first
  int32_t* candidate_tokens;  // [R,2W] -1 after the last

  // What the hypotheses are put together from: position p adds token [p,row] to the tokens of row parent [p,row].
  int32_t* token_history;    // [L,R]
  int32_t* parent_history;   // [L,R]
  double* sum_history;       // [L,R]
  int32_t* finished_count;   // [N]
  int32_t* finished_length;  // [N,W] tokens before eos
  int32_t* finished_row;     // [N,W] the row that had them at that length
  double* finished_sum;      // [N,W] with eos
};

struct BeamSearchLaunchers {
  /// Puts the state at the start: one row a sentence, about to read eos. `longest` must be set.
  void (*begin)(const BeamSearchState&, void* stream);
  /// The 2W best continuations of each row in use. logits float32 [R,V]: in 16 bits too many of them would be equal.
  void (*candidates)(const BeamSearchState&, const float* logits, int64_t classes, void* stream);
  /// Finishes hypotheses, chooses those that go on, and adds 1 to the length.
  void (*advance)(const BeamSearchState&, void* stream);
};
const BeamSearchLaunchers& beam_search_launchers();

}  // namespace rdrop

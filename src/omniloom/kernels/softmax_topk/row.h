// What softmax_topk and sampling share above the kernels: a row's largest numbers in order, and its sum.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "../dispatch/dispatch.h"
#include "scan.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"
#undef KERNEL

namespace omniloom {

// Memory that a thread uses for row after row.
struct Workspace {
  std::vector<uint64_t> keys;  // of the largest numbers, in order
  std::vector<BlockSum> blocks;
  std::vector<float> numbers, weights;
};

// Weights of the numbers that these keys stand for, into the workspace.
inline const float* weights_of_keys(const uint64_t* keys, int64_t count, const Kept& kept, Workspace* space) {
  space->numbers.resize(count);
  space->weights.resize(count);
  for (int64_t i = 0; i < count; ++i) space->numbers[i] = number_of(keys[i]);
  weights_of()(space->numbers.data(), count, &kept, space->weights.data());
  return space->weights.data();
}

// One read of the row. Afterwards `keys` are its `num_wanted` largest numbers above minus infinity, fewer if it has no
// more; and `blocks` are its sums, if `has_sums`.
inline void read_row(const float* from, int64_t count, float scale, int64_t num_wanted, bool has_sums,
                     Workspace* space) {
  std::vector<uint64_t>& keys = space->keys;
  // Room enough that selecting the wanted ones again, each time it is filled, costs less than the scan.
  keys.resize(num_wanted ? 2 * num_wanted + 2 * SCAN_TILE : 0);
  space->blocks.resize(has_sums ? (count + SCAN_BLOCK - 1) / SCAN_BLOCK : 0);
  Scan scan = {};
  scan.from = from, scan.count = count, scan.scale = scale;
  scan.threshold = num_wanted ? -INFINITY : INFINITY;
  scan.candidates = keys.data(), scan.capacity = (int64_t)keys.size(), scan.blocks = space->blocks.data();
  const ScanRow kernel = has_sums ? scan_row() : select_row();
  const auto keep_wanted = [&] {
    std::nth_element(keys.begin(), keys.begin() + num_wanted, keys.begin() + scan.num_candidates, std::greater<>());
    scan.num_candidates = num_wanted;
  };
  for (kernel(&scan); scan.position < count; kernel(&scan)) {
    keep_wanted();
    scan.threshold = number_of(*std::min_element(keys.begin(), keys.begin() + num_wanted));
  }
  if (scan.num_candidates > num_wanted) keep_wanted();
  keys.resize(scan.num_candidates);
  std::sort(keys.begin(), keys.end(), std::greater<>());
}

// The row's sum relative to `reference`, from its blocks'; NaN where a number of it is NaN or infinite.
inline double sum_of_row(float reference, float scale, Workspace* space) {
  const Kept kept = {reference, scale, -INFINITY, -INFINITY};
  double total = 0;
  for (const BlockSum& block : space->blocks) {
    float factor;
    weights_of()(&block.reference, 1, &kept, &factor);
    total += (double)block.sum * factor;
  }
  return total;
}

}  // namespace omniloom

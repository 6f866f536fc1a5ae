// What softmax_topk and sampling share above the kernels: a row's largest numbers in order, and its sum.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "../dispatch/dispatch.h"
#include "scan.h"

#define KERNEL OMNILOOM_TABLE
#include "kernels.inc"
#undef KERNEL

namespace omniloom {

constexpr int64_t FEWEST_GROUPED = 4 * SCAN_SPAN;  // numbers; of fewer, all are looked at

// Memory that a thread uses for row after row.
struct Workspace {
  std::vector<uint64_t> keys;  // of the largest numbers, in order
  std::vector<BlockSum> blocks;
  std::vector<float> numbers, weights;
  std::unique_ptr<float[]> maxima;  // not a vector, which would be filled first
  int64_t num_maxima = 0;

  float* maxima_of(int64_t count) {
    if (count > num_maxima) maxima.reset(new float[count]), num_maxima = count;
    return maxima.get();
  }
};

// Weights of the numbers that these keys stand for, into the workspace.
inline const float* weights_of_keys(const uint64_t* keys, int64_t count, const Kept& kept, Workspace* space) {
  space->numbers.resize(count);
  space->weights.resize(count);
  for (int64_t i = 0; i < count; ++i) space->numbers[i] = number_of(keys[i]);
  weights_of()(space->numbers.data(), count, &kept, space->weights.data());
  return space->weights.data();
}

inline int64_t num_maxima_of(int64_t count) { return (count + SCAN_SPAN - 1) / SCAN_SPAN * SCAN_TILE; }

// A threshold that at least `num_wanted` of these numbers lie above and not many more; minus infinity where there is none.
inline float threshold_of(const float* numbers, int64_t count, int64_t num_wanted) {
  const int64_t enough = num_wanted + num_wanted / 2 + 16;
  uint64_t low = key_of(-INFINITY, 0) >> 32, high = key_of(INFINITY, 0) >> 32;
  int64_t num_found = count;
  while (num_found > enough && high - low > 1) {
    const uint64_t middle = (low + high) / 2;
    const int64_t num_above = count_above()(numbers, count, number_of(middle << 32));
    if (num_above < num_wanted) high = middle;
    else low = middle, num_found = num_above;
  }
  return num_found > enough ? -INFINITY : number_of(low << 32);
}

// The candidates for the largest numbers, from the groups that hold them: a threshold that enough maxima lie above is one
// that enough numbers do. The threshold comes from the maxima of groups of maxima, where those are enough. False where
// many numbers are equal, or more are wanted than there are groups to tell them from.
inline bool collect_by_groups(float* maxima, int64_t num_wanted, Collection* collection) {
  const int64_t num_maxima = num_maxima_of(collection->count), num_tops = num_maxima_of(num_maxima);
  float* const tops = maxima + num_maxima;
  const Scan scan = {maxima, num_maxima, 1.0f, nullptr, tops};
  const bool has_tops = num_tops >= 2 * num_wanted;
  if (has_tops) scan_row()(&scan);
  collection->threshold = threshold_of(has_tops ? tops : maxima, has_tops ? num_tops : num_maxima, num_wanted);
  return collection->threshold > -INFINITY && collect_groups()(collection, maxima);
}

// One read of the row. Afterwards `keys` are its `num_wanted` largest numbers above minus infinity, fewer if it has no
// more; and `blocks` are its sums, if `has_sums`.
inline void read_row(const float* from, int64_t count, float scale, int64_t num_wanted, bool has_sums,
                     Workspace* space) {
  std::vector<uint64_t>& keys = space->keys;
  const int64_t num_maxima = num_maxima_of(count);
  const bool has_groups = num_wanted && num_maxima >= 2 * num_wanted && count >= FEWEST_GROUPED;
  float* const maxima = has_groups ? space->maxima_of(num_maxima + num_maxima_of(num_maxima)) : nullptr;
  space->blocks.resize(has_sums ? (count + SCAN_BLOCK - 1) / SCAN_BLOCK : 0);
  const Scan scan = {from, count, scale, has_sums ? space->blocks.data() : nullptr, maxima};
  if (has_sums || has_groups) scan_row()(&scan);
  // Room enough that selecting the wanted ones again, each time it is filled, costs less than the scan.
  keys.resize(num_wanted ? 4 * num_wanted + 4 * SCAN_TILE : 0);
  Collection all = {from, count, -INFINITY, keys.data(), (int64_t)keys.size(), 0, 0};
  const auto keep_wanted = [&] {
    std::nth_element(keys.begin(), keys.begin() + num_wanted, keys.begin() + all.num_keys, std::greater<>());
    all.num_keys = num_wanted;
  };
  if (num_wanted && !(has_groups && collect_by_groups(maxima, num_wanted, &all))) {
    all.threshold = -INFINITY;
    for (collect_above()(&all); all.position < count; collect_above()(&all)) {
      keep_wanted();
      all.threshold = number_of(*std::min_element(keys.begin(), keys.begin() + num_wanted));
    }
  }
  if (all.num_keys > num_wanted) keep_wanted();
  keys.resize(all.num_keys);
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

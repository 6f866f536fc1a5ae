// One token from one row of logits.
//
// Tokens are kept in the order that transformers applies its warpers: temperature, then the top_k likeliest, then the
// fewest likeliest that hold top_p of what these have, then those of at least min_p times the likeliest one's
// probability. Of equal logits the first count as likelier. The token is where the running sum of the kept weights, in
// the order of the vocabulary, passes u times their total.
//
// One read of the row gives its sum and its 128 (or top_k) largest logits; nearly always these hold all that is kept.
// Where they do not (flat distributions), a histogram of weights by logit finds the boundary without sorting the row.
#pragma once
#include <vector>

#include "../softmax_topk/row.h"
#include "philox.h"

namespace omniloom {

struct Choice {
  double temperature;  // 0: the likeliest
  int64_t top_k;       // 0: all
  double top_p, min_p;
  uint64_t seed, counter;
};

constexpr int64_t FEWEST_CANDIDATES = 128, MOST_CANDIDATES = 1024;
constexpr double LEAST_TEMPERATURE = 1e-6;  // 1/t times a difference of logits must stay a float
constexpr int64_t NO_TOKEN = -1;            // every logit is minus infinity, or one is NaN or infinite

// Numbers that stand in a row, and the sum of their weights.
struct Segment {
  int64_t first, count;
  double weight;
  Kept kept;
};

inline int64_t draw_from_segment(const float* from, const Segment& segment, double target, Workspace* space) {
  space->weights.resize(segment.count);
  weights_of()(from + segment.first, segment.count, &segment.kept, space->weights.data());
  double reached = 0;
  int64_t last = NO_TOKEN;
  for (int64_t i = 0; i < segment.count; ++i) {
    if (!(space->weights[i] > 0)) continue;
    last = segment.first + i;
    reached += space->weights[i];
    if (reached > target) break;
  }
  return last;
}

inline int64_t draw_from_segments(const float* from, const std::vector<Segment>& segments, double u,
                                  Workspace* space) {
  double total = 0, before = 0;
  for (const Segment& segment : segments) total += segment.weight;
  if (!(total > 0 && total < INFINITY)) return NO_TOKEN;
  const Segment* found = nullptr;
  double target = 0;
  for (const Segment& segment : segments) {
    if (!(segment.weight > 0)) continue;
    found = &segment, target = u * total - before;
    before += segment.weight;
    if (before > u * total) break;
  }
  return draw_from_segment(from, *found, target, space);
}

// Nothing is cut: the sums of the one read tell in which block the token lies.
inline int64_t draw_from_all(const float* from, int64_t count, float scale, double u, Workspace* space) {
  read_row(from, count, scale, 0, true, space);
  float reference = -INFINITY;
  for (const BlockSum& block : space->blocks) reference = std::max(reference, block.reference);
  std::vector<Segment> segments;
  const Kept kept = {reference, scale, -INFINITY, -INFINITY};
  for (const BlockSum& block : space->blocks) {
    float factor;
    weights_of()(&block.reference, 1, &kept, &factor);
    const int64_t first = (int64_t)segments.size() * SCAN_BLOCK;
    segments.push_back({first, std::min<int64_t>(SCAN_BLOCK, count - first), (double)block.sum * factor, kept});
  }
  return draw_from_segments(from, segments, u, space);
}

// The boundary of the kept ones, found by histogram.
class Boundary {
 public:
  Boundary(const float* from, int64_t count, const Kept& all, Workspace* space)
      : from_(from), count_(count), all_(all), space_(space), weights_(HISTOGRAM_BUCKETS) {}

  // The least key that is kept.
  uint64_t least(int64_t top_k, double top_p) {
    numbers_.resize(top_k ? HISTOGRAM_BUCKETS : 0);
    weight_histogram()(from_, count_, &all_, weights_.data(), top_k ? numbers_.data() : nullptr);
    double total = 0;
    for (const double weight : weights_) total += weight;
    uint64_t found = 0;
    if (top_k) found = least_of_top_k(top_k, &total);
    return top_p < 1 ? std::max(found, least_of_top_p(top_p * total)) : found;
  }

 private:
  uint64_t least_of_top_k(int64_t top_k, double* total) {
    int64_t before = 0, bucket = 0;
    *total = 0;
    for (; bucket < HISTOGRAM_BUCKETS && before + numbers_[bucket] < top_k; ++bucket) {
      before += numbers_[bucket];
      *total += weights_[bucket];
    }
    if (bucket == HISTOGRAM_BUCKETS) return 0;  // fewer than top_k are above minus infinity
    gather(bucket);
    const int64_t num_kept = top_k - before;
    std::nth_element(keys_.begin(), keys_.begin() + num_kept - 1, keys_.end(), std::greater<>());
    const float* weights = weights_of_keys(keys_.data(), num_kept, all_, space_);
    for (int64_t i = 0; i < num_kept; ++i) *total += weights[i];
    return keys_[num_kept - 1];
  }

  // A key is kept where those above it weigh less than `target`.
  uint64_t least_of_top_p(double target) {
    double before = 0;
    int64_t bucket = 0;
    for (; bucket < HISTOGRAM_BUCKETS && before + weights_[bucket] < target; ++bucket) before += weights_[bucket];
    if (bucket == HISTOGRAM_BUCKETS) return 0;
    gather(bucket);
    auto first = keys_.begin(), last = keys_.end();
    if (first == last) return 0;
    while (last - first > 1) {
      const auto middle = first + (last - first) / 2;
      std::nth_element(first, middle, last, std::greater<>());
      const float* weights = weights_of_keys(&*first, middle - first, all_, space_);
      double above = 0;
      for (int64_t i = 0; i < middle - first; ++i) above += weights[i];
      if (before + above < target) {
        before += above;
        first = middle;
      } else {
        last = middle;
      }
    }
    return *first;
  }

  void gather(int64_t bucket) {
    keys_.resize(bucket_keys()(from_, count_, &all_, bucket, nullptr));
    bucket_keys()(from_, count_, &all_, bucket, keys_.data());
  }

  const float* from_;
  int64_t count_;
  Kept all_;
  Workspace* space_;
  std::vector<double> weights_;
  std::vector<int64_t> numbers_;
  std::vector<uint64_t> keys_;
};

inline int64_t draw_from_kept(const float* from, int64_t count, const Kept& all, uint64_t least, double u,
                              Workspace* space) {
  std::vector<Segment> segments;
  std::vector<float> sums;
  const auto add = [&](int64_t first, int64_t stop, const Kept& kept) {
    sums.resize((stop - first + SCAN_BLOCK - 1) / SCAN_BLOCK);
    block_weights()(from + first, stop - first, &kept, sums.data());
    for (const float sum : sums) {
      segments.push_back({first, std::min<int64_t>(SCAN_BLOCK, stop - first), sum, kept});
      first += SCAN_BLOCK;
    }
  };
  Kept kept = all;
  if (least) kept.least = number_of(least);
  const int64_t last_equal = least ? place_of(least) + 1 : count;
  add(0, last_equal, kept);
  kept.least = std::nextafter(kept.least, INFINITY);  // equal ones behind the last that is kept are not
  add(last_equal, count, kept);
  return draw_from_segments(from, segments, u, space);
}

// How many of the candidates are kept, or -1 if more than the candidates may be.
inline int64_t num_kept(const float* weights, const Choice& choice, const Kept& all, float least_nats, double total,
                        bool has_all, Workspace* space) {
  const int64_t count = (int64_t)space->keys.size();
  double before = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float nats = (number_of(space->keys[i]) - all.reference) * all.scale;
    if (i && ((choice.top_p < 1 && before >= choice.top_p * total) || nats < least_nats)) return i;
    before += weights[i];
  }
  return has_all ? count : -1;
}

// In the order of the vocabulary.
inline int64_t draw_from_keys(int64_t num_kept, const Kept& all, double u, Workspace* space) {
  std::vector<uint64_t>& keys = space->keys;
  keys.resize(num_kept);
  std::sort(keys.begin(), keys.end(), [](uint64_t a, uint64_t b) { return place_of(a) < place_of(b); });
  const float* weights = weights_of_keys(keys.data(), num_kept, all, space);
  double total = 0, reached = 0;
  for (int64_t i = 0; i < num_kept; ++i) total += weights[i];
  int64_t token = NO_TOKEN;
  for (int64_t i = 0; i < num_kept && !(token >= 0 && reached > u * total); ++i) {
    if (!(weights[i] > 0)) continue;
    token = place_of(keys[i]);
    reached += weights[i];
  }
  return token;
}

inline int64_t draw(const float* from, int64_t count, const Choice& choice, Workspace* space) {
  const bool is_greedy = choice.temperature == 0;
  const float scale = is_greedy ? 1.0f : (float)(1 / std::max(choice.temperature, LEAST_TEMPERATURE));
  const double u = philox_uniform(choice.seed, choice.counter);
  const int64_t top_k = is_greedy ? 1 : choice.top_k >= count ? 0 : choice.top_k;
  if (!top_k && choice.top_p >= 1 && choice.min_p <= 0) return draw_from_all(from, count, scale, u, space);

  const int64_t num_wanted = top_k && top_k <= MOST_CANDIDATES ? top_k : std::min(FEWEST_CANDIDATES, count);
  read_row(from, count, scale, num_wanted, true, space);
  const int64_t num_found = (int64_t)space->keys.size();
  if (!num_found) return NO_TOKEN;
  Kept all = {number_of(space->keys[0]), scale, -INFINITY, -INFINITY};
  double total = sum_of_row(all.reference, scale, space);
  if (!(total > 0 && total < INFINITY)) return NO_TOKEN;
  if (is_greedy) return place_of(space->keys[0]);

  const float least_nats = choice.min_p > 0 ? (float)std::log(choice.min_p) : -INFINITY;
  const bool has_all = top_k == num_wanted || num_found < num_wanted || num_wanted == count;
  const float* weights = weights_of_keys(space->keys.data(), num_found, all, space);
  if (has_all) {
    total = 0;
    for (int64_t i = 0; i < num_found; ++i) total += weights[i];
  }
  // Of what top_p is a part is not known where top_k reaches beyond the candidates.
  const bool is_known = has_all || !top_k || choice.top_p >= 1;
  const int64_t kept = is_known ? num_kept(weights, choice, all, least_nats, total, has_all, space) : -1;
  if (kept >= 0) return draw_from_keys(kept, all, u, space);
  const bool is_cut = top_k || choice.top_p < 1;
  const uint64_t least = is_cut ? Boundary(from, count, all, space).least(top_k, choice.top_p) : 0;
  all.least_nats = least_nats;
  return draw_from_kept(from, count, all, least, u, space);
}

}  // namespace omniloom

// One read of a row of logits: what the softmax divides by, and the largest of them on the way.
// Shapes     a row is `count` numbers in memory, at most 2^32 of them.
// Alignment  that of the element type.
// Exactness  The same bits on every instruction set: multiplications and additions round as one (exactly so where the
//            processor cannot), and lanes are added in one order. Each weight is within 3e-7 of exp((x - reference) scale).
#pragma once
#include <stdint.h>

enum : int64_t {
  SCAN_TILE = 64,     // numbers looked at together
  SCAN_BLOCK = 8192,  // numbers that one sum is kept of
  HISTOGRAM_BUCKETS = 1536,
  BUCKETS_A_NAT = 64,
};

// The sum of exp((x - reference) scale) over a block.
struct BlockSum {
  float sum, reference;
};

// The scan of a row; it returns when the row ends or there is no room for another tile of candidates, and may be called
// again. A candidate is a number above `threshold`; what is kept of it is `key_of` the number and its place.
struct Scan {
  const float* from;
  int64_t count;
  float scale;      // one over the temperature
  float threshold;
  uint64_t* candidates;
  int64_t capacity;
  BlockSum* blocks;  // one for each SCAN_BLOCK, or null where only candidates are wanted
  int64_t position, num_candidates;
  float reference;
  float sums[SCAN_TILE];
};

// Rising with the number, and falling with its place: the order of the likeliest first, the first of equal ones first.
static inline uint64_t key_of(float x, uint64_t place) {
  const float positive_zero = x + 0.0f;
  uint32_t bits;
  __builtin_memcpy(&bits, &positive_zero, sizeof bits);
  bits ^= bits >> 31 ? 0xffffffffu : 0x80000000u;
  return (uint64_t)bits << 32 | (0xffffffffu - place);
}

static inline float number_of(uint64_t key) {
  uint32_t bits = (uint32_t)(key >> 32);
  bits ^= bits >> 31 ? 0x80000000u : 0xffffffffu;
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

static inline int64_t place_of(uint64_t key) { return 0xffffffffu - (uint32_t)key; }

// What of a row is kept: numbers at `least` or above, (x - reference) scale at `least_nats` or above.
struct Kept {
  float reference, scale, least, least_nats;
};

typedef void (*ScanRow)(Scan* scan);
// Weights exp((x - reference) scale) of what is kept, 0 elsewhere.
typedef void (*WeightsOf)(const float* from, int64_t count, const Kept* kept, float* weights);
// Their sum in each SCAN_BLOCK.
typedef void (*BlockWeights)(const float* from, int64_t count, const Kept* kept, float* sums);
// The weights in each bucket of 1 / BUCKETS_A_NAT below the reference, the row's largest; and how many numbers they are,
// unless `numbers` is null.
typedef void (*WeightHistogram)(const float* from, int64_t count, const Kept* kept, double* weights, int64_t* numbers);
// Keys of the numbers in one bucket, minus infinity left out; returns how many. None is written where `keys` is null.
typedef int64_t (*BucketKeys)(const float* from, int64_t count, const Kept* kept, int64_t bucket, uint64_t* keys);

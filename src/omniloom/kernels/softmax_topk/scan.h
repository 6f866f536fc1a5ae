// One read of a row of logits: what the softmax divides by, and the largest of them on the way.
// Shapes     a row is `count` numbers in memory, at most 2^32 of them.
// Alignment  that of the element type.
// Exactness  The same bits on every instruction set: multiplications and additions round as one (exactly so where the
//            processor cannot), and lanes are added in one order. Each weight is within 3e-7 of exp((x - reference) scale).
#pragma once
#include <stdint.h>

enum : int64_t {
  SCAN_TILE = 64,     // numbers looked at together
  SCAN_SPAN = 1024,   // numbers that maxima are kept of: of each of 64 lanes, which is a group of 16
  SCAN_BLOCK = 8192,  // numbers that one sum is kept of
  HISTOGRAM_BUCKETS = 1536,
  BUCKETS_A_NAT = 64,
};

// The sum of exp((x - reference) scale) over a block.
struct BlockSum {
  float sum, reference;
};

// One read of a row. Group `lane` of a span is its numbers lane, lane + 64, lane + 128 and so on.
struct Scan {
  const float* from;
  int64_t count;
  float scale;       // one over the temperature
  BlockSum* blocks;  // one for each SCAN_BLOCK, or null
  float* maxima;     // 64 for each SCAN_SPAN, NaN left out and minus infinity where a group is empty; or null
};

// The numbers above `threshold`; what is kept of each is `key_of` it and its place. Collecting stops when the row ends or
// there is no room for another tile, and may be taken up again.
struct Collection {
  const float* from;
  int64_t count;
  float threshold;
  uint64_t* keys;
  int64_t capacity, position, num_keys;
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

typedef void (*ScanRow)(const Scan* scan);
typedef void (*CollectAbove)(Collection* collection);
// The same from the groups alone whose maxima are above the threshold; false where there is no room.
typedef bool (*CollectGroups)(Collection* collection, const float* maxima);
// How many of the numbers, whole tiles of them, are above the threshold.
typedef int64_t (*CountAbove)(const float* from, int64_t count, float threshold);
// Weights exp((x - reference) scale) of what is kept, 0 elsewhere.
typedef void (*WeightsOf)(const float* from, int64_t count, const Kept* kept, float* weights);
// Their sum in each SCAN_BLOCK.
typedef void (*BlockWeights)(const float* from, int64_t count, const Kept* kept, float* sums);
// The weights in each bucket of 1 / BUCKETS_A_NAT below the reference, the row's largest; and how many numbers they are,
// unless `numbers` is null.
typedef void (*WeightHistogram)(const float* from, int64_t count, const Kept* kept, double* weights, int64_t* numbers);
// Keys of the numbers in one bucket, minus infinity left out; returns how many. None is written where `keys` is null.
typedef int64_t (*BucketKeys)(const float* from, int64_t count, const Kept* kept, int64_t bucket, uint64_t* keys);

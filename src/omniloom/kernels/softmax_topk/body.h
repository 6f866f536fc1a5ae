// The scan of a row and what sampling asks of it beyond, written once for all instruction sets.
//
// Online softmax after Milakov & Gimelshein, "Online normalizer calculation for softmax" (2018), algorithms 3 and 4: the
// sum is kept relative to a running reference, and the largest numbers are picked up in the same read. Theirs updates
// the maximum and inserts at every number; here a tile of 64 is compared with the lower of two limits at once, that of
// the candidates and that of the reference, and passes by in nearly every case. Exp is the only arithmetic left.
#include "../dispatch/dispatch.h"
#include "exact.h"
#include "scan.h"

namespace {

constexpr int PARTS = SCAN_TILE / LANES;
constexpr float SLACK_NATS = 22.0f;  // how far a number may lie above the reference, in nats
constexpr int64_t AHEAD = 1024;      // numbers ahead that are prefetched

// 64 numbers at `i`, minus infinity past the end.
struct Tile {
  Floats x[PARTS];

  inline void read(const float* from, int64_t i, int64_t count) {
#pragma GCC unroll 16
    for (int j = 0; j < PARTS; ++j) {
      const int64_t left = count - i - j * LANES;
      if (left >= LANES) x[j] = load(from + i + j * LANES);
      else x[j] = left > 0 ? load_some(from + i + j * LANES, left, -INFINITE) : fill(-INFINITE);
    }
  }

  inline Floats largest() const {
    Floats found = x[0];
#pragma GCC unroll 16
    for (int j = 1; j < PARTS; ++j) found = larger(x[j], found);
    return found;
  }
};

// Adds 64 lanes, halves first, whatever the vectors are.
inline float add_lanes(const float* sums) {
  float lanes[SCAN_TILE];
  memcpy(lanes, sums, sizeof lanes);
  for (int width = SCAN_TILE / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

template <bool HAS_SCALE>
inline Floats nats_of(Floats x, float reference, float scale) {
  const Floats distance = x - reference;
  return HAS_SCALE ? distance * scale : distance;
}

template <bool HAS_SCALE>
inline void add_weights(const Tile& tile, float reference, float scale, Floats* sums) {
#pragma GCC unroll 16
  for (int j = 0; j < PARTS; ++j) {
    Floats polynomial, power;
    split_exactly(larger(fill(LOWEST_NATS), nats_of<HAS_SCALE>(tile.x[j], reference, scale)), &polynomial, &power);
    sums[j] = fused(polynomial, power, sums[j]);
  }
}

inline float trigger_of(const Scan& scan, bool has_sums) {
  const float raise = scan.reference + SLACK_NATS / scan.scale;
  return has_sums && raise < scan.threshold ? raise : scan.threshold;
}

void collect(Scan* scan, const Tile& tile) {
  for (int j = 0; j < PARTS; ++j) {
    uint32_t found = lanes_above(tile.x[j], fill(scan->threshold));
    for (; found; found &= found - 1) {
      const int lane = __builtin_ctz(found);
      const uint64_t place = (uint64_t)(scan->position + j * LANES + lane);
      scan->candidates[scan->num_candidates++] = key_of(scan->from[place], place);
    }
  }
}

void raise(Scan* scan, float largest) {
  const float factor = exp_exactly(fill((scan->reference - largest) * scan->scale))[0];
  for (float& sum : scan->sums) sum *= factor;
  scan->reference = largest;
}

// Whole tiles, while nothing in them is above the trigger.
template <bool HAS_SCALE>
inline int64_t pass_by(Scan* scan, int64_t stop, float trigger) {
  const float* const from = scan->from;
  const float reference = scan->reference, scale = scan->scale;
  int64_t i = scan->position;
  Floats sums[PARTS];
  memcpy(sums, scan->sums, sizeof sums);
  Tile tile;
  for (; i + SCAN_TILE <= stop; i += SCAN_TILE) {
    for (int64_t line = 0; line < SCAN_TILE; line += 16) __builtin_prefetch(from + i + AHEAD + line);
    tile.read(from, i, i + SCAN_TILE);
    if (__builtin_expect(lanes_above(tile.largest(), fill(trigger)) != 0, 0)) break;
    add_weights<HAS_SCALE>(tile, reference, scale, sums);
  }
  memcpy(scan->sums, sums, sizeof sums);
  return i;
}

inline int64_t pass_by_without_sums(const Scan* scan, int64_t stop, float trigger) {
  int64_t i = scan->position;
  Tile tile;
  for (; i + SCAN_TILE <= stop; i += SCAN_TILE) {
    tile.read(scan->from, i, i + SCAN_TILE);
    if (__builtin_expect(lanes_above(tile.largest(), fill(trigger)) != 0, 0)) break;
  }
  return i;
}

// Until the block ends; false where candidates have no more room.
template <bool HAS_SUMS>
bool scan_block(Scan* scan, int64_t stop) {
  const bool has_scale = scan->scale != 1.0f;
  while (true) {
    const float trigger = trigger_of(*scan, HAS_SUMS);
    scan->position = !HAS_SUMS   ? pass_by_without_sums(scan, stop, trigger)
                     : has_scale ? pass_by<true>(scan, stop, trigger)
                                 : pass_by<false>(scan, stop, trigger);
    if (scan->position >= stop) return true;
    Tile tile;
    tile.read(scan->from, scan->position, stop);
    const float largest = largest_lane(tile.largest());
    if (largest > scan->threshold) {
      if (scan->num_candidates + SCAN_TILE > scan->capacity) return false;
      collect(scan, tile);
    }
    if (HAS_SUMS) {
      if (largest > scan->reference + SLACK_NATS / scan->scale) raise(scan, largest);
      Floats sums[PARTS];
      memcpy(sums, scan->sums, sizeof sums);
      if (has_scale) add_weights<true>(tile, scan->reference, scan->scale, sums);
      else add_weights<false>(tile, scan->reference, scan->scale, sums);
      memcpy(scan->sums, sums, sizeof sums);
    }
    scan->position += SCAN_TILE;
    if (scan->position >= stop) return true;
  }
}

template <bool HAS_SUMS>
void scan_all(Scan* scan) {
  if (HAS_SUMS && scan->position == 0) {
    Tile tile;
    tile.read(scan->from, 0, scan->count);
    const float largest = largest_lane(tile.largest());
    scan->reference = largest > -GREATEST ? largest : -GREATEST;
  }
  while (scan->position < scan->count) {
    const int64_t block = scan->position / SCAN_BLOCK, end = (block + 1) * SCAN_BLOCK;
    if (HAS_SUMS && scan->position == block * SCAN_BLOCK) memset(scan->sums, 0, sizeof scan->sums);
    if (!scan_block<HAS_SUMS>(scan, end < scan->count ? end : scan->count)) return;
    if (HAS_SUMS) scan->blocks[block] = {add_lanes(scan->sums), scan->reference};
  }
}

void scan_row(Scan* scan) { scan_all<true>(scan); }

void select_row(Scan* scan) { scan_all<false>(scan); }

// Weights of the 64 numbers at `i`; those of what is not kept are 0.
inline void kept_weights(const float* from, int64_t i, int64_t count, const Kept& kept, Tile* tile, Floats* weights) {
  tile->read(from, i, count);
#pragma GCC unroll 16
  for (int j = 0; j < PARTS; ++j) {
    const Floats x = tile->x[j], nats = (x - kept.reference) * kept.scale;
    const Words is_kept = (x >= kept.least) & (nats >= kept.least_nats);
    weights[j] = (Floats)((Words)exp_exactly(nats) & is_kept);
  }
}

void weights_of(const float* from, int64_t count, const Kept* kept, float* weights) {
  for (int64_t i = 0; i < count; i += SCAN_TILE) {
    Tile tile;
    Floats found[PARTS];
    kept_weights(from, i, count, *kept, &tile, found);
    const int64_t left = count - i < SCAN_TILE ? count - i : SCAN_TILE;
    memcpy(weights + i, found, (size_t)left * sizeof(float));
  }
}

void block_weights(const float* from, int64_t count, const Kept* kept, float* sums) {
  for (int64_t start = 0; start < count; start += SCAN_BLOCK) {
    const int64_t stop = count - start < SCAN_BLOCK ? count : start + SCAN_BLOCK;
    Floats lanes[PARTS] = {};
    for (int64_t i = start; i < stop; i += SCAN_TILE) {
      Tile tile;
      Floats weights[PARTS];
      kept_weights(from, i, stop, *kept, &tile, weights);
#pragma GCC unroll 16
      for (int j = 0; j < PARTS; ++j) lanes[j] += weights[j];
    }
    float flat[SCAN_TILE];
    memcpy(flat, lanes, sizeof flat);
    sums[start / SCAN_BLOCK] = add_lanes(flat);
  }
}

// The bucket of each number; the last bucket holds all that lie lower.
inline Words buckets_of(Floats x, const Kept& kept) {
  const Floats depth = (kept.reference - x) * (kept.scale * (float)BUCKETS_A_NAT);
  const Floats last = fill((float)(HISTOGRAM_BUCKETS - 1));
  return __builtin_convertvector(depth < last ? depth : last, Words);
}

void weight_histogram(const float* from, int64_t count, const Kept* kept, double* weights, int64_t* numbers) {
  const Kept all = *kept;
  for (int64_t i = 0; i < count; i += SCAN_TILE) {
    Tile tile;
    Floats found[PARTS];
    float flat[SCAN_TILE];
    int32_t buckets[SCAN_TILE];
    kept_weights(from, i, count, all, &tile, found);
    memcpy(flat, found, sizeof flat);
#pragma GCC unroll 16
    for (int j = 0; j < PARTS; ++j) {
      const Words bucket = buckets_of(tile.x[j], all);
      memcpy(buckets + j * LANES, &bucket, sizeof bucket);
    }
    for (int j = 0; j < SCAN_TILE; ++j) weights[buckets[j]] += flat[j];  // 0 past the end
    const int64_t left = count - i < SCAN_TILE ? count - i : SCAN_TILE;
    for (int64_t j = 0; numbers && j < left; ++j) numbers[buckets[j]] += from[i + j] != -INFINITE;
  }
}

int64_t bucket_keys(const float* from, int64_t count, const Kept* kept, int64_t bucket, uint64_t* keys) {
  const Kept all = *kept;
  const Floats one = fill(1.0f);
  int64_t num_keys = 0;
  for (int64_t i = 0; i < count; i += SCAN_TILE) {
    Tile tile;
    tile.read(from, i, count);
    uint64_t found = 0;
#pragma GCC unroll 16
    for (int j = 0; j < PARTS; ++j) {
      const Words is_in = (buckets_of(tile.x[j], all) == (int32_t)bucket) & (tile.x[j] > -INFINITE);
      found |= (uint64_t)lanes_above((Floats)((Words)one & is_in), Floats{}) << (j * LANES);
    }
    if (!keys) {
      num_keys += __builtin_popcountll(found);
      continue;
    }
    for (; found; found &= found - 1) {
      const int64_t place = i + __builtin_ctzll(found);
      keys[num_keys++] = key_of(from[place], (uint64_t)place);
    }
  }
  return num_keys;
}

}  // namespace

#define KERNEL(name, type) OMNILOOM_KERNEL(name, type, name)
#include "kernels.inc"

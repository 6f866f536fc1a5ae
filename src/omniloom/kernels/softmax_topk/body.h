// The scan of a row and what sampling asks of it beyond, written once for all instruction sets.
//
// Online softmax after Milakov & Gimelshein, "Online normalizer calculation for softmax" (2018), algorithms 3 and 4: the
// sum is kept relative to a running reference, and the largest numbers are picked up in the same read. Theirs updates
// the maximum and inserts at every number. Here the read keeps only the maxima of groups of 16, a vector operation a
// vector; the k largest numbers lie in groups whose maxima are among the k largest, so that what is selected from is a
// sixteenth of the row, and nothing in the read branches on what it meets.
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

// A span's sums and the maxima of its lanes, from `i` to `stop`.
template <bool HAS_SCALE, bool HAS_SUMS>
inline void read_span(const Scan& scan, int64_t i, int64_t stop, float reference, Floats* sums, Floats* found) {
  for (int j = 0; j < PARTS; ++j) found[j] = fill(-INFINITE);
  Tile tile;
  const auto take = [&] {
#pragma GCC unroll 16
    for (int j = 0; j < PARTS; ++j) found[j] = larger(tile.x[j], found[j]);
    if (HAS_SUMS) add_weights<HAS_SCALE>(tile, reference, scan.scale, sums);
  };
  for (; i + SCAN_TILE <= stop; i += SCAN_TILE) {
    for (int64_t line = 0; line < SCAN_TILE; line += 16) __builtin_prefetch(scan.from + i + AHEAD + line);
    tile.read(scan.from, i, i + SCAN_TILE);
    take();
  }
  if (i < stop) {
    tile.read(scan.from, i, stop);
    take();
  }
}

// The spans of a block. Where one holds a number too far above the reference, it is read again relative to its largest.
template <bool HAS_SCALE, bool HAS_SUMS>
inline void read_block(const Scan& scan, int64_t first, int64_t stop, float* reference, Floats* sums) {
  for (int64_t i = first; i < stop; i += SCAN_SPAN) {
    const int64_t end = stop - i < SCAN_SPAN ? stop : i + SCAN_SPAN;
    Floats found[PARTS], before[PARTS], largest = fill(-INFINITE);
    memcpy(before, sums, sizeof before);
    read_span<HAS_SCALE, HAS_SUMS>(scan, i, end, *reference, sums, found);
    for (int j = 0; j < PARTS; ++j) largest = larger(found[j], largest);
    if (scan.maxima) memcpy(scan.maxima + i / SCAN_SPAN * SCAN_TILE, found, sizeof found);
    if (!HAS_SUMS || !lanes_above(largest, fill(*reference + SLACK_NATS / scan.scale))) continue;
    const float raised = largest_lane(largest), factor = exp_exactly(fill((*reference - raised) * scan.scale))[0];
    for (int j = 0; j < PARTS; ++j) sums[j] = before[j] * factor;
    *reference = raised;
    read_span<HAS_SCALE, HAS_SUMS>(scan, i, end, raised, sums, found);
  }
}

template <bool HAS_SCALE, bool HAS_SUMS>
inline void read_blocks(const Scan& scan) {
  Tile tile;
  tile.read(scan.from, 0, scan.count);
  const float largest = largest_lane(tile.largest());
  float reference = largest > -GREATEST ? largest : -GREATEST;
  for (int64_t first = 0; first < scan.count; first += SCAN_BLOCK) {
    const int64_t stop = scan.count - first < SCAN_BLOCK ? scan.count : first + SCAN_BLOCK;
    Floats sums[PARTS] = {};
    read_block<HAS_SCALE, HAS_SUMS>(scan, first, stop, &reference, sums);
    float flat[SCAN_TILE];
    memcpy(flat, sums, sizeof flat);
    if (HAS_SUMS) scan.blocks[first / SCAN_BLOCK] = {add_lanes(flat), reference};
  }
}

void scan_row(const Scan* scan) {
  const Scan all = *scan;
  if (!all.blocks) read_blocks<false, false>(all);
  else if (all.scale == 1.0f) read_blocks<false, true>(all);
  else read_blocks<true, true>(all);
}

void collect_above(Collection* collection) {
  const float* const from = collection->from;
  const Floats threshold = fill(collection->threshold);
  for (int64_t& i = collection->position; i < collection->count; i += SCAN_TILE) {
    Tile tile;
    tile.read(from, i, collection->count);
    if (__builtin_expect(lanes_above(tile.largest(), threshold) == 0, 1)) continue;
    if (collection->num_keys + SCAN_TILE > collection->capacity) return;
    for (int j = 0; j < PARTS; ++j) {
      for (uint32_t found = lanes_above(tile.x[j], threshold); found; found &= found - 1) {
        const int64_t place = i + j * LANES + __builtin_ctz(found);
        collection->keys[collection->num_keys++] = key_of(from[place], (uint64_t)place);
      }
    }
  }
}

bool collect_groups(Collection* collection, const float* maxima) {
  const Collection all = *collection;
  const Floats threshold = fill(all.threshold);
  int64_t num_keys = 0;
  for (int64_t span = 0; span < all.count; span += SCAN_SPAN) {
    const int64_t stop = all.count - span < SCAN_SPAN ? all.count : span + SCAN_SPAN;
    for (int64_t lane = 0; lane < SCAN_TILE; lane += LANES) {
      uint32_t found = lanes_above(load(maxima + span / SCAN_SPAN * SCAN_TILE + lane), threshold);
      for (; found; found &= found - 1) {
        for (int64_t place = span + lane + __builtin_ctz(found); place < stop; place += SCAN_TILE) {
          if (!(all.from[place] > all.threshold)) continue;
          if (num_keys == all.capacity) return false;
          all.keys[num_keys++] = key_of(all.from[place], (uint64_t)place);
        }
      }
    }
  }
  collection->num_keys = num_keys;
  return true;
}

int64_t count_above(const float* from, int64_t count, float threshold) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; i += SCAN_TILE) {
#pragma GCC unroll 16
    for (int j = 0; j < PARTS; ++j) found += __builtin_popcount(lanes_above(load(from + i + j * LANES), fill(threshold)));
  }
  return found;
}

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

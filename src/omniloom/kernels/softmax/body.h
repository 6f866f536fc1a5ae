// Softmax over vectors of VECTOR_BYTES, written once for all instruction sets.
//
// Two passes after Dukhan & Ablavatski, "Two-Pass Softmax Algorithm" (2020), section 4: the sum of exp(x) is kept as
// mantissa and exponent, so that no pass for the largest number is needed. Theirs carry an exponent a lane and rescale at
// every step; here all lanes share one that is raised when a tile of four vectors holds a number 2^32 times larger than
// it stands for, which costs a comparison a tile. Numbers of which n = x / ln 2 is not exact are left to three passes.
//
// Where a row lies in cache, memory is free and exp is not: exp is stored relative to a running reference in one pass
// and scaled in another (Milakov & Gimelshein's running maximum, raised rarely). The reference is a number of the row,
// so any float will do, infinities and NaN give what they give in torch, and no pass for the largest is needed here either.
//
// Where exp saturates, one power of two serves as the reference of a whole row, and its sum tells afterwards whether it
// did: a row out of its range is done again by the running reference. So nothing is compared before exp is taken, and the
// row before is scaled in the same loop.
#include "../dispatch/dispatch.h"
#include "exponential.h"
#include "softmax.h"

namespace {

constexpr int TILE = 4;                         // vectors that are looked at together
constexpr int64_t TILE_FLOATS = TILE * LANES;
constexpr int64_t AHEAD_FLOATS = 1024;          // prefetched; measured flat from 512 to 4096
constexpr float SLACK_NATS = 22.0f;             // 2^32: how far a number may lie above the reference
constexpr float BOUND = 16384.0f;               // n has 15 bits, with which n LN2 is exact without FMA
constexpr int MAX_RAISES = 8;
constexpr float FARTHEST_STEP = 80.0f;          // in nats, what a normal float can be multiplied by
constexpr float MOST_NATS = 60.0f;              // how far from 0 a row's first numbers may lie where exp saturates
constexpr float USUAL_EXPONENT = -32.0f;        // so that sums are in range where the largest is from -22 to 47
constexpr double LN2_DOUBLE = 0.69314718055994530942;

struct Tile {
  Floats x[TILE];
  inline Floats largest() const { return larger(larger(x[0], x[1]), larger(x[2], x[3])); }
};

inline Tile whole_tile(const float* from) {
  return {{load(from), load(from + LANES), load(from + 2 * LANES), load(from + 3 * LANES)}};
}

// The numbers from `i` on, minus infinity past the end.
inline Tile tile_at(const float* from, int64_t i, int64_t count) {
  Tile tile;
#pragma GCC unroll 4
  for (int j = 0; j < TILE; ++j) {
    const int64_t left = count - i - j * LANES;
    if (left >= LANES) {
      tile.x[j] = load(from + i + j * LANES);
    } else {
      tile.x[j] = left > 0 ? load_some(from + i + j * LANES, left, -INFINITE) : fill(-INFINITE);
    }
  }
  return tile;
}

inline void store_tile(float* to, const Tile& tile, int64_t i, int64_t count) {
#pragma GCC unroll 4
  for (int j = 0; j < TILE; ++j) {
    const int64_t left = count - i - j * LANES;
    if (left >= LANES) {
      store(to + i + j * LANES, tile.x[j]);
    } else if (left > 0) {
      store_some(to + i + j * LANES, tile.x[j], left);
    }
  }
}

inline void prefetch_tile(const float* from) {
  for (int64_t i = 0; i < TILE_FLOATS; i += 16) __builtin_prefetch(from + i);
}

// Sums whose reference stands still, until a tile comes that lies too far above it.
struct Sums {
  Floats lanes[TILE] = {};
  inline double total() const { return sum_of((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])); }
  void scale(float factor) {
    for (Floats& sum : lanes) sum *= factor;
  }
};

inline bool is_above(const Tile& tile, Floats trigger) {
  return __builtin_expect(lanes_above(tile.largest(), trigger) != 0, 0);
}

inline float largest_of(const Tile& tile) { return largest_lane(tile.largest()); }

inline void add_pairs(const Exponential& exponential, const Tile& tile, float exponent, Floats* sums) {
  const Floats rounder = fill(ROUNDER - exponent), least = fill(lowest(exponent));
#pragma GCC unroll 4
  for (int j = 0; j < TILE; ++j) {
    Floats polynomial, power;
    exponential.split(larger(least, tile.x[j]), rounder, true, &polynomial, &power);
    sums[j] = multiply_add(polynomial, power, sums[j]);
  }
}

inline float pair_trigger(float exponent) { return (exponent + 32.0f) * 0.69314718056f; }

// Whole tiles from `i` on; returns where it stopped, at `stop` or at a tile that calls for another exponent.
inline int64_t add_whole_pairs(const float* from, int64_t i, int64_t stop, float exponent, Sums* sums) {
  const Exponential exponential;
  const Floats trigger = fill(pair_trigger(exponent));
  Floats lanes[TILE] = {sums->lanes[0], sums->lanes[1], sums->lanes[2], sums->lanes[3]};
  for (; i + TILE_FLOATS <= stop; i += TILE_FLOATS) {
    prefetch_tile(from + i + AHEAD_FLOATS);
    const Tile tile = whole_tile(from + i);
    if (is_above(tile, trigger)) break;
    add_pairs(exponential, tile, exponent, lanes);
  }
  memcpy(sums->lanes, lanes, sizeof lanes);
  return i;
}

SoftmaxPair softmax_pairs(const float* from, int64_t count) {
  double total = 0;
  float exponent = SOFTMAX_LOWEST;
  for (int64_t start = 0; start < count; start += SOFTMAX_BLOCK) {
    const int64_t stop = count - start < SOFTMAX_BLOCK ? count : start + SOFTMAX_BLOCK;
    Sums sums;
    for (int64_t i = start; i < stop;) {
      i = add_whole_pairs(from, i, stop, exponent, &sums);
      if (i >= stop) break;
      const Tile tile = tile_at(from, i, stop);
      if (is_above(tile, fill(pair_trigger(exponent)))) {
        const float largest = largest_of(tile);
        if (!(largest < BOUND)) return {0, 0, false};
        const float raised = __builtin_ceilf(largest * LOG2_E);
        const double factor = __builtin_ldexp(1.0, (int)(exponent - raised));
        total *= factor;
        sums.scale((float)factor);
        exponent = raised;
      }
      add_pairs(Exponential(), tile, exponent, sums.lanes);
      i += TILE_FLOATS;
    }
    total += sums.total();
  }
  return {total, (int32_t)exponent, total < __DBL_MAX__};
}

// Writes make(x) for every x. Prefetching runs past the end, where the next row or piece begins.
template <class Make>
inline void write(const float* from, float* to, int64_t count, bool is_streamed, Make make) {
  const int64_t misaligned = (int64_t)((uintptr_t)to % VECTOR_BYTES) / 4;
  int64_t i = is_streamed && misaligned ? LANES - misaligned : 0;
  if (i > count) i = count;
  if (i) store_some(to, make(load_some(from, i, 0.0f)), i);
  for (; i + TILE_FLOATS <= count; i += TILE_FLOATS) {
    prefetch_tile(from + i + AHEAD_FLOATS);
#pragma GCC unroll 4
    for (int j = 0; j < TILE; ++j) {
      const Floats y = make(load(from + i + j * LANES));
      if (is_streamed) stream(to + i + j * LANES, y);
      else store(to + i + j * LANES, y);
    }
  }
  for (; i + LANES <= count; i += LANES) store(to + i, make(load(from + i)));
  if (i < count) store_some(to + i, make(load_some(from + i, count - i, 0.0f)), count - i);
  if (is_streamed) finish_streams();
}

void softmax_from_pair(const float* from, float* to, int64_t count, int32_t exponent, float factor, bool is_streamed) {
  const Exponential exponential(factor);
  const Floats rounder = fill(ROUNDER - (float)exponent), least = fill(lowest((float)exponent));
  write(from, to, count, is_streamed, [&](Floats x) {
    Floats polynomial, power;
    exponential.split(larger(least, x), rounder, true, &polynomial, &power);
    return polynomial * power;
  });
}

void softmax_scale(float* to, int64_t count, float factor) {
  write(to, to, count, false, [&](Floats x) { return x * factor; });
}

float softmax_largest(const float* from, int64_t count) {
  Floats found[TILE];
  for (Floats& largest : found) largest = fill(-INFINITE);
  int64_t i = 0;
  for (; i + TILE_FLOATS <= count; i += TILE_FLOATS) {
    prefetch_tile(from + i + AHEAD_FLOATS);
#pragma GCC unroll 4
    for (int j = 0; j < TILE; ++j) found[j] = larger(load(from + i + j * LANES), found[j]);
  }
  const Floats rest = tile_at(from, i, count).largest();
  return largest_lane(larger(rest, larger(larger(found[0], found[1]), larger(found[2], found[3]))));
}

inline void store_exponentials(const Exponential& exponential, Tile* tile, float reference, Floats* sums) {
#pragma GCC unroll 4
  for (int j = 0; j < TILE; ++j) {
    tile->x[j] = exponential(tile->x[j] - reference);
    sums[j] += tile->x[j];
  }
}

inline int64_t store_whole(const float* from, float* to, int64_t i, int64_t stop, float reference, Sums* sums) {
  const Exponential exponential;
  const Floats trigger = fill(reference + SLACK_NATS);
  Floats lanes[TILE] = {sums->lanes[0], sums->lanes[1], sums->lanes[2], sums->lanes[3]};
  for (; i + TILE_FLOATS <= stop; i += TILE_FLOATS) {
    prefetch_tile(from + i + AHEAD_FLOATS);
    Tile tile = whole_tile(from + i);
    if (is_above(tile, trigger)) break;
    store_exponentials(exponential, &tile, reference, lanes);
#pragma GCC unroll 4
    for (int j = 0; j < TILE; ++j) store(to + i + j * LANES, tile.x[j]);
  }
  memcpy(sums->lanes, lanes, sizeof lanes);
  return i;
}

__attribute__((noinline)) SoftmaxSum store_relative(const float* from, float* to, int64_t count) {
  const Exponential exponential;
  double total = 0;
  float reference = largest_of(tile_at(from, 0, count));
  if (reference < -GREATEST) reference = -GREATEST;
  int num_raises = 0;
  for (int64_t start = 0; start < count; start += SOFTMAX_BLOCK) {
    const int64_t stop = count - start < SOFTMAX_BLOCK ? count : start + SOFTMAX_BLOCK;
    Sums sums;
    for (int64_t i = start; i < stop;) {
      i = store_whole(from, to, i, stop, reference, &sums);
      if (i >= stop) break;
      Tile tile = tile_at(from, i, stop);
      if (is_above(tile, fill(reference + SLACK_NATS))) {
        // What was written is made relative to the new one. After many, it is the largest of all that is left.
        const float raised = ++num_raises > MAX_RAISES ? softmax_largest(from + i, count - i) : largest_of(tile);
        // A factor below a float's range is taken in two steps, for what it multiplies may be above 1.
        const int num_steps = reference - raised < -FARTHEST_STEP ? 2 : 1;
        const float factor = exponential(fill((reference - raised) / (float)num_steps))[0];
        for (int step = 0; step < num_steps; ++step) {
          softmax_scale(to, i, factor);
          total *= factor;
          sums.scale(factor);
        }
        reference = raised;
      }
      store_exponentials(exponential, &tile, reference, sums.lanes);
      store_tile(to, tile, i, stop);
      i += TILE_FLOATS;
    }
    total += sums.total();
  }
  return {total, reference};
}

// A row whose exp lies in `to`, and waits to be multiplied by `factor`.
struct Waiting {
  float* to;
  float factor;
};

// The exponent that a row's exp is taken relative to; NaN where its first numbers are too far from 0 for one.
inline float exponent_of(const float* from, int64_t count) {
  if (from[0] > -16 && from[0] < 16) return USUAL_EXPONENT;
  const float largest = largest_of(tile_at(from, 0, count));
  if (largest == -INFINITE) return USUAL_EXPONENT;
  return largest > -MOST_NATS && largest < MOST_NATS ? __builtin_floorf(largest * LOG2_E) : __builtin_nanf("");
}

// Whole tiles from `i` to `stop`, and as many of the waiting row's. Each row's stores come together: where the rows are a
// multiple of a page apart, a load waits for a store to the same place of another page.
template <bool HAS_WAITING>
inline void store_beside(const Exponential& exponential, const float* from, float* to, int64_t i, int64_t stop,
                         Waiting waiting, Floats* sums) {
  Floats lanes[TILE] = {sums[0], sums[1], sums[2], sums[3]};
  for (; i < stop; i += TILE_FLOATS) {
    Floats found[TILE], scaled[TILE];
#pragma GCC unroll 4
    for (int j = 0; j < TILE; ++j) {
      found[j] = exponential(load(from + i + j * LANES));
      lanes[j] += found[j];
      if (HAS_WAITING) scaled[j] = load(waiting.to + i + j * LANES) * waiting.factor;
    }
#pragma GCC unroll 4
    for (int j = 0; j < TILE; ++j) store(to + i + j * LANES, found[j]);
#pragma GCC unroll 4
    for (int j = 0; HAS_WAITING && j < TILE; ++j) store(waiting.to + i + j * LANES, scaled[j]);
  }
  memcpy(sums, lanes, sizeof lanes);
}

inline float power_of_two(int exponent) {
  const int32_t bits = (exponent + 127) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return power;
}

// exp(x) 2^-exponent into `to`, for processors whose exp saturates; returns their sum. The row before is scaled on the
// way: its loads and stores fit between the arithmetic.
inline double store_saturated(const float* from, float* to, int64_t count, float exponent, Waiting waiting) {
  const Exponential exponential(power_of_two(-(int)exponent));
  const int64_t whole = count / TILE_FLOATS * TILE_FLOATS;
  const int64_t last = whole / SOFTMAX_BLOCK * SOFTMAX_BLOCK;
  double total = 0;
  for (int64_t i = 0; i < last; i += SOFTMAX_BLOCK) {
    Sums sums;
    if (waiting.to) store_beside<true>(exponential, from, to, i, i + SOFTMAX_BLOCK, waiting, sums.lanes);
    else store_beside<false>(exponential, from, to, i, i + SOFTMAX_BLOCK, waiting, sums.lanes);
    total += sums.total();
  }
  Sums sums;
  if (waiting.to) store_beside<true>(exponential, from, to, last, whole, waiting, sums.lanes);
  else store_beside<false>(exponential, from, to, last, whole, waiting, sums.lanes);
  if (whole < count) {
    if (waiting.to) softmax_scale(waiting.to + whole, count - whole, waiting.factor);
    Tile tile = tile_at(from, whole, count);
    store_exponentials(exponential, &tile, 0.0f, sums.lanes);
    store_tile(to, tile, whole, count);
  }
  return total + sums.total();
}

// Whether no number was lost and none rounded to infinity. NaN is not either.
inline bool is_in_range(double sum) { return sum >= 1 && sum < 0x1p100; }

SoftmaxSum softmax_store(const float* from, float* to, int64_t count) {
  const float exponent = exponent_of(from, count);
  if (SATURATES && from != to && exponent == exponent) {
    const double sum = store_saturated(from, to, count, exponent, {nullptr, 0});
    if (is_in_range(sum)) return {sum, exponent * LN2_DOUBLE};
  }
  return store_relative(from, to, count);
}

void softmax_rows(const float* from, float* to, int64_t count, int64_t num_rows) {
  Waiting waiting = {nullptr, 0};
  for (int64_t row = 0; row < num_rows; ++row, from += count, to += count) {
    const float exponent = exponent_of(from, count);
    double sum = 0;
    if (SATURATES && from != to && exponent == exponent) {
      sum = store_saturated(from, to, count, exponent, waiting);
    } else if (waiting.to) {
      softmax_scale(waiting.to, count, waiting.factor);
    }
    if (!is_in_range(sum)) sum = store_relative(from, to, count).sum;
    waiting = {to, (float)(1 / sum)};
  }
  if (waiting.to) softmax_scale(waiting.to, count, waiting.factor);
}

double softmax_sum_above(const float* from, int64_t count, float largest) {
  const Exponential exponential;
  double total = 0;
  for (int64_t stop = count; stop > 0; stop -= SOFTMAX_BLOCK) {
    const int64_t start = stop > SOFTMAX_BLOCK ? stop - SOFTMAX_BLOCK : 0;
    Sums sums;
    int64_t i = start;
    for (; i + TILE_FLOATS <= stop; i += TILE_FLOATS) {
      const Tile tile = whole_tile(from + i);
#pragma GCC unroll 4
      for (int j = 0; j < TILE; ++j) sums.lanes[j] += exponential(tile.x[j] - largest);
    }
    const Tile tile = tile_at(from, i, stop);
    for (int j = 0; j < TILE; ++j) sums.lanes[j] += exponential(tile.x[j] - largest);
    total += sums.total();
  }
  return total;
}

void softmax_from_largest(const float* from, float* to, int64_t count, float largest, float factor, bool is_streamed) {
  const Exponential exponential(factor);
  write(from, to, count, is_streamed, [&](Floats x) { return exponential(x - largest); });
}

void log_softmax_write(const float* from, float* to, int64_t count, float reference, float rest, bool is_streamed) {
  write(from, to, count, is_streamed, [&](Floats x) { return (x - reference) - rest; });
}

void softmax_bare_exponential(const float* from, float* to, int64_t count) {
  const Exponential exponential;
  write(from, to, count, false, [&](Floats x) { return exponential(x); });
}

void softmax_bare_traffic(const float* from, float* to, int64_t count) {
  volatile float kept = softmax_largest(from, count);
  (void)kept;
  write(from, to, count, true, [&](Floats x) { return x; });
}

}  // namespace

#define KERNEL(name, type) OMNILOOM_KERNEL(name, type, name)
#include "kernels.inc"

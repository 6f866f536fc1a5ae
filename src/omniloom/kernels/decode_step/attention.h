// One row's attention over its cache.
#pragma once
#include "decode_step.h"
#include "vectors.h"

namespace {

// Rotary position, halves form: the first half of a head turns with the second.
void rotate(float* head, const float* cosines, const float* sines, int half) {
  for (int i = 0; i < half; ++i) {
    const float first = head[i], second = head[i + half];
    head[i] = first * cosines[i] - second * sines[i];
    head[i + half] = second * cosines[i] + first * sines[i];
  }
}

// Turns a row's queries and writes its new keys and values to its cache.
void remember(const OmniloomDecoder& decoder, const OmniloomRow& row, int layer, float* qkv) {
  const int heads = decoder.num_query_heads, groups = decoder.num_key_heads, head_width = decoder.head_width;
  const int half = head_width / 2;
  const float* cosines = decoder.cosines + (int64_t)row.position * half;
  const float* sines = decoder.sines + (int64_t)row.position * half;
  float *new_keys = qkv + heads * head_width, *new_values = new_keys + groups * head_width;
  for (int head = 0; head < heads; ++head) {
    float* query = qkv + head * head_width;
    normalize(query, nullptr, head_width, decoder.norm_epsilon, query);
    rotate(query, cosines, sines, half);
  }
  for (int group = 0; group < groups; ++group) {
    const int64_t offset = layer * row.layer_stride + group * row.head_stride + (int64_t)row.position * head_width;
    normalize(new_keys + group * head_width, nullptr, head_width, decoder.norm_epsilon, row.keys + offset);
    rotate(row.keys + offset, cosines, sines, half);
    memcpy(row.values + offset, new_values + group * head_width, head_width * sizeof(float));
  }
}

// A query times each of up to LANES keys, four at a time; lanes behind them hold the last one's again.
inline Floats few_scores(const float* keys, const float* query, int count, int width) {
  Floats sums[LANES];
  for (int first = 0; first < LANES; first += 4) {
    const float* four[4];
#pragma GCC unroll 4
    for (int key = 0; key < 4; ++key)
      four[key] = keys + (int64_t)(first + key < count ? first + key : count - 1) * width;
    Floats found[4] = {};
    int at = 0;
    for (; at + LANES <= width; at += LANES) {
      const Floats part = load(query + at);
#pragma GCC unroll 4
      for (int key = 0; key < 4; ++key) found[key] = multiply_add(load(four[key] + at), part, found[key]);
    }
    if (at < width) {
      const Floats part = load_part(query + at, width - at);
      for (int key = 0; key < 4; ++key)
        found[key] = multiply_add(load_part(four[key] + at, width - at), part, found[key]);
    }
#pragma GCC unroll 4
    for (int key = 0; key < 4; ++key) sums[first + key] = found[key];
  }
  return sums_of(sums);
}

// The scaled scores of all keys, and up to LANES - 1 of minus infinity behind them; the largest.
float score(const float* keys, const float* query, int length, int width, float scale, float* scores) {
  Floats largest = fill(-INFINITY);
  int position = 0;
  for (; position + LANES <= length; position += LANES) {
    const Floats found = few_scores(keys + (int64_t)position * width, query, LANES, width) * scale;
    largest = found > largest ? found : largest;
    store(scores + position, found);
  }
  if (position < length) {
    Floats found = few_scores(keys + (int64_t)position * width, query, length - position, width) * scale;
    for (int lane = length - position; lane < LANES; ++lane) found[lane] = -INFINITY;
    largest = found > largest ? found : largest;
    store(scores + position, found);
  }
  float most = largest[0];
  for (int lane = 1; lane < LANES; ++lane) most = largest[lane] > most ? largest[lane] : most;
  return most;
}

// exp(score - largest) of whole vectors, in place; 1 over their sum. Minus infinity gives next to nothing: 2^-126.
float weigh(float* scores, int length, float largest) {
  Floats total = {};
  for (int i = 0; i < length; i += LANES) {
    const Floats weights = exponential(load(scores + i) - largest);
    store(scores + i, weights);
    total += weights;
  }
  return 1.0f / sum(total);
}

// The sum of `length` vectors, each by its weight, times `scale`; up to four vectors of lanes stay in registers on the way.
void mix(const float* weights, float scale, const float* values, int length, int width, float* mixed) {
  int i = 0;
  for (; i + 4 * LANES <= width; i += 4 * LANES) {
    Floats sums[4] = {};
    for (int s = 0; s < length; ++s)
#pragma GCC unroll 4
      for (int part = 0; part < 4; ++part)
        sums[part] = multiply_add(fill(weights[s]), load(values + (int64_t)s * width + i + part * LANES), sums[part]);
    for (int part = 0; part < 4; ++part) store(mixed + i + part * LANES, sums[part] * scale);
  }
  for (; i < width; ++i) {
    float total = 0.0f;
    for (int s = 0; s < length; ++s) total += weights[s] * values[(int64_t)s * width + i];
    mixed[i] = total * scale;
  }
}

// Every query head of a row looks at all positions of its cache up to and with its own. `scores` has room for so many,
// up to a whole vector.
void attend(const OmniloomDecoder& decoder, const OmniloomRow& row, int layer, const float* queries, float* attended,
            float* scores) {
  const int head_width = decoder.head_width, length = row.position + 1;
  const int heads_per_group = decoder.num_query_heads / decoder.num_key_heads;
  for (int head = 0; head < decoder.num_query_heads; ++head) {
    const int64_t offset = layer * row.layer_stride + head / heads_per_group * row.head_stride;
    const float* query = queries + head * head_width;
    const float largest = score(row.keys + offset, query, length, head_width, decoder.attention_scale, scores);
    const float scale = weigh(scores, length, largest);
    mix(scores, scale, row.values + offset, length, head_width, attended + head * head_width);
  }
}

}  // namespace

// The decode step written once over vectors of VECTOR_BYTES; each instruction set compiles it with its own flags.
// Compiler vectors (GCC and Clang) rather than intrinsics: one text to read, and three to measure. The body includes
// nothing but C headers and everything is static, so that no function compiled for AVX-512 is merged with a portable one.
#include <math.h>
#include <string.h>

#include "decode_step.h"

namespace {

constexpr int LANES = VECTOR_BYTES / 4;
typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Words __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t Bits __attribute__((vector_size(VECTOR_BYTES)));
typedef uint16_t Halves __attribute__((vector_size(VECTOR_BYTES / 2)));

inline Floats load(const float* from) {
  Floats values;
  memcpy(&values, from, sizeof values);
  return values;
}

inline Floats load(const uint16_t* from) {
  Halves halves;
  memcpy(&halves, from, sizeof halves);
  return (Floats)(__builtin_convertvector(halves, Bits) << 16);
}

inline float widen(const float* from) { return *from; }

inline float widen(const uint16_t* from) {
  const uint32_t bits = (uint32_t)*from << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline void store(float* to, Floats values) { memcpy(to, &values, sizeof values); }

inline Floats fill(float value) { return value - Floats{}; }

inline float sum(Floats values) {
  float lanes[LANES];
  memcpy(lanes, &values, sizeof lanes);
#pragma GCC unroll 8
  for (int width = LANES / 2; width > 0; width /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

// exp after Cephes: x = n ln 2 + r, a polynomial of degree 5 in r, n added to the exponent. Inputs are clamped to ±87.
inline Floats exponential(Floats x) {
  x = x > 87.0f ? fill(87.0f) : x;
  x = x < -87.0f ? fill(-87.0f) : x;
  const Floats rounder = fill(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Floats n = (x * 1.44269504f + rounder) - rounder;
  const Floats r = x - n * 0.693359375f - n * -2.12194440e-4f;
  Floats p = fill(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Words exponent = (__builtin_convertvector(n, Words) + 127) << 23;
  return p * (Floats)exponent;
}

template <int ROWS, typename Weight>
inline void multiply_rows(const Weight* weight, int columns, const float* input, float* output) {
  Floats sums[ROWS] = {};
  int column = 0;
  for (; column + LANES <= columns; column += LANES) {
    const Floats x = load(input + column);
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row) sums[row] += load(weight + (int64_t)row * columns + column) * x;
  }
  for (int row = 0; row < ROWS; ++row) {
    float total = sum(sums[row]);
    for (int rest = column; rest < columns; ++rest) total += widen(weight + (int64_t)row * columns + rest) * input[rest];
    output[row] = total;
  }
}

template <typename Weight>
void multiply(const Weight* weight, int rows, int columns, const float* input, float* output) {
  int row = 0;
  for (; row + 4 <= rows; row += 4) multiply_rows<4>(weight + (int64_t)row * columns, columns, input, output + row);
  for (; row < rows; ++row) multiply_rows<1>(weight + (int64_t)row * columns, columns, input, output + row);
}

// Rows `start` to `stop` of matrix times vector.
void multiply(const OmniloomMatrix& matrix, int start, int stop, const float* input, float* output) {
  const int64_t offset = (int64_t)start * matrix.columns;
  if (matrix.is_bfloat16)
    multiply((const uint16_t*)matrix.weight + offset, stop - start, matrix.columns, input, output);
  else
    multiply((const float*)matrix.weight + offset, stop - start, matrix.columns, input, output);
}

void multiply(const OmniloomMatrix& matrix, const float* input, float* output) {
  multiply(matrix, 0, matrix.rows, input, output);
}

float dot(const float* a, const float* b, int count) {
  Floats sums = {};
  int i = 0;
  for (; i + LANES <= count; i += LANES) sums += load(a + i) * load(b + i);
  float total = sum(sums);
  for (; i < count; ++i) total += a[i] * b[i];
  return total;
}

void add_scaled(float* to, float scale, const float* from, int count) {
  int i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, load(to + i) + scale * load(from + i));
  for (; i < count; ++i) to[i] += scale * from[i];
}

// Root-mean-square norm: x * weight / sqrt(mean(x^2) + epsilon); a null weight is all ones. In place is fine.
void normalize(const float* input, const float* weight, int count, float epsilon, float* output) {
  const float scale = 1.0f / sqrtf(dot(input, input, count) / (float)count + epsilon);
  if (weight)
    for (int i = 0; i < count; ++i) output[i] = input[i] * scale * weight[i];
  else
    for (int i = 0; i < count; ++i) output[i] = input[i] * scale;
}

// Rotary position, halves form: the first half of a head turns with the second.
void rotate(float* head, const float* cosines, const float* sines, int half) {
  for (int i = 0; i < half; ++i) {
    const float first = head[i], second = head[i + half];
    head[i] = first * cosines[i] - second * sines[i];
    head[i + half] = second * cosines[i] + first * sines[i];
  }
}

void softmax(float* scores, int count) {
  float largest = scores[0];
  for (int i = 1; i < count; ++i) largest = scores[i] > largest ? scores[i] : largest;
  float total = 0.0f;
  int i = 0;
  for (; i + LANES <= count; i += LANES) {
    const Floats weights = exponential(load(scores + i) - largest);
    store(scores + i, weights);
    total += sum(weights);
  }
  for (; i < count; ++i) total += scores[i] = expf(scores[i] - largest);
  const float scale = 1.0f / total;
  for (i = 0; i < count; ++i) scores[i] *= scale;
}

// silu(gate) * value, into gate.
void gate(float* gates, const float* values, int count) {
  int i = 0;
  for (; i + LANES <= count; i += LANES) {
    const Floats x = load(gates + i);
    store(gates + i, x / (1.0f + exponential(-x)) * load(values + i));
  }
  for (; i < count; ++i) gates[i] = gates[i] / (1.0f + expf(-gates[i])) * values[i];
}

struct Workspace {
  float *stream, *normed, *qkv, *attended, *gate_value, *scores;
};

// Writes the new key and value to the cache, then lets every query head look at all positions up to and with it.
void attend(const OmniloomDecoder& decoder, const OmniloomRow& row, int index, Workspace w) {
  const int heads = decoder.num_query_heads, groups = decoder.num_key_heads, head_width = decoder.head_width;
  const int half = head_width / 2, length = row.position + 1, heads_per_group = heads / groups;
  const float* cosines = decoder.cosines + (int64_t)row.position * half;
  const float* sines = decoder.sines + (int64_t)row.position * half;
  float *queries = w.qkv, *new_keys = w.qkv + heads * head_width, *new_values = new_keys + groups * head_width;
  for (int head = 0; head < heads; ++head) {
    float* query = queries + head * head_width;
    normalize(query, nullptr, head_width, decoder.norm_epsilon, query);
    rotate(query, cosines, sines, half);
  }
  for (int group = 0; group < groups; ++group) {
    float* keys = row.keys + index * row.layer_stride + group * row.head_stride;
    float* values = row.values + index * row.layer_stride + group * row.head_stride;
    float* key = keys + (int64_t)row.position * head_width;
    normalize(new_keys + group * head_width, nullptr, head_width, decoder.norm_epsilon, key);
    rotate(key, cosines, sines, half);
    memcpy(values + (int64_t)row.position * head_width, new_values + group * head_width, head_width * sizeof(float));
    for (int head = group * heads_per_group; head < (group + 1) * heads_per_group; ++head) {
      const float* query = queries + head * head_width;
      float* attended = w.attended + head * head_width;
      multiply(keys, length, head_width, query, w.scores);
      for (int s = 0; s < length; ++s) w.scores[s] *= decoder.attention_scale;
      softmax(w.scores, length);
      memset(attended, 0, head_width * sizeof(float));
      for (int s = 0; s < length; ++s) add_scaled(attended, w.scores[s], values + (int64_t)s * head_width, head_width);
    }
  }
}

Workspace divide(const OmniloomDecoder& decoder, float* memory) {
  const int query_width = decoder.num_query_heads * decoder.head_width;
  Workspace w;
  w.stream = memory;
  w.normed = w.stream + decoder.width;
  w.qkv = w.normed + (decoder.width > query_width ? decoder.width : query_width);
  w.attended = w.qkv + query_width + 2 * decoder.num_key_heads * decoder.head_width;
  w.gate_value = w.attended + query_width;
  w.scores = w.gate_value + 2 * decoder.hidden;
  return w;
}

}  // namespace

extern "C" void DECODE_STEP(const OmniloomDecoder* decoder, const OmniloomRow* row, float* memory, float* logits) {
  const int width = decoder->width, hidden = decoder->hidden;
  const Workspace w = divide(*decoder, memory);
  const float* embedding = decoder->embedding + (int64_t)row->token * width;
  const float* slot = decoder->slots + (int64_t)row->slot * width;
  for (int i = 0; i < width; ++i) w.stream[i] = embedding[i] + slot[i];
  normalize(w.stream, nullptr, width, decoder->norm_epsilon, w.stream);
  for (int index = 0; index < decoder->num_layers; ++index) {
    const OmniloomLayer& layer = decoder->layers[index];
    normalize(w.stream, layer.attention_norm, width, decoder->norm_epsilon, w.normed);
    multiply(layer.qkv, w.normed, w.qkv);
    attend(*decoder, *row, index, w);
    multiply(layer.attention_out, w.attended, w.normed);
    add_scaled(w.stream, 1.0f, w.normed, width);
    normalize(w.stream, layer.feedforward_norm, width, decoder->norm_epsilon, w.normed);
    multiply(layer.gate_value, w.normed, w.gate_value);
    gate(w.gate_value, w.gate_value + hidden, hidden);
    multiply(layer.feedforward_out, w.gate_value, w.normed);
    add_scaled(w.stream, 1.0f, w.normed, width);
  }
  normalize(w.stream, nullptr, width, decoder->norm_epsilon, w.normed);
  for (int i = 0; i < row->num_ranges; ++i) {
    const int start = row->ranges[2 * i], stop = row->ranges[2 * i + 1];
    multiply(decoder->logits, start, stop, w.normed, logits + start);
  }
}

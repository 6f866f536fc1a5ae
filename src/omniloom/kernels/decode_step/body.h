// The decode step, written once over vectors of VECTOR_BYTES; each instruction set compiles it with its own flags.
// Compiler vectors (GCC and Clang) rather than intrinsics: one text to read, and three to measure. The body includes
// nothing but C headers and everything is static, so that no function compiled for AVX-512 is merged with a portable one.
#include <math.h>
#include <string.h>

#include "../dispatch/dispatch.h"
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

// Adds the lanes in the order of a butterfly: halves, quarters, and so on.
inline float sum(Floats values) {
#if defined(__clang__)
  float lanes[LANES];
  memcpy(lanes, &values, sizeof lanes);
#pragma GCC unroll 8
  for (int width = LANES / 2; width > 0; width /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
#else
  Words places;
  for (int i = 0; i < LANES; ++i) places[i] = i;
#pragma GCC unroll 8
  for (int width = LANES / 2; width > 0; width /= 2) values += __builtin_shuffle(values, places ^ width);
  return values[0];
#endif
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

// ROWS weight rows times INPUTS vectors. Each product sums its columns in one order, whatever the tile it is in.
template <int ROWS, int INPUTS, typename Weight>
inline void multiply_tile(const Weight* weight, int columns, const float* inputs, int64_t input_stride, float* outputs,
                          int64_t output_stride) {
  Floats sums[INPUTS][ROWS] = {};
  int column = 0;
  for (; column + LANES <= columns; column += LANES) {
    Floats weights[ROWS];
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row) weights[row] = load(weight + (int64_t)row * columns + column);
#pragma GCC unroll 8
    for (int input = 0; input < INPUTS; ++input) {
      const Floats x = load(inputs + input * input_stride + column);
#pragma GCC unroll 8
      for (int row = 0; row < ROWS; ++row) sums[input][row] += weights[row] * x;
    }
  }
  for (int input = 0; input < INPUTS; ++input)
    for (int row = 0; row < ROWS; ++row) {
      float total = sum(sums[input][row]);
      for (int rest = column; rest < columns; ++rest)
        total += widen(weight + (int64_t)row * columns + rest) * inputs[input * input_stride + rest];
      outputs[input * output_stride + row] = total;
    }
}

template <int ROWS, typename Weight>
void multiply_inputs(const Weight* weight, int columns, const float* inputs, int64_t input_stride, float* outputs,
                     int64_t output_stride, int count) {
  int i = 0;
  for (; i + TILE_INPUTS <= count; i += TILE_INPUTS)
    multiply_tile<ROWS, TILE_INPUTS>(weight, columns, inputs + i * input_stride, input_stride,
                                     outputs + i * output_stride, output_stride);
  for (; i < count; ++i)
    multiply_tile<ROWS, 1>(weight, columns, inputs + i * input_stride, input_stride, outputs + i * output_stride,
                           output_stride);
}

template <typename Weight>
void multiply(const Weight* weight, int rows, int columns, const float* inputs, int64_t input_stride, float* outputs,
              int64_t output_stride, int count) {
  int row = 0;
  for (; row + 4 <= rows; row += 4)
    multiply_inputs<4>(weight + (int64_t)row * columns, columns, inputs, input_stride, outputs + row, output_stride,
                       count);
  for (; row < rows; ++row)
    multiply_inputs<1>(weight + (int64_t)row * columns, columns, inputs, input_stride, outputs + row, output_stride,
                       count);
}

// Vectors of a call, `stride` apart, one for each row.
struct Vectors {
  float* first;
  int64_t stride;
  float* of(int row) const { return first + row * stride; }
};

// Rows `start` to `stop` of the matrix times `count` vectors.
void multiply(const OmniloomMatrix& matrix, int start, int stop, Vectors inputs, Vectors outputs, int count) {
  const int64_t offset = (int64_t)start * matrix.columns;
  if (matrix.is_bfloat16)
    multiply((const uint16_t*)matrix.weight + offset, stop - start, matrix.columns, inputs.first, inputs.stride,
             outputs.first, outputs.stride, count);
  else
    multiply((const float*)matrix.weight + offset, stop - start, matrix.columns, inputs.first, inputs.stride,
             outputs.first, outputs.stride, count);
}

void multiply(const OmniloomMatrix& matrix, Vectors inputs, Vectors outputs, int count) {
  multiply(matrix, 0, matrix.rows, inputs, outputs, count);
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

// The sum of `length` vectors, each by its weight; up to four vectors of lanes stay in registers on the way.
void mix(const float* weights, const float* values, int length, int width, float* mixed) {
  int i = 0;
  for (; i + 4 * LANES <= width; i += 4 * LANES) {
    Floats sums[4] = {};
    for (int s = 0; s < length; ++s)
#pragma GCC unroll 4
      for (int part = 0; part < 4; ++part)
        sums[part] += weights[s] * load(values + (int64_t)s * width + i + part * LANES);
    for (int part = 0; part < 4; ++part) store(mixed + i + part * LANES, sums[part]);
  }
  for (; i < width; ++i) {
    float total = 0.0f;
    for (int s = 0; s < length; ++s) total += weights[s] * values[(int64_t)s * width + i];
    mixed[i] = total;
  }
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
  Vectors stream, normed, qkv, attended, gate_value;
  float* scores;
};

Workspace divide(const OmniloomDecoder& decoder, float* memory, int num_rows) {
  const int64_t query_width = (int64_t)decoder.num_query_heads * decoder.head_width;
  const int64_t widths[] = {decoder.width, decoder.width,
                            query_width + 2LL * decoder.num_key_heads * decoder.head_width, query_width,
                            2LL * decoder.hidden};
  Vectors parts[5];
  for (int i = 0; i < 5; ++i) {
    parts[i] = {memory, widths[i]};
    memory += widths[i] * num_rows;
  }
  return {parts[0], parts[1], parts[2], parts[3], parts[4], memory};
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

// Every query head of a row looks at all positions of its cache up to and with its own.
void attend(const OmniloomDecoder& decoder, const OmniloomRow& row, int layer, const float* queries, float* attended,
            float* scores) {
  const int head_width = decoder.head_width, length = row.position + 1;
  const int heads_per_group = decoder.num_query_heads / decoder.num_key_heads;
  for (int head = 0; head < decoder.num_query_heads; ++head) {
    const int64_t offset = layer * row.layer_stride + head / heads_per_group * row.head_stride;
    float* mixed = attended + head * head_width;
    multiply(row.keys + offset, length, head_width, queries + head * head_width, 0, scores, 0, 1);
    for (int s = 0; s < length; ++s) scores[s] *= decoder.attention_scale;
    softmax(scores, length);
    mix(scores, row.values + offset, length, head_width, mixed);
  }
}

void decode_step(const OmniloomDecoder* decoder, const OmniloomCall* call) {
  const int width = decoder->width, hidden = decoder->hidden, count = call->num_rows;
  const Workspace w = divide(*decoder, call->workspace, count);
  const auto normalize_all = [&](const float* weight) {
    for (int row = 0; row < count; ++row)
      normalize(w.stream.of(row), weight, width, decoder->norm_epsilon, w.normed.of(row));
  };
  for (int row = 0; row < count; ++row) {
    const OmniloomRow& given = call->rows[row];
    const float* embedding = given.input ? given.input : decoder->embedding + (int64_t)given.token * width;
    const float* slot = decoder->slots + (int64_t)given.slot * width;
    float* stream = w.stream.of(row);
    for (int i = 0; i < width; ++i) stream[i] = embedding[i] + slot[i];
    normalize(stream, nullptr, width, decoder->norm_epsilon, stream);
  }
  for (int index = 0; index < decoder->num_layers; ++index) {
    const OmniloomLayer& layer = decoder->layers[index];
    normalize_all(layer.attention_norm);
    multiply(layer.qkv, w.normed, w.qkv, count);
    for (int row = 0; row < count; ++row) remember(*decoder, call->rows[row], index, w.qkv.of(row));
    for (int row = 0; row < count; ++row)
      attend(*decoder, call->rows[row], index, w.qkv.of(row), w.attended.of(row), w.scores);
    multiply(layer.attention_out, w.attended, w.normed, count);
    add_scaled(w.stream.first, 1.0f, w.normed.first, count * width);
    normalize_all(layer.feedforward_norm);
    multiply(layer.gate_value, w.normed, w.gate_value, count);
    for (int row = 0; row < count; ++row) gate(w.gate_value.of(row), w.gate_value.of(row) + hidden, hidden);
    multiply(layer.feedforward_out, w.gate_value, w.normed, count);
    add_scaled(w.stream.first, 1.0f, w.normed.first, count * width);
  }
  normalize_all(nullptr);
  const int first = count - call->num_logits;
  for (int i = 0; i < call->num_ranges; ++i) {
    const int start = call->ranges[2 * i], stop = call->ranges[2 * i + 1];
    multiply(decoder->logits, start, stop, {w.normed.of(first), w.normed.stride},
             {call->logits + start, decoder->num_outputs}, call->num_logits);
  }
}

}  // namespace

#define KERNEL(name, type) OMNILOOM_KERNEL(name, type, name)
#include "kernels.inc"

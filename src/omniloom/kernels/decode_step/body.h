// The decode step, written once over vectors of VECTOR_BYTES; each instruction set compiles it with its own flags. The
// body includes nothing but C headers and everything is static, so that no function compiled for AVX-512 is merged with a
// portable one.
#include "../dispatch/dispatch.h"
#include "attention.h"
#include "decode_step.h"
#include "picking.h"
#include "product.h"
#include "vectors.h"

namespace {

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
  Vectors stream, normed, qkv, attended, gate_value, more, head, digits, rounded;
  float* scores;
  uint32_t* words() const { return (uint32_t*)rounded.first; }
};

Workspace divide(const OmniloomDecoder& decoder, float* memory, int num_rows) {
  const int64_t query_width = (int64_t)decoder.num_query_heads * decoder.head_width;
  const int64_t widths[] = {decoder.width,
                            decoder.width,
                            query_width + 2LL * decoder.num_key_heads * decoder.head_width,
                            query_width,
                            2LL * decoder.hidden,
                            (int64_t)decoder.num_more * decoder.width,
                            decoder.width,
                            decoder.most_digits,
                            omniloom_rounded_width(&decoder)};
  Vectors parts[9];
  for (int i = 0; i < 9; ++i) {
    parts[i] = {memory, widths[i]};
    memory += widths[i] * num_rows;
  }
  return {parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], parts[7], parts[8], memory};
}

// The vectors of all rows: a token's own, its slot's, and those of the ids beside it.
void embed(const OmniloomDecoder& decoder, const OmniloomCall& call, const Workspace& w) {
  const int width = decoder.width;
  int num_joined = 0;
  for (int row = 0; row < call.num_rows; ++row) {
    const int32_t* more = call.rows[row].more;
    if (!more) continue;
    float* joined = w.more.of(num_joined++);
    for (int place = 0; place < decoder.num_more; ++place) {
      const float* vector = decoder.embedding + (int64_t)more[place] * width;
      if (more[place] >= 0)
        memcpy(joined + place * width, vector, width * sizeof(float));
      else
        memset(joined + place * width, 0, width * sizeof(float));
    }
  }
  if (num_joined) multiply(decoder.places, w.more, w.normed, num_joined, w.words());
  num_joined = 0;
  for (int row = 0; row < call.num_rows; ++row) {
    const OmniloomRow& given = call.rows[row];
    const float* embedding = decoder.embedding + (int64_t)given.token * width;
    const float* slot = decoder.slots + (int64_t)given.slot * width;
    float* stream = w.stream.of(row);
    memcpy(stream, embedding, width * sizeof(float));
    if (given.more) add(stream, w.normed.of(num_joined++), width);
    add(stream, slot, width);
    normalize(stream, nullptr, width, decoder.norm_epsilon, stream);
  }
}

void run_layer(const OmniloomDecoder& decoder, const OmniloomCall& call, const Workspace& w, int index) {
  const OmniloomLayer& layer = decoder.layers[index];
  const int count = call.num_rows, width = decoder.width, hidden = decoder.hidden;
  const auto normalize_all = [&](const float* weight) {
    for (int row = 0; row < count; ++row)
      normalize(w.stream.of(row), weight, width, decoder.norm_epsilon, w.normed.of(row));
  };
  normalize_all(layer.attention_norm);
  multiply(layer.qkv, w.normed, w.qkv, count, w.words());
  for (int row = 0; row < count; ++row) remember(decoder, call.rows[row], index, w.qkv.of(row));
  for (int row = 0; row < count; ++row)
    attend(decoder, call.rows[row], index, w.qkv.of(row), w.attended.of(row), w.scores);
  multiply(layer.attention_out, w.attended, w.normed, count, w.words());
  add(w.stream.first, w.normed.first, (int64_t)count * width);
  normalize_all(layer.feedforward_norm);
  multiply(layer.gate_value, w.normed, w.gate_value, count, w.words());
  for (int row = 0; row < count; ++row) gate(w.gate_value.of(row), w.gate_value.of(row) + hidden, hidden);
  multiply(layer.feedforward_out, w.gate_value, w.normed, count, w.words());
  add(w.stream.first, w.normed.first, (int64_t)count * width);
}

// Adds to the scores from `start` to `stop` of a block those of their digits: all but the first digit's are one sum for as
// many scores as that one has levels.
void add_digits(const OmniloomScores& block, const float* digits, int start, int stop, float* scores) {
  int place[DECODE_DIGITS], rest = start / block.levels[0];
  for (int d = 1; d < block.num_digits; rest /= block.levels[d++]) place[d] = rest % block.levels[d];
  for (int row = start, first = start % block.levels[0]; row < stop; first = 0) {
    float slower = 0.0f;
    for (int d = 1, before = block.levels[0]; d < block.num_digits; before += block.levels[d++])
      slower += digits[before + place[d]];
    for (; first < block.levels[0] && row < stop; ++first, ++row) scores[row - start] += slower + digits[first];
    for (int d = 1; d < block.num_digits && ++place[d] == block.levels[d]; ++d) place[d] = 0;
  }
}

// The scores of one range that lie in one block, after the last `num_logits` rows, whose states are in `normed`.
void score_block(const OmniloomDecoder& decoder, const OmniloomCall& call, const OmniloomScores& block, int start,
                 int stop, Vectors states, const Workspace& w) {
  const int count = call.num_logits, first = block.first;
  const Vectors logits = {call.logits + start, decoder.num_outputs};
  if (block.head.panels) {
    multiply(block.head, states, w.head, count, w.words());
    states = w.head;
  }
  multiply(block.rows, start - first, stop - first, states, logits, count, w.words());
  if (!block.num_digits) return;
  multiply(block.digits, states, w.digits, count, w.words());
  for (int row = 0; row < count; ++row)
    add_digits(block, w.digits.of(row), start - first, stop - first, logits.of(row));
}

void decode_step(const OmniloomDecoder* decoder, const OmniloomCall* call) {
  const int count = call->num_rows, first = count - call->num_logits;
  const Workspace w = divide(*decoder, call->workspace, count);
  embed(*decoder, *call, w);
  for (int index = 0; index < decoder->num_layers; ++index) run_layer(*decoder, *call, w, index);
  for (int row = first; row < count; ++row)
    normalize(w.stream.of(row), nullptr, decoder->width, decoder->norm_epsilon, w.normed.of(row));
  const Vectors states = {w.normed.of(first), w.normed.stride};
  for (int i = 0; i < call->num_ranges; ++i)
    for (int b = 0; b < decoder->num_scores; ++b) {
      const OmniloomScores& block = decoder->scores[b];
      const int end = block.first + block.rows.rows;
      const int start = call->ranges[2 * i] > block.first ? call->ranges[2 * i] : block.first;
      const int stop = call->ranges[2 * i + 1] < end ? call->ranges[2 * i + 1] : end;
      if (start < stop) score_block(*decoder, *call, block, start, stop, states, w);
    }
}

}  // namespace

#define KERNEL(name, type) OMNILOOM_KERNEL(name, type, name)
#include "kernels.inc"

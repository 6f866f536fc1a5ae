// Rows of numbers as int8, each with a scale of its own.
#include <string.h>

namespace {

typedef int8_t Bytes __attribute__((vector_size(VECTOR_BYTES / 4)));

inline Floats numbers(const float* from) { return (Floats)load((const uint32_t*)from); }

inline Floats numbers(const uint16_t* from) {
  Halves halves;
  memcpy(&halves, from, sizeof halves);
  return (Floats)(__builtin_convertvector(halves, Bits) << 16);
}

// Numbers from `at` on, zeros past the end.
template <class Number>
inline Floats numbers_to(const Number* row, int64_t at, int64_t count) {
  if (at + LANES <= count) return numbers(row + at);
  Number last[LANES] = {};
  memcpy(last, row + at, (size_t)(count - at) * sizeof last[0]);
  return numbers(last);
}

template <class Number>
void quantize(const void* from, int64_t count, int8_t* to, float* scale) {
  const Number* const row = (const Number*)from;
  Floats most = {};
  for (int64_t at = 0; at < count; at += LANES) {
    const Floats size = (Floats)((Bits)numbers_to(row, at, count) & 0x7fffffffu);
    most = size > most ? size : most;
  }
  float largest = 1.17549435e-38f;  // the smallest normal number: a row of zeros has a scale, too
  for (int i = 0; i < LANES; ++i) largest = most[i] > largest ? most[i] : largest;
  *scale = largest / 127;
  // Adding 1.5 * 2^23 leaves no bits behind the point, rounded to nearest, ties to even.
  const float whole = 12582912.0f;
  for (int64_t at = 0; at < count; at += LANES) {
    Floats steps = numbers_to(row, at, count) / *scale + whole;
    steps -= whole;
    steps = steps > 127.0f ? Floats{} + 127.0f : steps < -127.0f ? Floats{} - 127.0f : steps;
    const Bytes bytes = __builtin_convertvector(__builtin_convertvector(steps, Words), Bytes);
    memcpy(to + at, &bytes, at + LANES <= count ? sizeof bytes : (size_t)(count - at));
  }
}

}  // namespace

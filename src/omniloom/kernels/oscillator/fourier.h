// The Fourier transform of OSCILLATOR_SAMPLES real samples and back, each in a fixed order of sums.
//
// Half as many complex numbers hold the samples (even ones are real parts, odd ones imaginary), and lie as 15 rows of 16:
// transforms of 15 down every column, a turn of each number, transforms of 16 down the columns of the matrix turned over
// (Cooley & Tukey 1965), so that vectors of any width run over columns.
// Each short transform pairs x[j] and x[n - j], whose sines and cosines are shared: a quarter of the products of the plain
// sum. Mixed small radices would save half of what is left, in four times the code.
#pragma once
#include "../convolution/vector.h"
#include "oscillator.h"

namespace {

constexpr int HALF = OSCILLATOR_SAMPLES / 2, ROWS = 15, COLUMNS = 16;
static_assert(ROWS * COLUMNS == HALF && COLUMNS % LANES == 0);

constexpr double PI = 3.14159265358979323846;

// Taylor's series of sine and cosine; for tables that the compiler makes.
constexpr double series(double x, bool is_sine) {
  double term = is_sine ? x : 1, sum = term;
  for (int i = is_sine ? 2 : 1; i < 40; i += 2) {
    term *= -x * x / (i * (i + 1));
    sum += term;
  }
  return sum;
}

// exp(2 pi i k / n) for k from 0 to n, or as far as is asked for.
template <int N, int Count>
struct Roots {
  float real[Count], imaginary[Count];

  constexpr Roots() : real(), imaginary() {
    for (int k = 0; k < Count; ++k) {
      const int place = 2 * k > N ? k - N : k;  // from minus half a turn to half a turn
      real[k] = (float)series(2 * PI * place / N, false);
      imaginary[k] = (float)series(2 * PI * place / N, true);
    }
  }
};

constexpr Roots<ROWS, ROWS> of_rows;
constexpr Roots<COLUMNS, COLUMNS> of_columns;
constexpr Roots<OSCILLATOR_SAMPLES, OSCILLATOR_BINS> of_samples;

// Of the number in row i and column j, at 16 i + j: exp(2 pi i i j / 240).
struct Turns {
  float real[HALF], imaginary[HALF];

  constexpr Turns() : real(), imaginary() {
    constexpr Roots<HALF, HALF> roots;
    for (int i = 0; i < ROWS; ++i)
      for (int j = 0; j < COLUMNS; ++j) {
        real[i * COLUMNS + j] = roots.real[i * j % HALF];
        imaginary[i * COLUMNS + j] = roots.imaginary[i * j % HALF];
      }
  }
};
constexpr Turns turns;

struct Complex {
  float *real, *imaginary;
};

// X[k] = sum of x[j] exp(-2 pi i j k / N) down LANES columns; row k of the result is written at k * to_stride, in order.
template <int N>
inline void transform_columns(const Roots<N, N>& roots, Complex from, int from_stride, Complex to, int to_stride) {
  constexpr int PAIRS = (N - 1) / 2;
  Vector sum_r[PAIRS + 1], sum_i[PAIRS + 1], less_r[PAIRS + 1], less_i[PAIRS + 1], found_r[N], found_i[N];
  const Vector first_r = load(from.real), first_i = load(from.imaginary);
  found_r[0] = first_r, found_i[0] = first_i;
#pragma GCC unroll 16
  for (int j = 1; j <= PAIRS; ++j) {
    const int near = j * from_stride, far = (N - j) * from_stride;
    sum_r[j] = load(from.real + near) + load(from.real + far), less_r[j] = load(from.real + near) - load(from.real + far);
    sum_i[j] = load(from.imaginary + near) + load(from.imaginary + far);
    less_i[j] = load(from.imaginary + near) - load(from.imaginary + far);
    found_r[0] += sum_r[j], found_i[0] += sum_i[j];
  }
#pragma GCC unroll 16
  for (int k = 1; k <= PAIRS; ++k) {
    Vector even_r = first_r, even_i = first_i, odd_r = {}, odd_i = {};
#pragma GCC unroll 16
    for (int j = 1; j <= PAIRS; ++j) {
      const float cosine = roots.real[j * k % N], sine = roots.imaginary[j * k % N];
      even_r += cosine * sum_r[j], even_i += cosine * sum_i[j];
      odd_r += sine * less_r[j], odd_i += sine * less_i[j];
    }
    found_r[k] = even_r + odd_i, found_i[k] = even_i - odd_r;
    found_r[N - k] = even_r - odd_i, found_i[N - k] = even_i + odd_r;
  }
  if (N % 2 == 0) {
    const Vector mid_r = load(from.real + N / 2 * from_stride), mid_i = load(from.imaginary + N / 2 * from_stride);
    found_r[N / 2] = first_r, found_i[N / 2] = first_i;
#pragma GCC unroll 16
    for (int j = 1; j <= PAIRS; ++j) {
      found_r[N / 2] += j % 2 ? -sum_r[j] : sum_r[j];
      found_i[N / 2] += j % 2 ? -sum_i[j] : sum_i[j];
    }
#pragma GCC unroll 16
    for (int k = 0; k < N; ++k) found_r[k] += k % 2 ? -mid_r : mid_r, found_i[k] += k % 2 ? -mid_i : mid_i;
  }
#pragma GCC unroll 16
  for (int k = 0; k < N; ++k) {
    store(to.real + k * to_stride, found_r[k]);
    store(to.imaginary + k * to_stride, found_i[k]);
  }
}

constexpr int ROOM = HALF + COLUMNS;  // a last vector may reach beyond

// HALF complex numbers, in place and in order; `from` has ROOM.
void transform(Complex from) {
  float real[COLUMNS * COLUMNS], imaginary[COLUMNS * COLUMNS], over_r[COLUMNS * COLUMNS] = {}, over_i[COLUMNS * COLUMNS] = {};
  for (int column = 0; column < COLUMNS; column += LANES)
    transform_columns<ROWS>(of_rows, {from.real + column, from.imaginary + column}, COLUMNS, {real + column, imaginary + column},
                            COLUMNS);
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < COLUMNS; ++j) {
      const int at = i * COLUMNS + j, over = j * COLUMNS + i;
      over_r[over] = real[at] * turns.real[at] + imaginary[at] * turns.imaginary[at];
      over_i[over] = imaginary[at] * turns.real[at] - real[at] * turns.imaginary[at];
    }
  // A row of 15 is written as 16: what is too many is written over by the next row, and by the columns before.
  for (int column = COLUMNS - LANES; column >= 0; column -= LANES)
    transform_columns<COLUMNS>(of_columns, {over_r + column, over_i + column}, COLUMNS,
                               {from.real + column, from.imaginary + column}, ROWS);
}

// The spectrum of samples; both have ROOM.
void spectrum_of(const float* samples, Complex to) {
  float real[ROOM], imaginary[ROOM];
  for (int i = 0; i < HALF; ++i) real[i] = samples[2 * i], imaginary[i] = samples[2 * i + 1];
  transform({real, imaginary});
  real[HALF] = real[0], imaginary[HALF] = imaginary[0];
  for (int k = 0; k < OSCILLATOR_BINS; ++k) {
    const float other_r = real[HALF - k], other_i = imaginary[HALF - k];
    const float even_r = real[k] + other_r, even_i = imaginary[k] - other_i;
    const float odd_r = imaginary[k] + other_i, odd_i = other_r - real[k];
    const float cosine = of_samples.real[k], sine = of_samples.imaginary[k];
    to.real[k] = 0.5f * (even_r + cosine * odd_r + sine * odd_i);
    to.imaginary[k] = 0.5f * (even_i + cosine * odd_i - sine * odd_r);
  }
}

// The samples of a spectrum; imaginary parts of the first and the last bin are passed over.
void samples_of(Complex spectrum, float* to) {
  float real[ROOM], imaginary[ROOM];
  spectrum.imaginary[0] = spectrum.imaginary[HALF] = 0;
  const float scale = 1.f / OSCILLATOR_SAMPLES;
  for (int k = 0; k < HALF; ++k) {
    const float other_r = spectrum.real[HALF - k], other_i = spectrum.imaginary[HALF - k];
    const float less_r = spectrum.real[k] - other_r, less_i = spectrum.imaginary[k] + other_i;
    const float cosine = of_samples.real[k], sine = of_samples.imaginary[k];
    const float odd_r = less_r * cosine - less_i * sine, odd_i = less_r * sine + less_i * cosine;
    real[k] = scale * (spectrum.real[k] + other_r - odd_i);
    imaginary[k] = scale * (spectrum.imaginary[k] - other_i + odd_r);
  }
  transform({imaginary, real});  // with real and imaginary parts exchanged it is the inverse
  for (int i = 0; i < HALF; ++i) to[2 * i] = real[i], to[2 * i + 1] = imaginary[i];
}

}  // namespace

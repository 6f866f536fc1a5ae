// What becomes of a tile's sums, output by output.

namespace {

typedef uint16_t Halves __attribute__((vector_size(VECTOR_BYTES / 2)));

struct ToFloat {
  typedef float Out;
  static inline void store(Floats values, Out* to) { memcpy(to, &values, sizeof values); }
};

// To the nearest bfloat16, ties to even; a NaN stays one.
struct ToBFloat16 {
  typedef uint16_t Out;
  static inline void store(Floats values, Out* to) {
    const Bits bits = (Bits)values, rounded = bits + 0x7fff + (bits >> 16 & 1);
    const Bits is_nan = (Bits)(values != values);
    const Halves halves = __builtin_convertvector(((rounded & ~is_nan) | ((bits | 0x400000u) & is_nan)) >> 16, Halves);
    memcpy(to, &halves, sizeof halves);
  }
};

inline Floats floats(const float* from) { return (Floats)load((const uint32_t*)from); }

template <class To>
void finish_floats(const void* sums, int64_t num_rows, int64_t num_outputs, const LinearFinish* finish, void* out,
                   int64_t out_stride) {
  for (int at = 0; at < num_outputs; at += LANES) {
    const Floats scales = finish->scales ? floats(finish->scales + at) : Floats{} + 1.0f;
    const Floats bias = finish->bias ? floats(finish->bias + at) : Floats{};
    const Bits corrections = finish->corrections ? load(finish->corrections + at) : Bits{};
    const int64_t count = num_outputs - at < LANES ? num_outputs - at : LANES;
    for (int64_t row = 0; row < num_rows; ++row) {
      const Bits sum = load((const uint32_t*)sums + row * LINEAR_PANEL + at);
      const Floats whole = finish->corrections ? __builtin_convertvector((Words)(sum - corrections), Floats) : (Floats)sum;
      const Floats values = whole * (finish->row_scales ? finish->row_scales[row] * scales : scales) + bias;
      typename To::Out* const to = (typename To::Out*)out + row * out_stride + at;
      if (count == LANES) {
        To::store(values, to);
      } else {
        typename To::Out part[LANES];
        To::store(values, part);
        memcpy(to, part, (size_t)count * sizeof part[0]);
      }
    }
  }
}

void finish_int32(const void* sums, int64_t num_rows, int64_t num_outputs, const LinearFinish* finish, void* out,
                  int64_t out_stride) {
  for (int64_t row = 0; row < num_rows; ++row) {
    const uint32_t* const integers = (const uint32_t*)sums + row * LINEAR_PANEL;
    uint32_t corrected[LINEAR_PANEL];
    for (int i = 0; i < LINEAR_PANEL; ++i) corrected[i] = integers[i] - finish->corrections[i];
    memcpy((uint32_t*)out + row * out_stride, corrected, (size_t)num_outputs * sizeof(uint32_t));
  }
}

// In 64 bits, so that no sum overflows.
void finish_int8(const void* sums, int64_t num_rows, int64_t num_outputs, const LinearFinish* finish, void* out,
                 int64_t out_stride) {
  for (int64_t row = 0; row < num_rows; ++row) {
    const uint32_t* const integers = (const uint32_t*)sums + row * LINEAR_PANEL;
    int8_t rounded[LINEAR_PANEL];
    for (int i = 0; i < LINEAR_PANEL; ++i) {
      const int64_t sum = (int64_t)(int32_t)(integers[i] - finish->corrections[i]) + finish->integer_bias[i];
      const int64_t unit = (int64_t)1 << finish->shifts[i], whole = sum >> finish->shifts[i], twice = 2 * (sum & (unit - 1));
      const int64_t nearest = whole + ((twice > unit) | ((twice == unit) & (whole & 1)));
      rounded[i] = (int8_t)(nearest < -128 ? -128 : nearest > 127 ? 127 : nearest);
    }
    memcpy((int8_t*)out + row * out_stride, rounded, (size_t)num_outputs);
  }
}

}  // namespace

// Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011, section 3.3): a number
// from a key and a counter, with no state between, so that a draw depends on nothing that was drawn before or beside it.
#pragma once
#include <cstdint>

namespace omniloom {

// Uniform in [0, 1), of 53 bits: the first two words of block (counter, 0) under the key `seed`.
inline double philox_uniform(uint64_t seed, uint64_t counter) {
  uint32_t word[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
  uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = 0xD2511F53ull * word[0], second = 0xCD9E8D57ull * word[2];
    const uint32_t mixed[4] = {(uint32_t)(second >> 32) ^ word[1] ^ key[0], (uint32_t)second,
                               (uint32_t)(first >> 32) ^ word[3] ^ key[1], (uint32_t)first};
    for (int i = 0; i < 4; ++i) word[i] = mixed[i];
    key[0] += 0x9E3779B9u, key[1] += 0xBB67AE85u;
  }
  return (double)(((uint64_t)word[1] << 32 | word[0]) >> 11) * 0x1p-53;
}

}  // namespace omniloom

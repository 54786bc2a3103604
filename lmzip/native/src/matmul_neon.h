/* matmul_neon.h - products of rows in NEON: with SMMLA, with SDOT, or with neither (matmul.h). */

/* Write four sums times their rows' multipliers, rounded and shifted: the low 32 bits of the 64-bit results. */
ALWAYS_INLINE void store_rows(int32_t *out, int32x4_t sums, const int32_t *multiplier)
{
    const int32x4_t m = vld1q_s32(multiplier);
    const int32x2_t low = vrshrn_n_s64(vmull_s32(vget_low_s32(sums), vget_low_s32(m)), SCALE_BITS);
    vst1q_s32(out, vrshrn_high_n_s64(low, vmull_high_s32(sums, m), SCALE_BITS));
}

ALWAYS_INLINE int8x16_t load_weights(const uint8_t *packed) { return vreinterpretq_s8_u8(vld1q_u8(packed)); }

/* Where weights of four rows and the first columns are, rows from `row` + 4 i on. */
ALWAYS_INLINE const uint8_t *four_rows(const weight_matrix *m, int row, int i, int columns)
{
    return m->packed + (size_t)(row + i / 4 * 16) * (size_t)m->n_in + (size_t)(i % 4 * 4 * columns);
}

#if defined(LMZ_NEON_I8MM)
#include "matmul_neon_i8mm.h"
#elif defined(LMZ_NEON_DOT)
#include "matmul_neon_dot.h"
#else
#include "matmul_neon_pairs.h"
#endif

#define BIAS_OF(q, n) 0
#define FEW_LANES_TILES 4

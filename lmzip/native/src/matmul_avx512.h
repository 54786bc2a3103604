/* matmul_avx512.h - products of rows in AVX-512 VNNI (matmul.h). */

/* Sixteen sums times their rows' multipliers, rounded and shifted: the low 32 bits of the 64-bit results. */
ALWAYS_INLINE __m512i scale_rows(__m512i sums, __m512i multiplier)
{
    const __m512i half = _mm512_set1_epi64(ROUND_SCALED);
    __m512i even = _mm512_add_epi64(_mm512_mul_epi32(sums, multiplier), half);
    __m512i odd =
        _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(sums, 32), _mm512_srli_epi64(multiplier, 32)), half);
    return _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, SCALE_BITS),
                                   _mm512_slli_epi64(odd, 32 - SCALE_BITS));
}

/* sum += four products of unsigned bytes of w by signed bytes of x, for each of sixteen rows.  In assembly, since GCC
   12 copies the sums from register to register around the intrinsic, which halves the speed. */
ALWAYS_INLINE __m512i dot4(__m512i sum, __m512i w, __m512i x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
    return sum;
}

/* 16 * n_tiles rows from `row` on for n lanes.  Weights carry an offset of 128 (VNNI multiplies unsigned by signed),
   which is taken back at the start: bias[lane] = -128 * sum of the lane's q. */
ALWAYS_INLINE void matmul_tiles(const weight_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                                 size_t out_stride, const int32_t *bias, const int n)
{
    __m512i sum[32];
    size_t tile_size = (size_t)m->n_in * 16;
    const uint8_t *w = m->packed + (size_t)row * (size_t)m->n_in;
    for (int i = 0; i < n_tiles; i++)
        for (int j = 0; j < n; j++)
            sum[i * n + j] = _mm512_set1_epi32(bias[j]);
    for (int k = 0; k < m->n_in; k += 4) {
        __m512i weight[8];
        for (int i = 0; i < n_tiles; i++)
            weight[i] = _mm512_load_si512(w + (size_t)i * tile_size + (size_t)k * 16);
        for (int j = 0; j < n; j++) {
            int32_t four;
            memcpy(&four, q + (size_t)j * (size_t)m->n_in + k, 4);
            __m512i x = _mm512_set1_epi32(four);
            for (int i = 0; i < n_tiles; i++)
                sum[i * n + j] = dot4(sum[i * n + j], weight[i], x);
        }
    }
    for (int i = 0; i < n_tiles; i++)
        for (int j = 0; j < n; j++)
            _mm512_storeu_si512(out + (size_t)j * out_stride + row + 16 * i,
                                scale_rows(sum[i * n + j], _mm512_loadu_si512(m->multiplier + row + 16 * i)));
}

ALWAYS_INLINE int32_t sum_bytes(const int8_t *q, int n)
{
    __m512i sum = _mm512_setzero_si512();
    const __m512i ones = _mm512_set1_epi8(1);
    int i = 0;
    for (; i + 64 <= n; i += 64)
        sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(q + i));
    int32_t rest = 0;
    for (; i < n; i++)
        rest += q[i];
    return _mm512_reduce_add_epi32(sum) + rest;
}

#define BIAS_OF(q, n) (-128 * sum_bytes(q, n))
#define FEW_LANES_TILES 8 /* enough independent sums to hide the latency of a product */

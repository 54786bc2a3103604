/* matmul_avx2.h - products of rows in AVX2, with VNNI or without (matmul.h). */

ALWAYS_INLINE __m256i scale_rows(__m256i sums, __m256i multiplier)
{
    const __m256i half = _mm256_set1_epi64x(ROUND_SCALED);
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(sums, multiplier), half);
    __m256i odd =
        _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(sums, 32), _mm256_srli_epi64(multiplier, 32)), half);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, SCALE_BITS), _mm256_slli_epi64(odd, 32 - SCALE_BITS), 0xAA);
}

#if defined(LMZ_AVXVNNI)

/* sum += four products of unsigned bytes of w by signed bytes of x, for each of eight rows (see matmul_avx512.h). */
ALWAYS_INLINE __m256i dot4(__m256i sum, __m256i w, __m256i x)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(w), "x"(x));
    return sum;
}

ALWAYS_INLINE int32_t sum_bytes(const int8_t *q, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += q[i];
    return sum;
}

#define BIAS_OF(q, n) (-128 * sum_bytes(q, n))
#define FIRST_SUMS(bias) _mm256_set1_epi32(bias)

#else

/* The same of signed bytes of w, with the instruction that multiplies unsigned by signed bytes into saturating 16-bit
   pairs: |weight| times q with the weight's sign stays below 2^15, as weights are at most 127. */
ALWAYS_INLINE __m256i dot4(__m256i sum, __m256i w, __m256i x)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#define BIAS_OF(q, n) 0
#define FIRST_SUMS(bias) _mm256_setzero_si256()

#endif

#define FEW_LANES_TILES 4

ALWAYS_INLINE void matmul_tiles(const weight_matrix *m, int row, const int n_tiles, const int8_t *q, int32_t *out,
                                 size_t out_stride, const int32_t *bias, const int n)
{
    (void)bias;
    const int n_halves = n == 1 ? 2 * n_tiles : 1; /* halves of tiles at a time: enough independent sums for one lane */
    for (int half = 0; half < 2 * n_tiles; half += n_halves) {
        __m256i sum[8];
        for (int i = 0; i < n_halves * n; i++)
            sum[i] = FIRST_SUMS(bias[i % n]);
        for (int k = 0; k < m->n_in; k += 4)
            for (int i = 0; i < n_halves; i++) {
                size_t tile =
                    ((size_t)row + 16 * (size_t)((half + i) / 2)) * (size_t)m->n_in + 32 * (size_t)((half + i) % 2);
                __m256i weight = _mm256_load_si256((const __m256i *)(m->packed + tile + (size_t)k * 16));
                for (int j = 0; j < n; j++) {
                    int32_t four;
                    memcpy(&four, q + (size_t)j * (size_t)m->n_in + k, 4);
                    sum[i * n + j] = dot4(sum[i * n + j], weight, _mm256_set1_epi32(four));
                }
            }
        for (int i = 0; i < n_halves; i++) {
            int at = row + 8 * (half + i);
            __m256i multiplier = _mm256_loadu_si256((const __m256i *)(m->multiplier + at));
            for (int j = 0; j < n; j++)
                _mm256_storeu_si256((__m256i *)(out + (size_t)j * out_stride + at),
                                    scale_rows(sum[i * n + j], multiplier));
        }
    }
}

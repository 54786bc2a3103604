/* quantize.h - vectors as integers of 8 or 15 bits, and what products of them stand for (TRANSFORMER 1, 3). */
#ifndef LMZ_QUANTIZE_H
#define LMZ_QUANTIZE_H

#include "probability.h"
#include "llama.h"
#include "simd_i64.h"

static inline int32_t saturate(int64_t v)
{
    return (int32_t)(v > RESIDUAL_LIMIT ? RESIDUAL_LIMIT : v < -RESIDUAL_LIMIT ? -RESIDUAL_LIMIT : v);
}

/* Fetch a vector, such as one that the other workers wrote. */
static inline void fetch_vector(const int32_t *v, int n)
{
    for (int i = 0; i < n; i += 16)
        __builtin_prefetch(v + i);
}

static int bits_of(uint64_t n) { return n ? 64 - __builtin_clzll(n) : 0; }

typedef struct { /* of n numbers, 0 among them */
    int32_t low, high;
} extremes;

static extremes extremes_of(const int32_t *v, int n)
{
    extremes e = {0, 0};
    for (int i = 0; i < n; i++) {
        e.low = v[i] < e.low ? v[i] : e.low;
        e.high = v[i] > e.high ? v[i] : e.high;
    }
    return e;
}

static inline int32_t shifted(int32_t v, int up, int down) { return (int32_t)((uint32_t)v << up) >> down; }

/* How to shift numbers so that the largest has `bits` bits; the shift is down - up. */
static void find_shift(extremes e, int bits, int *up, int *down)
{
    const int32_t max = e.high > -e.low ? e.high : -e.low;
    const int shift = max ? bits_of((uint64_t)max) - bits : 0;
    *up = shift < 0 ? -shift : 0;
    *down = shift > 0 ? shift : 0;
}

static packed_scale quantize_int8(const int32_t *v, int n, int8_t *q)
{
    const extremes e = extremes_of(v, n);
    int up, down;
    find_shift(e, 15, &up, &down);
    const int32_t low = -shifted(e.low, up, down), high = shifted(e.high, up, down), max = low > high ? low : high;
    const int32_t top = max > 1 ? max : 1, r = (127 << 24) / top;
    for (int i = 0; i < n; i++)
        q[i] = (int8_t)((shifted(v[i], up, down) * r + (1 << 23)) >> 24);
    return (packed_scale){top, down - up};
}

static packed_scale quantize_int15(const int32_t *v, int n, int8_t *high, int8_t *low)
{
    int up, down;
    find_shift(extremes_of(v, n), 14, &up, &down);
    for (int i = 0; i < n; i++) {
        int32_t w = clamp(shifted(v[i], up, down), 16319), h = (w + 64) >> 7;
        high[i] = (int8_t)h;
        low[i] = (int8_t)(w - 128 * h);
    }
    return (packed_scale){127, down - up};
}

/* What a product gave times a number of 32 bits; of vectors of 15 bits both parts. */
static inline i64v product_times(const int32_t *high, const int32_t *low, int r, i64v factor)
{
    const i64v v = i64_times(high + r, factor);
    return low ? i64_add(i64_shift_left(v, 7), i64_times(low + r, factor)) : v;
}

/* Bring n numbers of a lane's product, a multiple of N_I64, to units: (product * a + half) >> shift, kept, with
   shift > 0 (TRANSFORMER 1). */
static inline void scale(const int32_t *high, const int32_t *low, int n, int64_t a, int shift, int32_t *y)
{
    const i64v factor = i64_of(a), half = i64_of((int64_t)1 << (shift - 1));
    if (a >> 31)
        for (int r = 0; r < n; r += N_I64) {
            i64v v = i64_load(high + r);
            v = low ? i64_add(i64_shift_left(v, 7), i64_load(low + r)) : v;
            i64_store(y + r, i64_shift(i64_add(i64_multiply(v, factor), half), shift), RESIDUAL_LIMIT);
        }
    else
        for (int r = 0; r < n; r += N_I64)
            i64_store(y + r, i64_shift(i64_add(product_times(high, low, r, factor), half), shift), RESIDUAL_LIMIT);
}

/* The same added to x, with a number of 16 bits and any shift. */
static inline void add_rescaled(const int32_t *high, const int32_t *low, int n, packed_scale s, int32_t *x)
{
    const int shift = 16 - s.shift;
    const i64v factor = i64_of(s.top), half = i64_of(shift > 0 ? (int64_t)1 << (shift - 1) : 0);
    int32_t y[N_I64];
    for (int r = 0; r < n; r += N_I64) {
        i64v v = product_times(high, low, r, factor);
        v = shift > 0 ? i64_shift(i64_add(v, half), shift) : i64_multiply(v, i64_of((int64_t)1 << -shift));
        i64_store(y, v, RESIDUAL_LIMIT);
        i64_store(x + r, i64_add(i64_load(x + r), i64_load(y)), RESIDUAL_LIMIT);
    }
}

#endif

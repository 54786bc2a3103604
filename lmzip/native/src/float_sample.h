/* float_sample.h - samples of floating point: numbers in their order, and what those are worth (SAMPLES 1.1).

   Their bits alone are looked at: infinities and what is no number are but large. */
#ifndef LMZ_FLOAT_SAMPLE_H
#define LMZ_FLOAT_SAMPLE_H

#include <stdint.h>

#define FLOAT_ZERO ((uint32_t)1 << 31) /* the number of 0.0 */
#define FLOAT_ONE (1 << 28)            /* 1.0 as a prediction */
#define FLOAT_LEAST_BIT -122           /* what to add to an exponent: where a fraction's last bit is in a prediction */
#define FLOAT_LARGEST (2 * FLOAT_ONE - 1)

/* The bits of a float as a number that rises with it, and back. */
static inline uint32_t number_of_float(uint32_t bits) { return bits >> 31 ? ~bits : bits ^ FLOAT_ZERO; }
static inline uint32_t float_of_number(uint32_t n) { return n >> 31 ? n ^ FLOAT_ZERO : ~n; }

/* The size of a float, as a prediction that is rounded down. */
static inline int32_t size_of_float(uint32_t bits)
{
    const int exponent = (int)(bits >> 23 & 255), up = exponent + FLOAT_LEAST_BIT;
    const int32_t fraction = (int32_t)(bits & 0x7fffff) | (exponent ? 1 << 23 : 0);
    return up > 5 ? FLOAT_LARGEST : up >= 0 ? fraction * (1 << up) : up > -24 ? fraction >> -up : 0;
}

/* The bits of the size of the number `at`, or, if that is negative, of the one below it: where numbers with the same
   higher bits part, these are the round ones. */
static inline uint32_t round_float(uint32_t at) { return at >= FLOAT_ZERO ? at - FLOAT_ZERO : FLOAT_ZERO - at; }

/* The end between the numbers below `at` and the others, as a prediction: halfway between two multiples of the grid. */
static inline int32_t middle_of_floats(uint32_t at, int32_t grid)
{
    const int32_t size = size_of_float(round_float(at)), end = (size > grid ? size : grid) - grid / 2;
    return at == FLOAT_ZERO ? -(grid / 2) : at > FLOAT_ZERO ? end : -end;
}

/* What bit i is worth at that end: the bit of a number of 32 bits that goes up to 2.0. */
static inline int rank_of_float_bit(uint32_t at, int i)
{
    const int rank = (i < 23 ? i : 23) + (int)(round_float(at) >> 23) - 120;
    return i == 31 || rank > 31 ? 31 : rank < 0 ? 0 : rank;
}

/* The largest power of two that divides a grid, which is one, and a size. */
static inline int32_t finer_grid(int32_t grid, int32_t size)
{
    const int32_t lowest = size & -size;
    return lowest && lowest < grid ? lowest : grid;
}

#endif

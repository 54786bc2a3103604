/* tables.c - hands out tables for those who compute as experts do, but elsewhere: on a GPU. */
#include "lmz.h"
#include "probability.h"

const uint32_t *lmz_rsqrt_numbers(void) { return lmz_rsqrt_table; }

const uint16_t *lmz_sigmoid_numbers(void) { return lmz_sigmoid_table; }

const int16_t *lmz_cosine_numbers(void) { return lmz_cosine_table; }

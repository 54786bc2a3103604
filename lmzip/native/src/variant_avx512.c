/* The predictor compiled for AVX-512; the loops of the mixer are left to the compiler's vectoriser. */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_avx512.h"
#define VARIANT lmz_run_avx512
#define LMZ_AVX512 1
#include "body.h"
#include "variant_end.h"
#endif

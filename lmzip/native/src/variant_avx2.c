/* The predictor compiled for AVX2; the loops of the mixer are left to the compiler's vectoriser. */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_avx2.h"
#define VARIANT lmz_run_avx2
#define LMZ_AVX2 1
#include "body.h"
#include "variant_end.h"
#endif

/* The loop of blocks and the steps of experts for AVX2; the loops of the mixer are left to the compiler's vectoriser.
   */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_avx2.h"
#define VARIANT(function) function##_avx2
#define LMZ_AVX2 1
#include "block_loop.inc"
#include "bytelm_step.inc"
#include "llama_step.inc"
#include "variant_end.h"
#endif

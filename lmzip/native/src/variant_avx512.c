/* The loop of blocks and the steps of experts for AVX-512 with VNNI. */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_avx512.h"
#define VARIANT(function) function##_avx512
#define LMZ_AVX512 1
#include "block_loop.inc"
#include "bytelm_step.inc"
#include "llama_step.inc"
#include "variant_end.h"
#endif

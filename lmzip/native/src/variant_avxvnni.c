/* The steps of experts for AVX2 with VNNI; blocks run as with AVX2. */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_avx2.h"
#define VARIANT(function) function##_avxvnni
#define LMZ_AVX2 1
#define LMZ_AVXVNNI 1
#include "bytelm_step.inc"
#include "llama_step.inc"
#include "variant_end.h"
#endif

/* The steps of experts for AVX-512 with the tiles of AMX; blocks run as with AVX-512. */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_amx.h"
#define VARIANT(function) function##_amx
#define LMZ_AVX512 1
#define LMZ_AMX 1
#include "bytelm_step.inc"
#include "llama_step.inc"
#include "variant_end.h"
#endif

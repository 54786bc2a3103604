/* The steps of nets for AVX-512 with VNNI. */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_avx512.h"
#define LMZ_AVX512 1
#define NET_PART(part) net_##part##_avx512
#include "net_step.h"
#define TRANSFORMER_STEP transformer_step_avx512
#include "transformer_step.h"
#include "variant_end.h"
#endif

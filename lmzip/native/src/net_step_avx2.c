/* The steps of nets for AVX2. */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_avx2.h"
#define LMZ_AVX2 1
#define NET_PART(part) net_##part##_avx2
#include "net_step.h"
#define TRANSFORMER_STEP transformer_step_avx2
#include "transformer_step.h"
#include "variant_end.h"
#endif

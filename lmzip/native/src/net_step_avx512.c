/* The net's step for AVX-512 with VNNI. */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_avx512.h"
#define LMZ_AVX512 1
#define NET_PART(part) net_##part##_avx512
#include "net_step.h"
#include "variant_end.h"
#endif

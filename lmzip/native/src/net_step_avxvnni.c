/* The steps of nets for AVX2 with VNNI. */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_avx2.h"
#define LMZ_AVX2 1
#define LMZ_AVXVNNI 1
#define NET_PART(part) net_##part##_avxvnni
#include "net_step.h"
#define TRANSFORMER_STEP transformer_step_avxvnni
#include "transformer_step.h"
#include "variant_end.h"
#endif

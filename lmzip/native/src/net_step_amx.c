/* The steps of nets for AVX-512 with the tiles of AMX. */
#if defined(__x86_64__)
#include <immintrin.h>
#include "variant_begin_amx.h"
#define LMZ_AVX512 1
#define LMZ_AMX 1
#define NET_PART(part) net_##part##_amx
#include "net_step.h"
#define TRANSFORMER_STEP transformer_step_amx
#include "transformer_step.h"
#include "variant_end.h"
#endif

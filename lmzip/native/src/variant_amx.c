/* The steps of experts for AVX-512 with the tiles of AMX; blocks run as with AVX-512. */
#if defined(__x86_64__)
#define VARIANT(function) function##_amx
#define TARGET "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,bmi,bmi2,lzcnt,amx-tile,amx-int8"
#define LMZ_AVX512 1
#define LMZ_AMX 1
#define ONLY_EXPERTS 1
#include "variant_target.inc"
#endif

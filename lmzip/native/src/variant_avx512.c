/* The loop of blocks and the steps of experts for AVX-512 with VNNI. */
#if defined(__x86_64__)
#define VARIANT(function) function##_avx512
#define TARGET "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,bmi,bmi2,lzcnt"
#define LMZ_AVX512 1
#include "variant_target.inc"
#endif

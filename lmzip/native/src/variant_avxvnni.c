/* The steps of experts for AVX2 with VNNI; blocks run as with AVX2. */
#if defined(__x86_64__)
#define VARIANT(function) function##_avxvnni
#define TARGET "avx2,bmi,bmi2,lzcnt"
#define LMZ_AVX2 1
#define LMZ_AVXVNNI 1
#define ONLY_EXPERTS 1
#include "variant_target.inc"
#endif

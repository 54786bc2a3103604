/* The loop of blocks and the steps of experts for AVX2 and BMI2. */
#if defined(__x86_64__)
#define VARIANT(function) function##_avx2
#define TARGET "avx2,bmi,bmi2,lzcnt"
#define LMZ_AVX2 1
#include "variant_target.inc"
#endif

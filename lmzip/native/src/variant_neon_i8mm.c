/* The steps of experts for NEON with matrix products (SMMLA); blocks run as with NEON. */
#if defined(__AARCH64EL__)
#define VARIANT(function) function##_neon_i8mm
#if defined(__clang__)
#define TARGET "i8mm"
#else
#define TARGET "arch=armv8.2-a+i8mm"
#endif
#define LMZ_NEON 1
#define LMZ_NEON_I8MM 1
#define ONLY_EXPERTS 1
#include "variant_target.inc"
#endif

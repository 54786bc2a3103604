/* The steps of experts for NEON with dot products (SDOT); blocks run as with NEON. */
#if defined(__AARCH64EL__)
#define VARIANT(function) function##_neon_dot
#if defined(__clang__)
#define TARGET "dotprod"
#else
#define TARGET "arch=armv8.2-a+dotprod"
#endif
#define LMZ_NEON 1
#define LMZ_NEON_DOT 1
#define ONLY_EXPERTS 1
#include "variant_target.inc"
#endif

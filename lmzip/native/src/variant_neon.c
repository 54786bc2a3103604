/* The loop of blocks and the steps of experts for NEON, as ARMv8.0 has it. */
#if defined(__AARCH64EL__)
#define VARIANT(function) function##_neon
#define LMZ_NEON 1
#include "variant_target.inc"
#endif

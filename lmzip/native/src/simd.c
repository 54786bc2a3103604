/* simd.c - which variants this processor runs. */
#include "lmz.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_TILEDATA 18

/* Whether there are int8 tiles, the system saves them, and lets this process use them (it must be asked once). */
static int has_amx(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 24 & 1) || !(d >> 25 & 1))
        return 0;
    return !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILEDATA);
}
#else
static int has_amx(void) { return 0; }
#endif

/* All that variants are compiled for: without lzcnt the instruction runs as another one and gives other numbers. */
static int has_avx2(void)
{
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __get_cpuid(0x80000001, &a, &b, &c, &d) && c >> 5 & 1;
}

static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") && has_avx2();
}

static int has_avxvnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
}
#endif

int lmz_simd_available(int simd)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    switch (simd) {
    case LMZ_SIMD_AVX2: return has_avx2();
    case LMZ_SIMD_AVXVNNI: return has_avx2() && has_avxvnni();
    case LMZ_SIMD_AVX512: return has_avx512();
    case LMZ_SIMD_AMX: return has_avx512() && has_amx();
    }
#endif
    return simd == LMZ_SIMD_PORTABLE;
}

int lmz_simd_best(void)
{
    int simd = LMZ_N_SIMD - 1;
    while (!lmz_simd_available(simd))
        simd--;
    return simd;
}

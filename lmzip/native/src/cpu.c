/* cpu.c - the table of CPU variants (cpu.h), and which of them this processor runs. */
#include "cpu.h"

#include <stddef.h>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_TILEDATA 18
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
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni") && has_avx2();
}

#if defined(__linux__)
/* Whether there are int8 tiles, the system saves them, and lets this process use them (it must be asked once). */
static int has_amx(void)
{
    unsigned a, b, c, d;
    if (!has_avx512() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 24 & 1) || !(d >> 25 & 1))
        return 0;
    return !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILEDATA);
}
#else
static int has_amx(void) { return 0; }
#endif

static int has_avxvnni(void)
{
    unsigned a, b, c, d;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
}

#elif defined(__AARCH64EL__)
/* NEON is everywhere; what later versions of the architecture added is asked for under a name on macOS, by a bit of the
   two words that Linux hands a process. */
#if defined(__APPLE__)
#include <sys/sysctl.h>

static int has_feature(const char *name)
{
    int is_there = 0;
    size_t size = sizeof is_there;
    return !sysctlbyname(name, &is_there, &size, NULL, 0) && is_there;
}

static int has_dot(void) { return has_feature("hw.optional.arm.FEAT_DotProd"); }
static int has_i8mm(void) { return has_feature("hw.optional.arm.FEAT_I8MM"); }
#elif defined(__linux__)
#include <sys/auxv.h>

static int has_dot(void) { return getauxval(AT_HWCAP) >> 20 & 1; }
static int has_i8mm(void) { return getauxval(AT_HWCAP2) >> 13 & 1; }
#else
static int has_dot(void) { return 0; }
static int has_i8mm(void) { return 0; }
#endif
#endif

static int always(void) { return 1; }

static const cpu_variant variants[] = {
    /* name, is_here, is_for_experts, {offset, columns}, lanes_at_once, is_slow, functions */
    {"portable", always, 0, {0, 0}, 8, 1, run_block_portable, bytelm_stage_portable, llama_step_portable},
#if defined(__x86_64__)
    {"avx2", has_avx2, 0, {0, 4}, 4, 1, run_block_avx2, bytelm_stage_avx2, llama_step_avx2},
    {"avxvnni", has_avxvnni, 1, {128, 4}, 8, 1, run_block_avx2, bytelm_stage_avxvnni, llama_step_avxvnni},
    {"avx512", has_avx512, 1, {128, 4}, 4, 1, run_block_avx512, bytelm_stage_avx512, llama_step_avx512},
    {"amx", has_amx, 1, {128, 4}, 16, 0, run_block_avx512, bytelm_stage_amx, llama_step_amx},
#elif defined(__AARCH64EL__)
    {"neon", always, 0, {0, 4}, 8, 1, run_block_neon, bytelm_stage_neon, llama_step_neon},
    {"neon-dot", has_dot, 1, {0, 4}, 8, 1, run_block_neon, bytelm_stage_neon_dot, llama_step_neon_dot},
    {"neon-i8mm", has_i8mm, 1, {0, 8}, 8, 1, run_block_neon, bytelm_stage_neon_i8mm, llama_step_neon_i8mm},
#endif
};
#define N_VARIANTS ((int)(sizeof variants / sizeof *variants))

static int is_here(int simd)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    return variants[simd].is_here();
}

const cpu_variant *cpu_variant_of(int simd) { return lmz_simd_available(simd) ? &variants[simd] : NULL; }

const char *lmz_simd_name(int simd) { return simd >= 0 && simd < N_VARIANTS ? variants[simd].name : NULL; }

int lmz_simd_available(int simd) { return simd >= 0 && simd < N_VARIANTS && is_here(simd); }

int lmz_simd_best(int for_experts)
{
    int simd = N_VARIANTS - 1;
    while (!is_here(simd) || (!for_experts && variants[simd].is_for_experts))
        simd--;
    return simd;
}

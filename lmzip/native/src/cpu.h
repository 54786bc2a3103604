/* cpu.h - the one table of CPU variants: what each is called, where it runs, how it packs weights, and its functions.

   A new variant is a row in cpu.c and the files of its functions; no other file tests which one it is. */
#ifndef LMZ_CPU_H
#define LMZ_CPU_H

#include "expert.h"
#include "lmz.h"
#include "matrix.h"

struct step_part;
struct lmz_coder;

typedef void bytelm_stage(struct lmz_coder *, const column_range *, int stage);
typedef void llama_step(const struct step_part *);
typedef int block_loop(struct lmz_coder *, uint64_t n_steps);

typedef struct {
    const char *name;
    int (*is_here)(void); /* whether this processor runs it */
    int is_for_experts;   /* no gain for blocks: 48 mixer inputs fill its vectors badly, or it has no loop of its own */
    matrix_packing packing;
    int lanes_at_once;    /* the fewest with which matrix products are at their best */
    int is_slow;          /* a step of a net takes much longer than to code what it predicts */
    block_loop *run_block;
    bytelm_stage *bytelm;
    llama_step *llama;
} cpu_variant;

/* The row of a variant, NULL for a number that there is not, or that this processor does not run. */
const cpu_variant *cpu_variant_of(int simd);

#define CPU_FUNCTIONS(name)                                         \
    block_loop run_block_##name;                                    \
    bytelm_stage bytelm_stage_##name;                               \
    llama_step llama_step_##name;
CPU_FUNCTIONS(portable)
CPU_FUNCTIONS(avx2)
CPU_FUNCTIONS(avxvnni)
CPU_FUNCTIONS(avx512)
CPU_FUNCTIONS(amx)
CPU_FUNCTIONS(neon)
CPU_FUNCTIONS(neon_dot)
CPU_FUNCTIONS(neon_i8mm)

#endif

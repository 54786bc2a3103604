/* sanitize.h - what the parts of the sanitizer test share. */
#ifndef SANITIZE_H
#define SANITIZE_H

#include <stdio.h>
#include <stdlib.h>

#include "lmz.h"
#include "tiny_net.h"

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: failed: %s (method %d, %d lanes, %d threads, %zu bytes of %s)\n", __FILE__, __LINE__, \
                    #condition, now.method, now.n_lanes, now.n_threads, now.raw_size, now.kind); \
            exit(1); \
        } \
    } while (0)

typedef struct { /* the case at hand, for messages */
    int method, n_lanes;
    size_t raw_size;
    const char *kind;
    int n_threads;
} test_case;

/* Every variant that this processor runs: they need not be neighbours. */
#define FOR_EACH_VARIANT(simd)                                     \
    for (int simd = LMZ_SIMD_PORTABLE; simd < LMZ_N_SIMD; simd++) \
        if (lmz_simd_available(simd))

extern test_case now;
extern lmz_net *nets[LMZ_N_SIMD]; /* the same tiny net for every variant that is there, or NULL */
extern lmz_transformer *transformers[LMZ_N_SIMD]; /* and the same tiny transformer */
extern unsigned long n_checked;

uint32_t next_random(void);
uint8_t *allocate(size_t size);
void fill_text(uint8_t *raw, size_t size);

/* sanitize_net.c */
void refuse_bad_shapes(void);
void refuse_bad_weights(void);
void run_nets(int n_steps);
tiny_net make_nets(int kind); /* fills `nets` */
void free_nets(tiny_net *t);

/* sanitize_tokens.c */
void refuse_bad_transformers(void);
void make_transformers(int kind); /* fills `transformers` */
void free_transformers(void);
size_t cut_tokens(const uint8_t *raw, uint8_t *sizes); /* the block at hand, in one of several ways; returns how many */

/* sanitize_outside.c */
int outside_blocks(int full); /* returns how many */

#endif

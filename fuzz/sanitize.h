/* sanitize.h - what the parts of the sanitizer test share. */
#ifndef SANITIZE_H
#define SANITIZE_H

#include <stdio.h>
#include <stdlib.h>

#include "lmz.h"
#include "tiny_net.h"

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr,                                                                                            \
                    "%s:%d: failed: %s (profile %d, unit %d, %d lanes, context %d, content %d, %d threads, "           \
                    "%zu bytes of %s)\n",                                                                              \
                    __FILE__, __LINE__, #condition, now.profile, now.unit, now.n_lanes, now.context,                   \
                    now.content.kind, now.n_threads, now.raw_size, now.kind);                                          \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

typedef struct { /* the case at hand, for messages */
    int profile, unit, n_lanes;
    size_t raw_size;
    const char *kind;
    int n_threads, context;
    lmz_content content;
} test_case;

#define PORTABLE 0      /* the variant that is everywhere */
#define MAX_VARIANTS 16 /* room for them */

/* Every variant that this processor runs: they need not be neighbours. */
#define FOR_EACH_VARIANT(simd)                                     \
    for (int simd = PORTABLE; lmz_simd_name(simd); simd++) \
        if (lmz_simd_available(simd))

extern test_case now;
/* By unit: none, the same tiny net for every variant that is there, and the same tiny transformer, while they are made.
   */
extern lmz_expert *experts[LMZ_N_UNITS][MAX_VARIANTS];
extern unsigned long n_checked;

void begin_case(void); /* what is random from here on does not depend on how many variants there were before */
void add_to_digest(const uint8_t *bytes, size_t size); /* of what other machines must give too */
uint32_t next_random(void);
void fill_text(uint8_t *raw, size_t size);
void fill_random(uint8_t *raw, size_t size);
lmz_block_spec spec_of_case(void);

/* sanitize_range_coder.c */
void range_coder_streams(int n_streams);

/* sanitize_copies.c */
int copies_of_blocks(int n_blocks);

/* sanitize_original.c */
int copies_of_originals(int n_blocks);

/* sanitize_net.c */
void refuse_bad_shapes(void);
void refuse_bad_weights(void);
void run_nets(int n_steps);
tiny_net make_nets(int kind);
void free_nets(tiny_net *t);

/* sanitize_tokens.c */
void refuse_bad_transformers(void);
void make_transformers(int kind);
void free_transformers(void);
size_t cut_tokens(const uint8_t *raw, uint8_t *sizes); /* the block at hand, in one of several ways; returns how many */

/* sanitize_dictionary.c */
int dictionary_blocks(int full); /* returns how many */

/* sanitize_external.c */
int external_blocks(int full); /* returns how many */

/* sanitize_sampling.c */
int sampled_blocks(int full); /* returns how many */

#endif

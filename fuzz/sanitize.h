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

#define MAX_VARIANTS 8

extern test_case now;
extern lmz_net *nets[MAX_VARIANTS]; /* the same tiny net for every variant */
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

#endif

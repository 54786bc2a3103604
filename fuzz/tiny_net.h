/* tiny_net.h - a small net from a seed for sanitize_test.c and decode_fuzzer.c: weights in buffers of exactly the size
   that the kernel is told, so that one byte too far is seen. */
#ifndef TINY_NET_H
#define TINY_NET_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lmz.h"

enum { TINY_PLAUSIBLE, TINY_EXTREME }; /* like a trained one; everything as large as is admitted */

typedef struct {
    lmz_bytelm_shape shape;
    lmz_bytelm_weights weights;
    int8_t *byte_embedding, *tables, *matrices;
    int32_t *multipliers, *forget_biases;
    size_t n_embedded, n_tables, n_biases;
    uint64_t random;
} tiny_net;

static uint32_t tiny_random(uint64_t *state) /* xorshift64* */
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(*state * 0x2545f4914f6cdd1du >> 32);
}

static void *tiny_allocate(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        exit(2);
    return memory;
}

static int8_t tiny_weight(uint64_t *random, int kind)
{
    static const int8_t edges[] = {-128, -127, 127, 0};
    return kind == TINY_EXTREME ? edges[tiny_random(random) % 4] : (int8_t)(tiny_random(random) % 255 - 127);
}

/* What the loader just admits for a row: products below 2^26 (ARITHMETIC 10.3). */
static int32_t tiny_largest_multiplier(const int8_t *row, int n_in)
{
    int64_t sum = 0;
    for (int k = 0; k < n_in; k++)
        sum += row[k] < -127 ? 127 : row[k] < 0 ? -row[k] : row[k];
    int64_t largest = (((int64_t)1 << 50) - 1) / (127 * (sum ? sum : 1));
    return largest < INT32_MAX ? (int32_t)largest : INT32_MAX;
}

/* Fill the next matrix; with `rows` NULL only count it. */
static void tiny_matrix(tiny_net *t, int kind, int n_in, int n_out, int8_t *weights, int32_t *rows)
{
    if (rows) {
        int root = 1;
        while (root * root < n_in)
            root++;
        int8_t *row = weights + t->weights.n_weights;
        for (int r = 0; r < n_out; r++, row += n_in) {
            for (int k = 0; k < n_in; k++)
                row[k] = tiny_weight(&t->random, kind);
            int32_t largest = tiny_largest_multiplier(row, n_in), plausible = (1 << 25) / root;
            if (kind == TINY_EXTREME) /* some rows give less, so that not all gates are shut or open */
                largest >>= tiny_random(&t->random) % 3 * 6;
            rows[t->weights.n_rows + (size_t)r] = kind == TINY_EXTREME || largest < plausible ? largest : plausible;
        }
    }
    t->weights.n_weights += (size_t)n_in * (size_t)n_out;
    t->weights.n_rows += (size_t)n_out;
}

static void tiny_matrices(tiny_net *t, int kind, int8_t *weights, int32_t *rows)
{
    const lmz_bytelm_shape *s = &t->shape;
    t->weights.n_weights = t->weights.n_rows = 0;
    tiny_matrix(t, kind, s->byte_dim + s->n_orders * s->table_dim, s->n_embd, weights, rows);
    for (int l = 0; l < s->n_layer; l++) {
        tiny_matrix(t, kind, s->n_embd, 3 * s->n_state, weights, rows);
        tiny_matrix(t, kind, s->n_state, s->n_embd, weights, rows);
        tiny_matrix(t, kind, s->n_embd, s->n_hidden, weights, rows);
        tiny_matrix(t, kind, s->n_hidden, s->n_embd, weights, rows);
    }
    tiny_matrix(t, kind, s->n_embd, 256, weights, rows);
}

static tiny_net tiny_net_make(lmz_bytelm_shape shape, int kind, uint64_t seed)
{
    tiny_net t = {.shape = shape, .random = seed * 2 + 0x9e3779b97f4a7c15u};
    t.n_embedded = (size_t)256 * (size_t)shape.byte_dim;
    t.n_tables = ((size_t)shape.n_orders * (size_t)shape.table_dim) << shape.table_bits;
    t.n_biases = (size_t)shape.n_layer * (size_t)shape.n_state;
    tiny_matrices(&t, kind, NULL, NULL);
    t.byte_embedding = tiny_allocate(t.n_embedded);
    t.tables = tiny_allocate(t.n_tables);
    t.matrices = tiny_allocate(t.weights.n_weights);
    t.multipliers = tiny_allocate(t.weights.n_rows * sizeof *t.multipliers);
    t.forget_biases = tiny_allocate(t.n_biases * sizeof *t.forget_biases);
    for (size_t i = 0; i < t.n_embedded; i++)
        t.byte_embedding[i] = tiny_weight(&t.random, kind);
    for (size_t i = 0; i < t.n_tables; i++)
        t.tables[i] = tiny_weight(&t.random, kind);
    for (size_t i = 0; i < t.n_biases; i++)
        t.forget_biases[i] = kind == TINY_EXTREME ? (int32_t)(tiny_random(&t.random) % 3 - 1) * (1 << 20)
                                                  : (int32_t)(tiny_random(&t.random) % (4 << 12));
    tiny_matrices(&t, kind, t.matrices, t.multipliers);
    t.weights.byte_embedding = t.byte_embedding;
    t.weights.tables = t.tables;
    t.weights.weights = t.matrices;
    t.weights.multipliers = t.multipliers;
    t.weights.forget_biases = t.forget_biases;
    return t;
}

static void tiny_net_free(tiny_net *t)
{
    free(t->byte_embedding);
    free(t->tables);
    free(t->matrices);
    free(t->multipliers);
    free(t->forget_biases);
}

static const lmz_bytelm_shape tiny_shape = {
    .n_embd = 32, .n_layer = 2, .n_hidden = 32, .n_state = 32, .byte_dim = 30, .table_dim = 1, .table_bits = 16,
    .n_orders = 2, .orders = {2, 0}};

#endif

/* tiny_transformer.h - a small transformer from a seed for sanitize_tokens.c and decode_fuzzer.c, in buffers of exactly
   the size that the kernel is told, as in tiny_net.h. */
#ifndef TINY_TRANSFORMER_H
#define TINY_TRANSFORMER_H

#include "tiny_net.h"

#define TINY_N_STRINGS 300
#define TINY_LONGEST 255 /* bytes of a token */

typedef struct {
    uint8_t size, bytes[TINY_LONGEST];
} tiny_token;

static const lmz_llama_shape tiny_transformer = {
    .n_embd = 32, .n_hidden = 64, .n_layer = 2, .n_head = 2, .n_kv_head = 1, .head_dim = 32, .n_vocab = TINY_N_STRINGS,
    .window = 128, .int15 = 1 << LMZ_W_DOWN, .epsilon = 5369, .scale_of_scores = 1086, .embed_scale = 256};

/* All that only some models have; its first layer is local. */
static const lmz_llama_shape tiny_with_all = {
    .n_embd = 32, .n_hidden = 64, .n_layer = 2, .n_head = 2, .n_kv_head = 1, .head_dim = 32, .n_vocab = TINY_N_STRINGS,
    .window = 256, .int15 = 1 << LMZ_W_DOWN, .epsilon = 5369, .scale_of_scores = 1086, .embed_scale = 1448,
    .has_gelu = 1, .has_head_norms = 1, .has_post_norms = 1, .score_cap = 4096, .logit_cap = 177269,
    .local_window = 128};

static const lmz_llama_shape *tiny_shape_of(int kind)
{
    return kind == TINY_EXTREME ? &tiny_with_all : &tiny_transformer;
}

static int tiny_compare(const void *a, const void *b)
{
    const tiny_token *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->size < y->size ? x->size : y->size);
    return order ? order : x->size - y->size;
}

/* All bytes, one token as long as can be, and others that begin each other. */
static void tiny_tokens_make(tiny_token *tokens)
{
    uint64_t random = 33;
    int n = 0;
    memset(tokens, 0, TINY_N_STRINGS * sizeof *tokens);
    for (; n < 256; n++)
        tokens[n] = (tiny_token){.size = 1, .bytes = {(uint8_t)n}};
    tokens[n].size = TINY_LONGEST;
    memset(tokens[n++].bytes, 'e', TINY_LONGEST);
    while (n < TINY_N_STRINGS) {
        tiny_token t = {.size = (uint8_t)(2 + tiny_random(&random) % 5)};
        for (int k = 0; k < t.size; k++)
            t.bytes[k] = (uint8_t)("et, \n"[tiny_random(&random) % 5]);
        int i = 0;
        while (i < n && tiny_compare(&tokens[i], &t))
            i++;
        tokens[n] = t;
        n += i == n;
    }
    qsort(tokens, TINY_N_STRINGS, sizeof *tokens, tiny_compare);
}

/* Set a vocabulary; n_missing: bytes that are left out at the end, n_more: by which the last size is too large. */
static int tiny_set_vocabulary(lmz_expert *t, const tiny_token *tokens, size_t n_missing, uint8_t n_more)
{
    size_t n_bytes = 0, at = 0;
    for (int k = 0; k < TINY_N_STRINGS; k++)
        n_bytes += tokens[k].size;
    uint8_t *bytes = tiny_allocate(n_bytes), *sizes = tiny_allocate(TINY_N_STRINGS);
    for (int k = 0; k < TINY_N_STRINGS; k++) {
        memcpy(bytes + at, tokens[k].bytes, tokens[k].size);
        at += tokens[k].size;
        sizes[k] = tokens[k].size;
    }
    sizes[TINY_N_STRINGS - 1] = (uint8_t)(sizes[TINY_N_STRINGS - 1] + n_more);
    uint8_t *exact = tiny_allocate(n_bytes - n_missing);
    memcpy(exact, bytes, n_bytes - n_missing);
    const int status = lmz_llama_set_vocabulary(t, exact, n_bytes - n_missing, sizes);
    free(exact);
    free(bytes);
    free(sizes);
    return status;
}

/* A matrix of random weights in buffers of exactly its size. */
static int tiny_set_matrix(lmz_expert *t, uint64_t *random, int kind, int matrix, int layer, size_t n_rows, size_t n_in)
{
    int8_t *weights = tiny_allocate(n_rows * n_in);
    int32_t *multipliers = tiny_allocate(n_rows * 4), *biases = tiny_allocate(n_rows * 4);
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t k = 0; k < n_in; k++)
            weights[r * n_in + k] = tiny_weight(random, kind);
        const int32_t largest = tiny_largest_multiplier(weights + r * n_in, (int)n_in);
        multipliers[r] = kind == TINY_EXTREME ? largest >> tiny_random(random) % 3 * 6 : 1 << 24;
        biases[r] = (int32_t)tiny_random(random) >> (kind == TINY_EXTREME ? 0 : 19);
    }
    if (matrix == LMZ_W_EMBED || matrix == LMZ_W_LM_HEAD)
        for (size_t r = 0; r < n_rows; r++)
            multipliers[r] >>= kind == TINY_EXTREME ? 8 : 0;
    const int32_t *used = matrix == LMZ_W_QKV && layer ? biases : NULL;
    const int status = lmz_llama_set(t, matrix, layer, weights, multipliers, used, n_rows, n_in);
    free(weights);
    free(multipliers);
    free(biases);
    return status;
}

static lmz_expert *tiny_without_matrices(const lmz_llama_shape *s, int kind, int simd)
{
    uint64_t random = 77;
    const size_t n_layer = (size_t)s->n_layer, n_wide = 2 + 2 * (size_t)(s->has_post_norms != 0);
    const size_t n_narrow = 2 * (size_t)(s->has_head_norms != 0), n_norms = n_layer * (n_wide + n_narrow) + 1;
    const size_t n_embd = (size_t)s->n_embd, of_layer = n_wide * n_embd + n_narrow * (size_t)s->head_dim;
    const size_t n_numbers = n_layer * of_layer + n_embd;
    const size_t n_angles = (size_t)s->head_dim / (s->local_window ? 1 : 2);
    int16_t *norms = tiny_allocate(n_numbers * sizeof *norms);
    uint8_t *units = tiny_allocate(n_norms);
    uint32_t *inv_freq = tiny_allocate(n_angles * sizeof *inv_freq);
    uint8_t *is_local = tiny_allocate(n_layer);
    for (size_t i = 0; i < n_layer; i++)
        is_local[i] = i % 2 == 0;
    for (size_t i = 0; i < n_numbers; i++)
        norms[i] =
            kind == TINY_EXTREME ? (int16_t)tiny_random(&random) : (int16_t)(8000 + tiny_random(&random) % 20000);
    for (size_t i = 0; i < n_norms; i++)
        units[i] = kind == TINY_EXTREME ? (uint8_t)(i % 3 * 12) : 14;
    for (size_t i = 0; i < n_angles; i++)
        inv_freq[i] = tiny_random(&random) >> i;
    lmz_expert *t = lmz_llama_new(s, norms, units, inv_freq, is_local, simd);
    free(is_local);
    free(norms);
    free(units);
    free(inv_freq);
    return t;
}

/* Return a transformer with all it needs, NULL if the kernel refuses any of it. */
static lmz_expert *tiny_transformer_make(const lmz_llama_shape *s, const tiny_token *tokens, int kind, int simd)
{
    const size_t n = (size_t)s->n_embd, hidden = (size_t)s->n_hidden, width = (size_t)(s->n_head * s->head_dim);
    uint64_t random = 99;
    lmz_expert *t = tiny_without_matrices(s, kind, simd);
    int is_sound = t && tiny_set_matrix(t, &random, kind, LMZ_W_EMBED, 0, TINY_N_STRINGS + 1, n) == LMZ_DONE;
    for (int l = 0; is_sound && l < s->n_layer; l++)
        is_sound = tiny_set_matrix(t, &random, kind, LMZ_W_QKV, l, 2 * width, n) == LMZ_DONE &&
                   tiny_set_matrix(t, &random, kind, LMZ_W_O, l, n, width) == LMZ_DONE &&
                   !lmz_llama_is_complete(t) &&
                   tiny_set_matrix(t, &random, kind, LMZ_W_GATE_UP, l, 2 * hidden, n) == LMZ_DONE &&
                   tiny_set_matrix(t, &random, kind, LMZ_W_DOWN, l, n, hidden) == LMZ_DONE;
    is_sound = is_sound && lmz_llama_is_complete(t) && tiny_set_vocabulary(t, tokens, 0, 0) == LMZ_DONE;
    if (is_sound)
        return t;
    lmz_expert_free(t);
    return NULL;
}

#endif

/* sanitize_tokens.c - transformers under the sanitizers: what must be refused, and blocks of tokens in random cuts. */
#include <string.h>

#include "sanitize.h"

#define N_STRINGS 300
#define LONGEST 255 /* bytes of a token */

typedef struct {
    uint8_t size, bytes[LONGEST];
} token;

lmz_transformer *transformers[LMZ_N_SIMD];
static token tokens[N_STRINGS];

static const lmz_transformer_shape tiny_transformer = {
    .n_embd = 32, .n_hidden = 64, .n_layer = 2, .n_head = 2, .n_kv_head = 1, .head_dim = 32, .n_vocab = N_STRINGS,
    .window = 128, .wide = 1 << LMZ_PRODUCT_DOWN, .epsilon = 5369, .scale_of_scores = 1086};

static int compare(const void *a, const void *b)
{
    const token *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->size < y->size ? x->size : y->size);
    return order ? order : x->size - y->size;
}

/* All bytes, one token as long as can be, and others that begin each other. */
static void make_tokens(void)
{
    int n = 0;
    memset(tokens, 0, sizeof tokens);
    for (; n < 256; n++)
        tokens[n] = (token){.size = 1, .bytes = {(uint8_t)n}};
    tokens[n].size = LONGEST;
    memset(tokens[n++].bytes, 'e', LONGEST);
    while (n < N_STRINGS) {
        token t = {.size = (uint8_t)(2 + next_random() % 5)};
        for (int k = 0; k < t.size; k++)
            t.bytes[k] = (uint8_t)("et, \n"[next_random() % 5]);
        int i = 0;
        while (i < n && compare(&tokens[i], &t))
            i++;
        tokens[n] = t;
        n += i == n;
    }
    qsort(tokens, N_STRINGS, sizeof *tokens, compare);
}

/* Set the vocabulary from buffers of exactly its size; `change` spoils it: 1 to 6. */
static int set_vocabulary(lmz_transformer *t, int change)
{
    token changed[N_STRINGS];
    memcpy(changed, tokens, sizeof changed);
    const int i = 1 + (int)(next_random() % (N_STRINGS - 2));
    if (change == 1)
        changed[i].size = 0;
    else if (change == 2)
        changed[i] = changed[i - 1];
    else if (change == 3)
        changed[i] = tokens[i - 1], changed[i - 1] = tokens[i];
    else if (change == 4) /* the first byte is none of them then */
        changed[0].size = 2;
    size_t n_bytes = 0;
    for (int k = 0; k < N_STRINGS; k++)
        n_bytes += changed[k].size;
    uint8_t *bytes = allocate(n_bytes), *sizes = allocate(N_STRINGS), *end = bytes;
    for (int k = 0; k < N_STRINGS; k++) {
        memcpy(end, changed[k].bytes, changed[k].size);
        end += changed[k].size;
        sizes[k] = changed[k].size;
    }
    if (change == 5)
        n_bytes--;
    if (change == 6)
        sizes[N_STRINGS - 1]++;
    uint8_t *exact = allocate(n_bytes);
    memcpy(exact, bytes, n_bytes);
    const int status = lmz_transformer_set_vocabulary(t, exact, n_bytes, sizes);
    free(exact);
    free(bytes);
    free(sizes);
    n_checked++;
    return status;
}

/* A matrix of random weights in buffers of exactly its size; extra: rows more than it has. */
static int set_matrix(lmz_transformer *t, tiny_net *random, int kind, int product, int layer, size_t n_rows, size_t n_in)
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
    if (product == LMZ_PRODUCT_EMBED || product == LMZ_PRODUCT_HEAD)
        for (size_t r = 0; r < n_rows; r++)
            multipliers[r] >>= kind == TINY_EXTREME ? 8 : 0;
    const int32_t *used = product == LMZ_PRODUCT_IN && layer ? biases : NULL;
    const int status = lmz_transformer_set(t, product, layer, weights, multipliers, used, n_rows, n_in);
    free(weights);
    free(multipliers);
    free(biases);
    n_checked++;
    return status;
}

static lmz_transformer *without_matrices(const lmz_transformer_shape *s, int kind, int simd)
{
    tiny_net random = {.random = 77};
    const size_t n_norms = 2 * (size_t)s->n_layer + 1, n_numbers = n_norms * (size_t)s->n_embd;
    int16_t *norms = tiny_allocate(n_numbers * sizeof *norms);
    uint8_t *units = allocate(n_norms);
    uint32_t *frequencies = tiny_allocate((size_t)s->head_dim / 2 * sizeof *frequencies);
    for (size_t i = 0; i < n_numbers; i++)
        norms[i] = kind == TINY_EXTREME ? (int16_t)tiny_random(&random) : (int16_t)(8000 + tiny_random(&random) % 20000);
    for (size_t i = 0; i < n_norms; i++)
        units[i] = kind == TINY_EXTREME ? (uint8_t)(i % 3 * 12) : 14;
    for (int i = 0; i < s->head_dim / 2; i++)
        frequencies[i] = tiny_random(&random) >> i;
    lmz_transformer *t = lmz_transformer_new(s, norms, units, frequencies, simd);
    free(norms);
    free(units);
    free(frequencies);
    return t;
}

static lmz_transformer *make(int kind, int simd)
{
    const lmz_transformer_shape *s = &tiny_transformer;
    const size_t n = (size_t)s->n_embd, hidden = (size_t)s->n_hidden, width = (size_t)(s->n_head * s->head_dim);
    tiny_net random = {.random = 99};
    lmz_transformer *t = without_matrices(s, kind, simd);
    CHECK(t);
    CHECK(set_matrix(t, &random, kind, LMZ_PRODUCT_EMBED, 0, N_STRINGS + 1, n) == LMZ_DONE);
    for (int l = 0; l < s->n_layer; l++) {
        CHECK(set_matrix(t, &random, kind, LMZ_PRODUCT_IN, l, 2 * width, n) == LMZ_DONE);
        CHECK(set_matrix(t, &random, kind, LMZ_PRODUCT_OUT, l, n, width) == LMZ_DONE);
        CHECK(!lmz_transformer_is_complete(t));
        CHECK(set_matrix(t, &random, kind, LMZ_PRODUCT_UP, l, 2 * hidden, n) == LMZ_DONE);
        CHECK(set_matrix(t, &random, kind, LMZ_PRODUCT_DOWN, l, n, hidden) == LMZ_DONE);
    }
    CHECK(lmz_transformer_is_complete(t));
    CHECK(set_vocabulary(t, 0) == LMZ_DONE);
    return t;
}

/* Shapes, matrices and vocabularies that must be refused, and coders that lack something. */
static void refuse(int simd)
{
    static const int wrong[] = {0, -1, -32, 1, 16, 33, 8224, 1 << 30};
    uint8_t byte = 'e';
    now = (test_case){LMZ_TOKEN_METHOD, 1, 1, "transformers", 1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lmz_transformer_shape s[6];
        for (int k = 0; k < 6; k++)
            s[k] = tiny_transformer;
        s[0].n_embd = s[1].n_hidden = s[3].window = wrong[i];
        s[2].n_vocab = wrong[i] > 255 ? 1 << 18 : wrong[i];
        s[4].n_kv_head = wrong[i] == 1 ? 3 : wrong[i];
        s[5].wide = wrong[i] < 0 ? wrong[i] : 32 + (wrong[i] & 31);
        for (int k = 0; k < 6; k++) { /* the buffers are those of the right shape: it is refused before they are read */
            int16_t norms;
            uint8_t unit;
            uint32_t frequency;
            CHECK(!lmz_transformer_new(&s[k], &norms, &unit, &frequency, simd));
            n_checked++;
        }
    }
    tiny_net random = {.random = 5};
    lmz_transformer *t = without_matrices(&tiny_transformer, TINY_PLAUSIBLE, simd);
    CHECK(t);
    for (int change = 1; change <= 6; change++)
        CHECK(set_vocabulary(t, change) == LMZ_E_DAMAGED);
    CHECK(set_vocabulary(t, 0) == LMZ_DONE && set_vocabulary(t, 0) == LMZ_E_DAMAGED);
    for (int product = -1; product <= LMZ_PRODUCT_EMBED + 1; product++)
        for (int layer = -1; layer <= 2; layer++)
            CHECK(set_matrix(t, &random, TINY_PLAUSIBLE, product, layer, 37, 32) == LMZ_E_DAMAGED);
    CHECK(!lmz_memory_size(LMZ_TOKEN_METHOD, 1, 1, NULL, t)); /* incomplete */
    CHECK(!lmz_decoder_new(LMZ_TOKEN_METHOD, 1, simd, NULL, t, &byte, 1, &byte, 1));
    lmz_transformer_free(t);
    lmz_transformer_free(NULL);
    CHECK(!lmz_memory_size(LMZ_TOKEN_METHOD, 1, 1, nets[simd], NULL));
    CHECK(!lmz_memory_size(LMZ_TOKEN_METHOD, 1, 65, NULL, transformers[simd]));
    CHECK(lmz_memory_size(LMZ_TOKEN_METHOD, 1, 64, NULL, transformers[simd]));
}

/* Sizes of tokens that are refused: every one of a sound cut, one larger and one smaller, and all but one of them. */
static void refuse_cuts(void)
{
    uint8_t raw[90], payload[4000], sizes[sizeof raw];
    fill_text(raw, sizeof raw);
    now = (test_case){LMZ_TOKEN_METHOD, 4, sizeof raw, "wrong cuts", 1};
    const size_t n = cut_tokens(raw, sizes);
    const int simd = lmz_simd_best();
    lmz_coder *coder = lmz_encoder_new(now.method, now.n_lanes, simd, NULL, transformers[simd], raw, sizeof raw, payload, sizeof payload);
    CHECK(coder && lmz_coder_run(coder, 1) == LMZ_E_DAMAGED);
    for (size_t i = 0; i < n; i++)
        for (int d = -1; d <= 1; d++) {
            uint8_t *exact = allocate(n - !d);
            memcpy(exact, sizes, n - !d);
            if (d)
                exact[i] = (uint8_t)(exact[i] + d);
            CHECK(lmz_encoder_set_tokens(coder, exact, n - !d) == LMZ_E_DAMAGED);
            free(exact);
            n_checked++;
        }
    CHECK(lmz_encoder_set_tokens(coder, sizes, n) == LMZ_DONE && lmz_coder_run(coder, 2) == LMZ_MORE);
    lmz_coder_free(coder); /* abandoned */
}

size_t cut_tokens(const uint8_t *raw, uint8_t *sizes)
{
    const size_t chunk_size = (now.raw_size + (size_t)now.n_lanes - 1) / (size_t)now.n_lanes;
    const uint32_t way = next_random() % 3; /* single bytes, random tokens, longest tokens */
    size_t n = 0;
    for (size_t at = 0; at < now.raw_size; at += sizes[n++]) {
        const size_t here = chunk_size - at % chunk_size, left = here < now.raw_size - at ? here : now.raw_size - at;
        sizes[n] = 1;
        for (int i = 0; way && i < N_STRINGS; i++)
            if (tokens[i].size <= left && !memcmp(tokens[i].bytes, raw + at, tokens[i].size) &&
                (way == 2 ? tokens[i].size > sizes[n] : next_random() % 2))
                sizes[n] = tokens[i].size;
    }
    return n;
}

void make_transformers(int kind)
{
    make_tokens();
    FOR_EACH_VARIANT(simd)
        transformers[simd] = make(kind, simd);
}

void free_transformers(void)
{
    for (int simd = 0; simd < LMZ_N_SIMD; simd++) {
        lmz_transformer_free(transformers[simd]);
        transformers[simd] = NULL;
    }
}

void refuse_bad_transformers(void)
{
    make_transformers(TINY_PLAUSIBLE);
    FOR_EACH_VARIANT(simd)
        refuse(simd);
    refuse_cuts();
    free_transformers();
}

/* transformer.c - transformers: arguments, packing of the weights, choice of the variant; the memory of a block's lanes. */
#include "transformer.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define MAX_LAYERS 128
#define MAX_HEADS 128
#define MAX_HEAD_DIM 256
#define MAX_VOCABULARY 262143
#define MAX_WINDOW 8192
#define MAX_NORM_UNIT 24
#define MAX_EPSILON ((uint64_t)1 << 32)

static int is_dim(int64_t n, int64_t limit) { return n >= NET_ROW_ALIGN && n <= limit && n % NET_ROW_ALIGN == 0; }

static int is_shape(const lmz_transformer_shape *s)
{
    return is_dim(s->n_embd, NET_MAX_DIM) && is_dim(s->n_hidden, NET_MAX_DIM) && is_dim(s->head_dim, MAX_HEAD_DIM) &&
           s->n_layer >= 1 && s->n_layer <= MAX_LAYERS && s->n_head >= 1 && s->n_head <= MAX_HEADS && s->n_kv_head >= 1 &&
           s->n_kv_head <= s->n_head && s->n_head % s->n_kv_head == 0 && s->n_head / s->n_kv_head <= MAX_GROUP &&
           is_dim((int64_t)s->n_head * s->head_dim, NET_MAX_DIM) && s->n_vocab >= 256 && s->n_vocab <= MAX_VOCABULARY &&
           s->window >= VALUE_BLOCK && s->window <= MAX_WINDOW && s->window % VALUE_BLOCK == 0 && s->wide >= 0 &&
           s->wide < 1 << LMZ_PRODUCT_EMBED && s->epsilon <= MAX_EPSILON && s->scale_of_scores >= 0 &&
           s->scale_of_scores < 1 << 21;
}

static int max_of(int a, int b) { return a > b ? a : b; }

static size_t larger_of(size_t a, size_t b) { return a > b ? a : b; }

/* round(sqrt(n) 2^12) */
static int64_t norm_factor(int64_t n)
{
    int64_t r = 0, square = 4 * n << 24;
    for (int64_t bit = (int64_t)1 << 24; bit; bit >>= 1)
        if ((r + bit) * (r + bit) <= square)
            r += bit;
    return (r + 1) / 2;
}

static transformer_step *const steps[LMZ_N_SIMD] = {
    [LMZ_SIMD_PORTABLE] = transformer_step_portable,
#if defined(__x86_64__)
    [LMZ_SIMD_AVX2] = transformer_step_avx2,
    [LMZ_SIMD_AVXVNNI] = transformer_step_avxvnni,
    [LMZ_SIMD_AVX512] = transformer_step_avx512,
    [LMZ_SIMD_AMX] = transformer_step_amx,
#endif
};

/* Carve room for a matrix, which stays without rows until it is set. */
static void carve_matrix(lmz_transformer *t, net_matrix *m, uint8_t *base, uint64_t *offset, int n_in, int n_rows)
{
    const int n_out = whole_tiles(n_rows);
    m->n_in = n_in;
    m->packed = carve(base, offset, matrix_size(t->packing, (size_t)n_in, (size_t)n_out));
    m->multiplier = carve(base, offset, (size_t)n_out * 4);
}

static int width_of(const lmz_transformer_shape *s) { return s->n_head * s->head_dim; }

/* Lay out all numbers in zeroed memory at base; with base NULL only return the size they take. */
static uint64_t lay_out(lmz_transformer *t, uint8_t *base)
{
    const lmz_transformer_shape *s = &t->shape;
    const size_t n_norms = 2 * (size_t)s->n_layer + 1, n_tokens = (size_t)s->n_vocab + 1, n_embd = (size_t)s->n_embd;
    uint64_t offset = 0;
    for (int l = 0; l < s->n_layer; l++) {
        transformer_layer *layer = &t->layers[l];
        carve_matrix(t, &layer->in, base, &offset, s->n_embd, t->n_in_rows);
        carve_matrix(t, &layer->out, base, &offset, width_of(s), s->n_embd);
        carve_matrix(t, &layer->up, base, &offset, s->n_embd, 2 * s->n_hidden);
        carve_matrix(t, &layer->down, base, &offset, s->n_hidden, s->n_embd);
        layer->bias = carve(base, &offset, (size_t)t->n_in_rows * 4);
    }
    carve_matrix(t, &t->head, base, &offset, s->n_embd, s->n_vocab);
    t->norms = carve(base, &offset, n_norms * n_embd * sizeof *t->norms);
    t->norm_units = carve(base, &offset, n_norms);
    t->frequencies = carve(base, &offset, (size_t)s->head_dim / 2 * sizeof *t->frequencies);
    t->embedding = carve(base, &offset, n_tokens * n_embd);
    t->embedding_multiplier = carve(base, &offset, n_tokens * sizeof *t->embedding_multiplier);
    return offset;
}

lmz_transformer *lmz_transformer_new(const lmz_transformer_shape *s, const int16_t *norms, const uint8_t *norm_units,
                                     const uint32_t *frequencies, int simd)
{
    if (!is_shape(s) || !lmz_simd_available(simd))
        return NULL;
    const size_t n_norms = 2 * (size_t)s->n_layer + 1;
    for (size_t i = 0; i < n_norms; i++)
        if (norm_units[i] > MAX_NORM_UNIT)
            return NULL;
    struct lmz_transformer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->shape = *s;
    t->norm_factor = norm_factor(s->n_embd);
    t->n_in_rows = (s->n_head + 2 * s->n_kv_head) * s->head_dim;
    t->max_row = max_of(max_of(t->n_in_rows, 2 * s->n_hidden), max_of(s->n_embd, width_of(s)));
    t->n_missing = 4 * s->n_layer + 1 + (s->has_head != 0);
    t->packing = matrix_packing_of(simd);
    t->step = steps[simd];
    t->layers = calloc((size_t)s->n_layer, sizeof *t->layers);
    if (t->layers) {
        t->memory_size = lay_out(t, NULL);
        t->memory = allocate_zeroed(t->memory_size);
    }
    if (!t->memory) {
        lmz_transformer_free(t);
        return NULL;
    }
    lay_out(t, t->memory);
    memcpy(t->norms, norms, n_norms * (size_t)s->n_embd * sizeof *norms);
    memcpy(t->norm_units, norm_units, n_norms);
    memcpy(t->frequencies, frequencies, (size_t)s->head_dim / 2 * sizeof *frequencies);
    return t;
}

/* Fill a matrix that is not there yet. */
static int set_matrix(lmz_transformer *t, net_matrix *m, const int8_t *weights, const int32_t *multipliers, int n_rows)
{
    if (m->n_out)
        return LMZ_E_DAMAGED;
    m->n_out = whole_tiles(n_rows);
    return matrix_pack(t->packing, weights, multipliers, m->n_in, n_rows, m->n_out, (uint8_t *)(uintptr_t)m->packed,
                       (int32_t *)(uintptr_t)m->multiplier)
               ? LMZ_DONE
               : LMZ_E_DAMAGED;
}

static int set_embedding(lmz_transformer *t, const int8_t *weights, const int32_t *multipliers)
{
    const size_t n_rows = (size_t)t->shape.n_vocab + 1;
    if (t->has_embedding)
        return LMZ_E_DAMAGED;
    t->has_embedding = 1;
    memcpy(t->embedding, weights, n_rows * (size_t)t->shape.n_embd);
    memcpy(t->embedding_multiplier, multipliers, n_rows * sizeof *multipliers);
    for (size_t i = 0; i < n_rows; i++)
        if (multipliers[i] < 0)
            return LMZ_E_DAMAGED;
    return t->shape.has_head ? LMZ_DONE : set_matrix(t, &t->head, weights, multipliers, t->shape.n_vocab);
}

int lmz_transformer_set(lmz_transformer *t, int product, int layer, const int8_t *weights, const int32_t *multipliers,
                        const int32_t *biases, size_t n_rows, size_t n_in)
{
    const lmz_transformer_shape *s = &t->shape;
    const int rows[] = {t->n_in_rows, s->n_embd, 2 * s->n_hidden, s->n_embd, s->n_vocab, s->n_vocab + 1};
    const int columns[] = {s->n_embd, width_of(s), s->n_embd, s->n_hidden, s->n_embd, s->n_embd};
    if (product < 0 || product > LMZ_PRODUCT_EMBED || layer < 0 || layer >= s->n_layer ||
        n_rows != (size_t)rows[product] || n_in != (size_t)columns[product] || (biases && product != LMZ_PRODUCT_IN) ||
        (product == LMZ_PRODUCT_HEAD && !s->has_head))
        return LMZ_E_DAMAGED;
    transformer_layer *l = &t->layers[layer];
    net_matrix *matrices[] = {&l->in, &l->out, &l->up, &l->down, &t->head};
    int status = product == LMZ_PRODUCT_EMBED ? set_embedding(t, weights, multipliers)
                                              : set_matrix(t, matrices[product], weights, multipliers, (int)n_rows);
    if (status == LMZ_DONE && biases) {
        memcpy(l->bias, biases, n_rows * sizeof *biases);
        l->has_bias = 1;
    }
    t->n_missing -= status == LMZ_DONE;
    return status;
}

int lmz_transformer_set_vocabulary(lmz_transformer *t, const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes)
{
    return t->vocabulary.nodes ? LMZ_E_DAMAGED : vocabulary_make(&t->vocabulary, bytes, n_bytes, sizes, (size_t)t->shape.n_vocab);
}

int lmz_transformer_is_complete(const lmz_transformer *t) { return !t->n_missing; }

void lmz_transformer_free(lmz_transformer *t)
{
    if (!t)
        return;
    vocabulary_free(&t->vocabulary);
    free_zeroed(t->memory, t->memory_size);
    free(t->layers);
    free(t);
}

uint64_t transformer_lanes_lay_out(transformer_lanes *lanes, const struct lmz_transformer *t, int n_lanes, int n_halvings,
                                   uint8_t *base)
{
    const lmz_transformer_shape *s = &t->shape;
    lanes->wide = n_halvings < NARROW_FROM ? s->wide : 0;
    lanes->window = max_of(VALUE_BLOCK, (s->window >> n_halvings) / VALUE_BLOCK * VALUE_BLOCK);
    const uint64_t heads = (uint64_t)n_lanes * (uint64_t)s->n_layer * (uint64_t)s->n_kv_head * (uint64_t)lanes->window;
    const size_t n = (size_t)n_lanes, width = (size_t)t->max_row, half = (size_t)s->head_dim / 2;
    const size_t group = (size_t)(s->n_head / s->n_kv_head), dim = (size_t)s->head_dim;
    uint64_t offset = 0;
    lanes->n_lanes = n_lanes;
    lanes->active = carve(base, &offset, n * sizeof *lanes->active);
    lanes->n_tokens = carve(base, &offset, n * 4);
    lanes->last = carve(base, &offset, n * 4);
    lanes->keys = carve(base, &offset, matrix_size(t->packing, heads, dim));
    lanes->key_multiplier = carve(base, &offset, heads * 4);
    lanes->values = carve(base, &offset, matrix_size(t->packing, heads, dim));
    lanes->value_size = carve(base, &offset, heads * 4);
    lanes->residual = carve(base, &offset, n * (size_t)s->n_embd * 4);
    lanes->product = carve(base, &offset, n * width * 4);
    lanes->attended = carve(base, &offset, n * (size_t)s->n_head * dim * 4);
    lanes->quantised = carve(base, &offset, 2 * n * width);
    lanes->bias = carve(base, &offset, 2 * n * 4);
    lanes->scales = carve(base, &offset, n * sizeof *lanes->scales);
    lanes->factor = carve(base, &offset, n * 8);
    lanes->shift = carve(base, &offset, n * 4);
    lanes->cosines = carve(base, &offset, n * half * 2);
    lanes->sines = carve(base, &offset, n * half * 2);
    /* a vector to normalise; or what rows of two matrices give; or a group's queries, their scores, sums by values and the
       weights in two parts (attend_head) */
    const size_t window = (size_t)lanes->window, attention = group * (window + 4 * dim) + group * window / 2;
    lanes->scratch_size = larger_of(larger_of(width, 2 * sums_size(n_lanes)), attention);
    lanes->scratch_size = (lanes->scratch_size + 15) & ~(size_t)15;
    lanes->scratch = carve(base, &offset, TEAM_MAX * lanes->scratch_size * 4);
    lanes->logits = carve(base, &offset, n * (size_t)whole_tiles(s->n_vocab) * 4);
    return offset;
}

void transformer_lanes_start(transformer_lanes *lanes, const struct lmz_transformer *t)
{
    for (int j = 0; j < lanes->n_lanes; j++) {
        lanes->active[j] = j;
        lanes->n_tokens[j] = 0;
        lanes->last[j] = (uint32_t)t->shape.n_vocab;
    }
}

static void take_part(const team_member *me, void *argument)
{
    step_part part = *(const step_part *)argument;
    part.me = me;
    part.t->step(&part);
}

void transformer_step_all(const struct lmz_transformer *t, transformer_lanes *lanes, int n, int n_threads, lane_work *then,
                          void *argument)
{
    step_part step = {t, lanes, n, then, argument, NULL};
    team_run(take_part, &step, n_threads);
    for (int j = 0; j < n; j++)
        lanes->n_tokens[lanes->active[j]]++;
}

int lmz_transformer_run(const lmz_transformer *t, int n_lanes, int n_threads, const uint32_t *tokens, size_t n_steps,
                        uint32_t *exponentials)
{
    if (n_lanes < 1 || n_lanes > LMZ_MAX_LANES / 2 || !lmz_transformer_is_complete(t) || !t->step)
        return LMZ_E_DAMAGED;
    const size_t n_vocab = (size_t)t->shape.n_vocab, n = (size_t)n_lanes;
    for (size_t i = 0; i < n_steps * n; i++)
        if (tokens[i] >= n_vocab)
            return LMZ_E_DAMAGED;
    transformer_lanes lanes = {0};
    const uint64_t size = transformer_lanes_lay_out(&lanes, t, n_lanes, 0, NULL);
    uint8_t *memory = allocate_zeroed(size);
    if (!memory)
        return LMZ_E_FULL;
    transformer_lanes_lay_out(&lanes, t, n_lanes, 0, memory);
    transformer_lanes_start(&lanes, t);
    for (size_t s = 0; s < n_steps; s++) {
        transformer_step_all(t, &lanes, n_lanes, n_threads, NULL, NULL);
        for (int j = 0; j < n_lanes; j++) {
            memcpy(exponentials + (s * n + (size_t)j) * n_vocab, transformer_exponentials(t, &lanes, j), n_vocab * 4);
            lanes.last[j] = tokens[s * n + (size_t)j];
        }
    }
    free_zeroed(memory, size);
    return LMZ_DONE;
}

/* llama.c - transformers: arguments, packing of the weights, choice of the variant; the memory of a block's lanes. */
#include "llama.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "memory.h"

#define MAX_LAYERS 128
#define MAX_HEADS 128
#define MAX_HEAD_DIM 256
#define MAX_VOCABULARY 262143
#define MAX_WINDOW 8192
#define MAX_GAIN_SHIFT 24
#define MAX_EPSILON ((uint64_t)1 << 32)

static const expert_ops llama_ops; /* below */

static int is_dim(int64_t n, int64_t limit) { return n >= ROW_ALIGN && n <= limit && n % ROW_ALIGN == 0; }

static int is_shape(const lmz_llama_shape *s)
{
    return is_dim(s->n_embd, MAX_DIM) && is_dim(s->n_hidden, MAX_DIM) && is_dim(s->head_dim, MAX_HEAD_DIM) &&
           s->n_layer >= 1 && s->n_layer <= MAX_LAYERS && s->n_head >= 1 && s->n_head <= MAX_HEADS &&
           s->n_kv_head >= 1 && s->n_kv_head <= s->n_head && s->n_head % s->n_kv_head == 0 &&
           s->n_head / s->n_kv_head <= MAX_GROUP && is_dim((int64_t)s->n_head * s->head_dim, MAX_DIM) &&
           s->n_vocab >= 256 && s->n_vocab <= MAX_VOCABULARY && s->window >= VALUE_BLOCK && s->window <= MAX_WINDOW &&
           s->window % VALUE_BLOCK == 0 && s->int15 >= 0 && s->int15 < 1 << LMZ_W_EMBED && s->epsilon <= MAX_EPSILON &&
           s->scale_of_scores >= 0 && s->scale_of_scores < 1 << 21;
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

/* Carve room for a matrix, which stays without rows until it is set. */
static void carve_matrix(struct llama *t, weight_matrix *m, uint8_t *base, uint64_t *offset, int n_in, int n_rows)
{
    const int n_out = whole_tiles(n_rows);
    m->n_in = n_in;
    m->packed = arena_take(base, offset, matrix_size(t->packing, (size_t)n_in, (size_t)n_out));
    m->multiplier = arena_take(base, offset, (size_t)n_out * 4);
}

static int width_of(const lmz_llama_shape *s) { return s->n_head * s->head_dim; }

/* Lay out all numbers in zeroed memory at base; with base NULL only return the size they take. */
static uint64_t layout(struct llama *t, uint8_t *base)
{
    const lmz_llama_shape *s = &t->shape;
    const size_t n_norms = 2 * (size_t)s->n_layer + 1, n_tokens = (size_t)s->n_vocab + 1, n_embd = (size_t)s->n_embd;
    uint64_t offset = 0;
    for (int l = 0; l < s->n_layer; l++) {
        llama_layer *layer = &t->layers[l];
        carve_matrix(t, &layer->qkv, base, &offset, s->n_embd, t->n_qkv_rows);
        carve_matrix(t, &layer->o, base, &offset, width_of(s), s->n_embd);
        carve_matrix(t, &layer->gate_up, base, &offset, s->n_embd, 2 * s->n_hidden);
        carve_matrix(t, &layer->down, base, &offset, s->n_hidden, s->n_embd);
        layer->bias = arena_take(base, &offset, (size_t)t->n_qkv_rows * 4);
    }
    carve_matrix(t, &t->lm_head, base, &offset, s->n_embd, s->n_vocab);
    t->norms = arena_take(base, &offset, n_norms * n_embd * sizeof *t->norms);
    t->gain_shifts = arena_take(base, &offset, n_norms);
    t->inv_freq = arena_take(base, &offset, (size_t)s->head_dim / 2 * sizeof *t->inv_freq);
    t->embedding = arena_take(base, &offset, n_tokens * n_embd);
    t->embedding_multiplier = arena_take(base, &offset, n_tokens * sizeof *t->embedding_multiplier);
    return offset;
}

static void llama_free(lmz_expert *expert)
{
    struct llama *t = (struct llama *)expert;
    vocab_trie_free(&expert->vocab);
    free_zeroed(t->memory, t->memory_size);
    free(t->layers);
    free(t);
}

lmz_expert *lmz_llama_new(const lmz_llama_shape *s, const int16_t *norms, const uint8_t *gain_shifts,
                          const uint32_t *inv_freq, int simd)
{
    const cpu_variant *variant = cpu_variant_of(simd);
    if (!is_shape(s) || !variant)
        return NULL;
    const size_t n_norms = 2 * (size_t)s->n_layer + 1;
    for (size_t i = 0; i < n_norms; i++)
        if (gain_shifts[i] > MAX_GAIN_SHIFT)
            return NULL;
    struct llama *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->shape = *s;
    t->norm_factor = norm_factor(s->n_embd);
    t->n_qkv_rows = (s->n_head + 2 * s->n_kv_head) * s->head_dim;
    t->max_row = max_of(max_of(t->n_qkv_rows, 2 * s->n_hidden), max_of(s->n_embd, width_of(s)));
    t->n_missing = 4 * s->n_layer + 1 + (s->has_lm_head != 0);
    t->packing = variant->packing;
    t->step = variant->llama;
    t->expert.ops = &llama_ops;
    t->expert.lanes_at_once = variant->lanes_at_once;
    t->layers = calloc((size_t)s->n_layer, sizeof *t->layers);
    if (t->layers) {
        t->memory_size = layout(t, NULL);
        t->memory = allocate_zeroed(t->memory_size);
    }
    if (!t->memory) {
        llama_free(&t->expert);
        return NULL;
    }
    layout(t, t->memory);
    memcpy(t->norms, norms, n_norms * (size_t)s->n_embd * sizeof *norms);
    memcpy(t->gain_shifts, gain_shifts, n_norms);
    memcpy(t->inv_freq, inv_freq, (size_t)s->head_dim / 2 * sizeof *inv_freq);
    return &t->expert;
}

/* Fill a matrix that is not there yet. */
static int set_matrix(struct llama *t, weight_matrix *m, const int8_t *weights, const int32_t *multipliers, int n_rows)
{
    if (m->n_out)
        return LMZ_E_ARGUMENT;
    m->n_out = whole_tiles(n_rows);
    return matrix_pack(t->packing, weights, multipliers, m->n_in, n_rows, m->n_out, (uint8_t *)(uintptr_t)m->packed,
                       (int32_t *)(uintptr_t)m->multiplier)
               ? LMZ_DONE
               : LMZ_E_ARGUMENT;
}

static int set_embedding(struct llama *t, const int8_t *weights, const int32_t *multipliers)
{
    const size_t n_rows = (size_t)t->shape.n_vocab + 1;
    if (t->has_embedding)
        return LMZ_E_ARGUMENT;
    t->has_embedding = 1;
    memcpy(t->embedding, weights, n_rows * (size_t)t->shape.n_embd);
    memcpy(t->embedding_multiplier, multipliers, n_rows * sizeof *multipliers);
    for (size_t i = 0; i < n_rows; i++)
        if (multipliers[i] < 0)
            return LMZ_E_ARGUMENT;
    return t->shape.has_lm_head ? LMZ_DONE : set_matrix(t, &t->lm_head, weights, multipliers, t->shape.n_vocab);
}

int lmz_llama_set(lmz_expert *expert, int matrix, int layer, const int8_t *weights, const int32_t *multipliers,
                  const int32_t *biases, size_t n_rows, size_t n_in)
{
    if (expert->ops != &llama_ops)
        return LMZ_E_ARGUMENT;
    struct llama *t = (struct llama *)expert;
    const lmz_llama_shape *s = &t->shape;
    const int rows[] = {t->n_qkv_rows, s->n_embd, 2 * s->n_hidden, s->n_embd, s->n_vocab, s->n_vocab + 1};
    const int columns[] = {s->n_embd, width_of(s), s->n_embd, s->n_hidden, s->n_embd, s->n_embd};
    if (matrix < 0 || matrix > LMZ_W_EMBED || layer < 0 || layer >= s->n_layer ||
        n_rows != (size_t)rows[matrix] || n_in != (size_t)columns[matrix] || (biases && matrix != LMZ_W_QKV) ||
        (matrix == LMZ_W_LM_HEAD && !s->has_lm_head))
        return LMZ_E_ARGUMENT;
    llama_layer *l = &t->layers[layer];
    weight_matrix *matrices[] = {&l->qkv, &l->o, &l->gate_up, &l->down, &t->lm_head};
    int status = matrix == LMZ_W_EMBED ? set_embedding(t, weights, multipliers)
                                              : set_matrix(t, matrices[matrix], weights, multipliers, (int)n_rows);
    if (status == LMZ_DONE && biases) {
        memcpy(l->bias, biases, n_rows * sizeof *biases);
        l->has_bias = 1;
    }
    t->n_missing -= status == LMZ_DONE;
    return status;
}

int lmz_llama_set_vocabulary(lmz_expert *expert, const uint8_t *bytes, size_t n_bytes, const uint8_t *sizes)
{
    if (expert->ops != &llama_ops || expert->vocab.nodes)
        return LMZ_E_ARGUMENT;
    return vocab_trie_make(&expert->vocab, bytes, n_bytes, sizes, (size_t)((struct llama *)expert)->shape.n_vocab);
}

int lmz_llama_is_complete(const lmz_expert *expert)
{
    return expert->ops == &llama_ops && !((const struct llama *)expert)->n_missing;
}

/* Lay out the arrays of `lanes` in zeroed memory at base; with base NULL only return the size they take.  n_halvings:
   of the window; from NARROW_FROM on, all products take vectors of 8 bits. */
static uint64_t lanes_layout(llama_lanes *lanes, const struct llama *t, int n_lanes, int n_halvings,
                             uint8_t *base)
{
    const lmz_llama_shape *s = &t->shape;
    lanes->int15 = n_halvings < NARROW_FROM ? s->int15 : 0;
    lanes->window = max_of(VALUE_BLOCK, (s->window >> n_halvings) / VALUE_BLOCK * VALUE_BLOCK);
    const uint64_t heads = (uint64_t)n_lanes * (uint64_t)s->n_layer * (uint64_t)s->n_kv_head * (uint64_t)lanes->window;
    const size_t n = (size_t)n_lanes, width = (size_t)t->max_row, half = (size_t)s->head_dim / 2;
    const size_t group = (size_t)(s->n_head / s->n_kv_head), dim = (size_t)s->head_dim;
    uint64_t offset = 0;
    lanes->n_lanes = n_lanes;
    lanes->n_tokens = arena_take(base, &offset, n * 4);
    lanes->keys = arena_take(base, &offset, matrix_size(t->packing, heads, dim));
    lanes->key_multiplier = arena_take(base, &offset, heads * 4);
    lanes->values = arena_take(base, &offset, matrix_size(t->packing, heads, dim));
    lanes->value_size = arena_take(base, &offset, heads * 4);
    lanes->residual = arena_take(base, &offset, n * (size_t)s->n_embd * 4);
    lanes->activations = arena_take(base, &offset, n * width * 4);
    lanes->attended = arena_take(base, &offset, n * (size_t)s->n_head * dim * 4);
    lanes->quantised = arena_take(base, &offset, 2 * n * width);
    lanes->bias = arena_take(base, &offset, 2 * n * 4);
    lanes->scales = arena_take(base, &offset, n * sizeof *lanes->scales);
    lanes->factor = arena_take(base, &offset, n * 8);
    lanes->shift = arena_take(base, &offset, n * 4);
    lanes->cosines = arena_take(base, &offset, n * half * 2);
    lanes->sines = arena_take(base, &offset, n * half * 2);
    /* a vector to normalise; or what rows of two matrices give; or a group's queries, their scores, sums by values and
       the weights in two parts (attend_head) */
    const size_t window = (size_t)lanes->window, attention = group * (window + 4 * dim) + group * window / 2;
    lanes->scratch_size = larger_of(larger_of(width, 2 * sums_size(n_lanes)), attention);
    lanes->scratch_size = (lanes->scratch_size + 15) & ~(size_t)15;
    lanes->scratch = arena_take(base, &offset, CREW_MAX * lanes->scratch_size * 4);
    lanes->logits = arena_take(base, &offset, n * (size_t)whole_tiles(s->n_vocab) * 4);
    return offset;
}

static void take_part(const crew_worker *me, void *argument)
{
    step_part part = *(const step_part *)argument;
    part.me = me;
    part.t->step(&part);
}

/* One step of the first n active lanes, shared by up to n_threads threads. */
static void step_all(const struct llama *t, llama_lanes *lanes, int n, int n_threads, lane_work *then, void *coder)
{
    step_part step = {t, lanes, n, then, coder, NULL};
    crew_run(take_part, &step, n_threads);
    for (int j = 0; j < n; j++)
        lanes->n_tokens[lanes->active[j]]++;
}

/* Lay out llama_lanes itself and its arrays. */
static uint64_t llama_layout(struct lmz_coder *c, uint8_t *memory)
{
    llama_lanes scratch;
    uint64_t size = 0;
    llama_lanes *lanes = arena_take(memory, &size, sizeof *lanes);
    c->expert_lanes = lanes;
    return size + lanes_layout(memory ? lanes : &scratch, (const struct llama *)c->expert, c->n_lanes, c->spec.context,
                               memory ? memory + size : NULL);
}

static void llama_start(struct lmz_coder *c)
{
    llama_lanes *lanes = c->expert_lanes;
    lanes->active = c->tokens.active;
    lanes->last = c->tokens.last;
}

static void llama_step_lanes(struct lmz_coder *c, int n, lane_work *then)
{
    step_all((const struct llama *)c->expert, c->expert_lanes, n, c->n_threads, then, c);
}

static const uint32_t *token_weights(const struct lmz_coder *c, int place)
{
    return llama_token_weights((const struct llama *)c->expert, c->expert_lanes, place);
}

static int is_complete(const lmz_expert *expert) { return lmz_llama_is_complete(expert) && expert->vocab.nodes; }

static const expert_ops llama_ops = {
    .name = "llama", .unit = LMZ_TOKENS, .n_contexts = 4, .prior = PRIOR_OF_TOKENS, .is_complete = is_complete,
    .layout = llama_layout, .start = llama_start, .step = llama_step_lanes, .token_weights = token_weights,
    .free = llama_free};

int lmz_llama_run(const lmz_expert *expert, int n_lanes, int n_threads, const uint32_t *tokens, size_t n_steps,
                  uint32_t *weights)
{
    const struct llama *t = (const struct llama *)expert;
    if (n_lanes < 1 || n_lanes > LMZ_MAX_LANES / 2 || !lmz_llama_is_complete(expert))
        return LMZ_E_ARGUMENT;
    const size_t n_vocab = (size_t)t->shape.n_vocab, n = (size_t)n_lanes;
    for (size_t i = 0; i < n_steps * n; i++)
        if (tokens[i] >= n_vocab)
            return LMZ_E_ARGUMENT;
    llama_lanes lanes = {0};
    int active[LMZ_MAX_LANES];
    uint32_t last[LMZ_MAX_LANES];
    const uint64_t size = lanes_layout(&lanes, t, n_lanes, 0, NULL);
    uint8_t *memory = allocate_zeroed(size);
    if (!memory)
        return LMZ_E_MEMORY;
    lanes_layout(&lanes, t, n_lanes, 0, memory);
    lanes.active = active;
    lanes.last = last;
    for (int j = 0; j < n_lanes; j++) {
        active[j] = j;
        last[j] = (uint32_t)n_vocab;
    }
    for (size_t s = 0; s < n_steps; s++) {
        step_all(t, &lanes, n_lanes, n_threads, NULL, NULL);
        for (int j = 0; j < n_lanes; j++) {
            memcpy(weights + (s * n + (size_t)j) * n_vocab, llama_token_weights(t, &lanes, j), n_vocab * 4);
            last[j] = tokens[s * n + (size_t)j];
        }
    }
    free_zeroed(memory, size);
    return LMZ_DONE;
}

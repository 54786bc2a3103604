/* llama.c - transformers: arguments, packing of the weights, choice of the variant; the memory of a block's lanes. */
#include "llama.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAX_HEADS 128
#define MAX_HEAD_DIM 256
#define MAX_VOCABULARY 262143
#define MAX_WINDOW 8192
#define MAX_GAIN_SHIFT 24
#define MAX_EPSILON ((uint64_t)1 << 32)
#define MAX_EMBED_SCALE (1 << 16)
#define MIN_CAP (1 << 12)
#define MAX_CAP (1 << 26)

static const expert_ops llama_ops; /* below */

static int is_dim(int64_t n, int64_t limit) { return n >= ROW_ALIGN && n <= limit && n % ROW_ALIGN == 0; }

static int is_window(int window) { return window >= VALUE_BLOCK && window <= MAX_WINDOW && !(window % VALUE_BLOCK); }

static int is_cap(int cap) { return !cap || (cap >= MIN_CAP && cap <= MAX_CAP); }

static int is_shape(const lmz_llama_shape *s)
{
    return is_dim(s->n_embd, MAX_DIM) && is_dim(s->n_hidden, MAX_DIM) && is_dim(s->head_dim, MAX_HEAD_DIM) &&
           s->n_layer >= 1 && s->n_layer <= LLAMA_MAX_LAYERS && s->n_head >= 1 && s->n_head <= MAX_HEADS &&
           s->n_kv_head >= 1 && s->n_kv_head <= s->n_head && s->n_head % s->n_kv_head == 0 &&
           s->n_head / s->n_kv_head <= MAX_GROUP && is_dim((int64_t)s->n_head * s->head_dim, MAX_DIM) &&
           s->n_vocab >= 256 && s->n_vocab <= MAX_VOCABULARY && is_window(s->window) &&
           (!s->local_window || is_window(s->local_window)) && is_cap(s->score_cap) && is_cap(s->logit_cap) &&
           s->embed_scale >= 1 && s->embed_scale <= MAX_EMBED_SCALE && s->int15 >= 0 &&
           s->int15 < 1 << LMZ_W_EMBED && s->epsilon <= MAX_EPSILON && s->scale_of_scores >= 0 &&
           s->scale_of_scores < 1 << 21;
}

static size_t larger_of(size_t a, size_t b) { return a > b ? a : b; }

/* round(sqrt(n) 2^12): the root of 4 n 2^24 is twice that. */
static int64_t norm_factor(int n) { return (root((int64_t)n << 26) + 1) / 2; }

static int width_of(const lmz_llama_shape *s) { return s->n_head * s->head_dim; }

static int has_norm(const lmz_llama_shape *s, int which)
{
    const int is_head = which == NORM_Q || which == NORM_K, is_post = which == NORM_O || which == NORM_DOWN;
    return is_head ? s->has_head_norms : is_post ? s->has_post_norms : 1;
}

/* Take a norm's gains out of t->memory; epsilon is that of n_embd numbers. */
static void take_norm(struct llama *t, rms_norm *norm, int n)
{
    norm->n = n;
    norm->gains = arena_take(&t->memory, (size_t)n * sizeof *norm->gains);
    norm->epsilon = t->shape.epsilon * (uint64_t)n / (uint64_t)t->shape.n_embd;
    norm->factor = norm_factor(n);
}

/* Take all numbers out of t->memory. */
static void layout(struct llama *t)
{
    const lmz_llama_shape *s = &t->shape;
    arena *a = &t->memory;
    for (llama_layer *layer = t->layers; layer < t->layers + s->n_layer; layer++) {
        matrix_take(&layer->qkv, t->packing, s->n_embd, t->n_qkv_rows, a);
        matrix_take(&layer->o, t->packing, width_of(s), s->n_embd, a);
        matrix_take(&layer->gate_up, t->packing, s->n_embd, 2 * s->n_hidden, a);
        matrix_take(&layer->down, t->packing, s->n_hidden, s->n_embd, a);
        layer->bias = arena_take(a, (size_t)t->n_qkv_rows * sizeof *layer->bias);
        for (int k = 0; k < N_NORMS; k++)
            if (has_norm(s, k))
                take_norm(t, &layer->norms[k], k == NORM_Q || k == NORM_K ? s->head_dim : s->n_embd);
    }
    matrix_take(&t->embedding, t->packing, s->n_embd, s->n_vocab + 1, a);
    if (s->has_lm_head)
        matrix_take(&t->lm_head, t->packing, s->n_embd, s->n_vocab, a);
    else /* no product has to do with the start, so it has multipliers of its own */
        t->lm_head = (weight_matrix){.n_in = s->n_embd, .n_rows = s->n_vocab, .packed = t->embedding.packed,
                                     .multiplier = arena_take(a, (size_t)whole_tiles(s->n_vocab) * 4)};
    take_norm(t, &t->head_norm, s->n_embd);
    t->inv_freq = arena_take(a, (size_t)t->n_angles * sizeof *t->inv_freq);
}

/* Copy a norm that is there, and go on to the next; returns 0 for a shift beyond the budget. */
static int fill_norm(rms_norm *norm, const int16_t **norms, const uint8_t **gain_shifts)
{
    if (!norm->gains)
        return 1;
    memcpy(norm->gains, *norms, (size_t)norm->n * sizeof **norms);
    *norms += norm->n;
    norm->gain_shift = *(*gain_shifts)++;
    return norm->gain_shift <= MAX_GAIN_SHIFT;
}

static int fill_norms(struct llama *t, const int16_t *norms, const uint8_t *gain_shifts)
{
    int is_sound = 1;
    for (int i = 0; i < t->shape.n_layer; i++)
        for (int k = 0; k < N_NORMS; k++)
            is_sound &= fill_norm(&t->layers[i].norms[k], &norms, &gain_shifts);
    return is_sound & fill_norm(&t->head_norm, &norms, &gain_shifts);
}

static void set_local(struct llama *t, const uint8_t *is_local)
{
    for (int i = 0; is_local && i < t->shape.n_layer; i++) {
        t->layers[i].n_local_before = t->n_local;
        t->n_local += t->layers[i].is_local = is_local[i] != 0;
    }
}

static void llama_free(lmz_expert *expert)
{
    struct llama *t = (struct llama *)expert;
    vocab_trie_free(&expert->vocab);
    arena_free(&t->memory);
    free(t);
}

lmz_expert *lmz_llama_new(const lmz_llama_shape *s, const int16_t *norms, const uint8_t *gain_shifts,
                          const uint32_t *inv_freq, const uint8_t *is_local, int simd)
{
    const cpu_variant *variant = cpu_variant_of(simd);
    if (!is_shape(s) || !variant)
        return NULL;
    struct llama *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->shape = *s;
    t->n_angles = s->head_dim / (s->local_window ? 1 : 2);
    set_local(t, s->local_window ? is_local : NULL);
    t->n_qkv_rows = (s->n_head + 2 * s->n_kv_head) * s->head_dim;
    t->max_row = max_of(max_of(t->n_qkv_rows, 2 * s->n_hidden), max_of(s->n_embd, width_of(s)));
    t->n_missing = 4 * s->n_layer + 1 + (s->has_lm_head != 0);
    t->packing = variant->packing;
    t->step = variant->llama;
    t->expert.ops = &llama_ops;
    t->expert.vocab.n_tokens = (size_t)s->n_vocab;
    t->expert.lanes_at_once = variant->lanes_at_once;
    layout(t);
    if (!arena_allocate(&t->memory)) {
        free(t);
        return NULL;
    }
    layout(t);
    memcpy(t->inv_freq, inv_freq, (size_t)t->n_angles * sizeof *inv_freq);
    if (fill_norms(t, norms, gain_shifts))
        return &t->expert;
    llama_free(&t->expert);
    return NULL;
}

static int set_embedding(struct llama *t, const int8_t *weights, const int32_t *multipliers)
{
    weight_matrix *m = &t->embedding;
    if (m->n_out)
        return LMZ_E_ARGUMENT;
    matrix_pack(m, t->packing, weights);
    memcpy(m->multiplier, multipliers, (size_t)m->n_rows * sizeof *multipliers);
    for (int i = 0; i < m->n_rows; i++)
        if (multipliers[i] < 0)
            return LMZ_E_ARGUMENT;
    return t->shape.has_lm_head ? LMZ_DONE : matrix_scale(&t->lm_head, weights, multipliers);
}

int lmz_llama_set(lmz_expert *expert, int matrix, int layer, const int8_t *weights, const int32_t *multipliers,
                  const int32_t *biases, size_t n_rows, size_t n_in)
{
    if (expert->ops != &llama_ops)
        return LMZ_E_ARGUMENT;
    struct llama *t = (struct llama *)expert;
    const lmz_llama_shape *s = &t->shape;
    if (matrix < 0 || matrix > LMZ_W_EMBED || layer < 0 || layer >= s->n_layer)
        return LMZ_E_ARGUMENT;
    llama_layer *l = &t->layers[layer];
    weight_matrix *m = (weight_matrix *[]){&l->qkv, &l->o, &l->gate_up, &l->down, &t->lm_head, &t->embedding}[matrix];
    if (n_rows != (size_t)m->n_rows || n_in != (size_t)m->n_in || (biases && matrix != LMZ_W_QKV) ||
        (matrix == LMZ_W_LM_HEAD && !s->has_lm_head))
        return LMZ_E_ARGUMENT;
    int status = matrix == LMZ_W_EMBED ? set_embedding(t, weights, multipliers)
                                              : matrix_set(m, t->packing, weights, multipliers);
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

/* Tokens that attention sees in a block. */
static int window_of(const struct lmz_coder *c)
{
    const int window = ((const struct llama *)c->expert)->shape.window >> c->spec.context;
    return max_of(VALUE_BLOCK, window / VALUE_BLOCK * VALUE_BLOCK);
}

/* Take llama_lanes itself and its arrays.  From a window halved NARROW_FROM times on, all products take vectors of 8
   bits. */
static void llama_layout(struct lmz_coder *c)
{
    const struct llama *t = (const struct llama *)c->expert;
    const int n_columns = c->n_columns, n_halvings = c->spec.context;
    arena *a = &c->memory;
    llama_lanes scratch, *lanes = arena_take(a, sizeof *lanes);
    c->expert_lanes = lanes;
    if (!lanes)
        lanes = &scratch;
    const lmz_llama_shape *s = &t->shape;
    lanes->int15 = n_halvings < NARROW_FROM ? s->int15 : 0;
    lanes->window[0] = window_of(c);
    lanes->window[1] = s->local_window < lanes->window[0] ? s->local_window : lanes->window[0];
    lanes->n_slots = slots_before(lanes, s->n_layer, t->n_local);
    const uint64_t heads = (uint64_t)c->n_lanes * (uint64_t)s->n_kv_head * lanes->n_slots;
    const size_t n = (size_t)n_columns, width = (size_t)t->max_row, n_angles = (size_t)t->n_angles;
    const size_t group = (size_t)(s->n_head / s->n_kv_head), dim = (size_t)s->head_dim;
    lanes->n_tokens = arena_take(a, (size_t)c->n_lanes * 4);
    lanes->keys = arena_take(a, matrix_size(t->packing, heads, dim));
    lanes->key_multiplier = arena_take(a, heads * 4);
    lanes->values = arena_take(a, matrix_size(t->packing, heads, dim));
    lanes->value_size = arena_take(a, heads * 4);
    lanes->residual = arena_take(a, n * (size_t)s->n_embd * 4);
    lanes->activations = arena_take(a, n * width * 4);
    lanes->attended = arena_take(a, n * (size_t)s->n_head * dim * 4);
    lanes->quantised = arena_take(a, 2 * n * width);
    lanes->bias = arena_take(a, 2 * n * 4);
    lanes->scales = arena_take(a, n * sizeof *lanes->scales);
    lanes->factor = arena_take(a, n * 8);
    lanes->shift = arena_take(a, n * 4);
    lanes->cosines = arena_take(a, n * n_angles * 2);
    lanes->sines = arena_take(a, n * n_angles * 2);
    /* a vector to normalise; or what rows of two matrices give; or a group's queries, their scores, sums by values and
       the weights in two parts (attend_head) */
    const size_t window = (size_t)lanes->window[0], attention = group * (window + 4 * dim) + group * window / 2;
    lanes->scratch_size = larger_of(larger_of(width, 2 * sums_size(n_columns)), attention);
    lanes->scratch_size = (lanes->scratch_size + 15) & ~(size_t)15;
    lanes->scratch = arena_take(a, CREW_MAX * lanes->scratch_size * 4);
    lanes->logits = arena_take(a, n * (size_t)whole_tiles(s->n_vocab) * 4);
}

/* Keys and values of each lane: the arrays are by lane, and whole tiles. */
static void llama_resume(struct lmz_coder *c, const struct lmz_coder *learner)
{
    const struct llama *t = (const struct llama *)c->expert;
    llama_lanes *to = c->expert_lanes;
    const llama_lanes *from = learner->expert_lanes;
    const size_t n = (size_t)t->shape.n_kv_head * to->n_slots;
    const size_t size = (size_t)matrix_size(t->packing, n, (size_t)t->shape.head_dim);
    for (size_t i = 0; i < (size_t)c->n_lanes; i++) {
        to->n_tokens[i] = from->n_tokens[0];
        memcpy(to->keys + i * size, from->keys, size);
        memcpy(to->values + i * size, from->values, size);
        memcpy(to->key_multiplier + i * n, from->key_multiplier, n * sizeof *to->key_multiplier);
        memcpy(to->value_size + i * n, from->value_size, n * sizeof *to->value_size);
    }
}

/* All that attention sees of them, the start being one. */
static size_t llama_n_tail(const struct lmz_coder *c) { return (size_t)window_of(c) - 1; }

static void take_part(const crew_worker *me, void *argument)
{
    step_part part = *(const step_part *)argument;
    part.me = me;
    part.t->step(&part);
}

static void llama_step_lanes(struct lmz_coder *c, int n, column_work *then)
{
    llama_lanes *lanes = c->expert_lanes;
    step_part step = {.t = (const struct llama *)c->expert, .lanes = lanes, .coder = c, .n = n, .then = then};
    crew_run(take_part, &step, c->n_threads);
    for (int j = 0; j < n; j++)
        lanes->n_tokens[c->columns[j].lane]++;
}

static const uint32_t *token_weights(const struct lmz_coder *c, int column)
{
    const llama_lanes *lanes = c->expert_lanes;
    const int n_vocab = ((const struct llama *)c->expert)->shape.n_vocab;
    return (const uint32_t *)lanes->logits + (size_t)column * (size_t)whole_tiles(n_vocab);
}

static int llama_is_complete(const lmz_expert *expert) { return lmz_llama_is_complete(expert) && expert->vocab.nodes; }

static const expert_ops llama_ops = {
    .name = "llama", .unit = LMZ_TOKENS, .n_contexts = 4, .prior = PRIOR_OF_TOKENS,
    .is_complete = llama_is_complete, .layout = llama_layout, .resume = llama_resume, .n_tail = llama_n_tail,
    .step = llama_step_lanes, .token_weights = token_weights, .free = llama_free};

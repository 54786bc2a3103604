/* bytelm.c - nets: arguments, packing of the weights, choice of the variant; and the memory of a block's lanes. */
#include "bytelm.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "memory.h"

#define MAX_LAYERS 12 /* so that the residual stream stays below 2^31: (1 + 2 * 12) * 2^26 */

static int is_dim(int n) { return n >= ROW_ALIGN && n <= MAX_DIM && n % ROW_ALIGN == 0; }

static int is_shape(const lmz_bytelm_shape *s)
{
    if (!is_dim(s->n_embd) || !is_dim(s->n_hidden) || !is_dim(s->n_state) || s->n_layer < 1 || s->n_layer > MAX_LAYERS)
        return 0;
    if (s->n_orders < 0 || s->n_orders > LMZ_MAX_ORDERS || s->table_bits < 16 || s->table_bits > 24 ||
        s->byte_dim < 1 || s->byte_dim > MAX_DIM || s->table_dim < 1 || s->table_dim > MAX_DIM)
        return 0;
    for (int i = 0; i < s->n_orders; i++)
        if (s->orders[i] < 0 || s->orders[i] > 8)
            return 0;
    return is_dim(s->byte_dim + s->n_orders * s->table_dim);
}

static int max_of(int a, int b) { return a > b ? a : b; }

/* floor(sqrt(n)) */
static int64_t root(int64_t n)
{
    int64_t r = 0;
    for (int64_t bit = (int64_t)1 << 30; bit; bit >>= 1)
        if ((r + bit) * (r + bit) <= n)
            r += bit;
    return r;
}

/* round(24 sqrt(n) 2^9): the root of 4 n (24 * 2^9)^2 is twice that. */
static int norm_factor(int n) { return (int)((root(4 * (int64_t)n * (NORM_UNIT << 9) * (NORM_UNIT << 9)) + 1) / 2); }

static const expert_ops bytelm_ops; /* below */

typedef struct { /* where packing stands */
    matrix_packing how;
    const int8_t *weights;
    const int32_t *multipliers;
    uint8_t *packed;
    int32_t *kept;
    int refused;
} packing;

/* Take the next matrix. */
static void pack(packing *p, weight_matrix *m, int n_in, int n_out)
{
    *m = (weight_matrix){n_in, n_out, p->packed, p->kept};
    if (!matrix_pack(p->how, p->weights, p->multipliers, n_in, n_out, n_out, p->packed, p->kept))
        p->refused = 1;
    p->weights += (size_t)n_in * (size_t)n_out;
    p->packed += (size_t)matrix_size(p->how, (size_t)n_in, (size_t)n_out);
    p->multipliers += n_out;
    p->kept += n_out;
}

static void count(uint64_t *n_weights, uint64_t *n_rows, int n_in, int n_out)
{
    *n_weights += (uint64_t)n_in * (uint64_t)n_out;
    *n_rows += (uint64_t)n_out;
}

static int n_input(const lmz_bytelm_shape *s) { return s->byte_dim + s->n_orders * s->table_dim; }

static void count_all(const lmz_bytelm_shape *s, uint64_t *n_weights, uint64_t *n_rows)
{
    *n_weights = *n_rows = 0;
    count(n_weights, n_rows, n_input(s), s->n_embd);
    for (int l = 0; l < s->n_layer; l++) {
        count(n_weights, n_rows, s->n_embd, 3 * s->n_state);
        count(n_weights, n_rows, s->n_state, s->n_embd);
        count(n_weights, n_rows, s->n_embd, s->n_hidden);
        count(n_weights, n_rows, s->n_hidden, s->n_embd);
    }
    count(n_weights, n_rows, s->n_embd, 256);
}

static void bytelm_free(lmz_expert *expert)
{
    struct bytelm *net = (struct bytelm *)expert;
    free_zeroed(net->memory, net->memory_size);
    free(net->layers);
    free(net);
}

lmz_expert *lmz_bytelm_new(const lmz_bytelm_shape *s, const lmz_bytelm_weights *w, int simd)
{
    uint64_t all_weights, all_rows;
    const cpu_variant *variant = cpu_variant_of(simd);
    if (!is_shape(s) || !variant)
        return NULL;
    count_all(s, &all_weights, &all_rows);
    if (all_weights != w->n_weights || all_rows != w->n_rows)
        return NULL;
    const size_t n_weights = w->n_weights, n_rows = w->n_rows;
    struct bytelm *net = calloc(1, sizeof *net);
    const matrix_packing how = variant->packing;
    const size_t n_biases = (size_t)s->n_layer * (size_t)s->n_state, n_bytes = 256 * (size_t)s->byte_dim;
    const uint64_t n_entries = ((uint64_t)s->n_orders * (uint64_t)s->table_dim) << s->table_bits;
    if (net) {
        net->layers = calloc((size_t)s->n_layer, sizeof *net->layers);
        net->memory_size = matrix_size(how, n_weights, 1) + (n_rows + n_biases) * 4 + n_bytes + n_entries;
        net->memory = net->layers ? allocate_zeroed(net->memory_size) : NULL;
    }
    if (!net || !net->memory) {
        if (net)
            bytelm_free(&net->expert);
        return NULL;
    }
    uint8_t *memory = net->memory;
    net->shape = *s;
    net->n_input = n_input(s);
    net->norm_factor_embd = norm_factor(s->n_embd);
    net->norm_factor_state = norm_factor(s->n_state);
    net->max_row = max_of(max_of(net->n_input, max_of(s->n_embd, s->n_hidden)), max_of(3 * s->n_state, 256));
    net->expert.ops = &bytelm_ops;
    net->expert.lanes_at_once = variant->lanes_at_once;
    net->expert.is_slow = variant->is_slow;
    net->hidden = variant->bytelm_hidden;
    net->output = variant->bytelm_output;
    int32_t *kept = (int32_t *)(void *)(memory + (size_t)matrix_size(how, n_weights, 1)), *biases = kept + n_rows;
    int8_t *embeddings = (int8_t *)(biases + n_biases);
    net->byte_embedding = memcpy(embeddings, w->byte_embedding, n_bytes);
    net->tables = memcpy(embeddings + n_bytes, w->tables, (size_t)n_entries);
    packing p = {how, w->weights, w->multipliers, memory, kept, 0};
    pack(&p, &net->embed, net->n_input, s->n_embd);
    for (int l = 0; l < s->n_layer; l++) {
        bytelm_layer *layer = &net->layers[l];
        pack(&p, &layer->in, s->n_embd, 3 * s->n_state);
        pack(&p, &layer->out, s->n_state, s->n_embd);
        pack(&p, &layer->up, s->n_embd, s->n_hidden);
        pack(&p, &layer->down, s->n_hidden, s->n_embd);
        layer->forget_bias = biases + (size_t)l * (size_t)s->n_state;
    }
    pack(&p, &net->head, s->n_embd, 256);
    for (size_t i = 0; i < n_biases; i++) {
        biases[i] = w->forget_biases[i];
        p.refused |= biases[i] > 1 << 20 || biases[i] < -(1 << 20);
    }
    if (p.refused) {
        bytelm_free(&net->expert);
        return NULL;
    }
    return &net->expert;
}

static uint64_t lanes_layout(bytelm_lanes *lanes, const struct bytelm *net, int n_lanes, uint8_t *base)
{
    const lmz_bytelm_shape *s = &net->shape;
    const size_t n = (size_t)n_lanes, width = (size_t)net->max_row;
    uint64_t offset = 0;
    lanes->n_lanes = n_lanes;
    lanes->state = arena_take(base, &offset, n * (size_t)s->n_layer * (size_t)s->n_state * 4);
    lanes->residual = arena_take(base, &offset, n * (size_t)s->n_embd * 4);
    lanes->product = arena_take(base, &offset, n * width * 4);
    lanes->quantised = arena_take(base, &offset, n * width);
    lanes->history = arena_take(base, &offset, n * sizeof *lanes->history);
    return offset;
}

/* Lay out bytelm_lanes itself and its arrays. */
static uint64_t bytelm_layout(struct lmz_coder *c, uint8_t *memory)
{
    bytelm_lanes scratch;
    uint64_t size = 0;
    bytelm_lanes *lanes = arena_take(memory, &size, sizeof *lanes);
    c->expert_lanes = lanes;
    return size + lanes_layout(memory ? lanes : &scratch, (const struct bytelm *)c->expert, c->n_lanes,
                               memory ? memory + size : NULL);
}

static void bytelm_start(struct lmz_coder *c)
{
    bytelm_lanes *lanes = c->expert_lanes;
    lanes->trees = c->trees;
    for (int i = 0; i < c->n_lanes; i++)
        lanes->history[i] = &c->lanes[i].history;
}

static void bytelm_begin(struct lmz_coder *c, int first, int n)
{
    const struct bytelm *net = (const struct bytelm *)c->expert;
    net->hidden(net, c->expert_lanes, first, n);
}

static void bytelm_finish(struct lmz_coder *c, int first, int n)
{
    const struct bytelm *net = (const struct bytelm *)c->expert;
    net->output(net, c->expert_lanes, first, n);
}

static int is_complete(const lmz_expert *expert)
{
    (void)expert;
    return 1;
}

static const expert_ops bytelm_ops = {
    .name = "bytelm", .unit = LMZ_BYTES, .n_contexts = 1, .prior = PRIOR_OF_BYTES, .is_complete = is_complete,
    .layout = bytelm_layout, .start = bytelm_start, .begin = bytelm_begin, .finish = bytelm_finish,
    .free = bytelm_free};

int lmz_bytelm_run(const lmz_expert *expert, int n_lanes, const uint8_t *bytes, size_t n_steps, uint32_t *trees)
{
    const struct bytelm *net = (const struct bytelm *)expert;
    uint64_t history[LMZ_MAX_LANES] = {0};
    if (expert->ops != &bytelm_ops || n_lanes < 1 || n_lanes > LMZ_MAX_LANES)
        return LMZ_E_ARGUMENT;
    bytelm_lanes lanes = {0};
    const uint64_t size = lanes_layout(&lanes, net, n_lanes, NULL);
    uint8_t *memory = allocate_zeroed(size);
    if (!memory)
        return LMZ_E_MEMORY;
    lanes_layout(&lanes, net, n_lanes, memory);
    for (int j = 0; j < n_lanes; j++)
        lanes.history[j] = &history[j];
    for (size_t t = 0; t < n_steps; t++) {
        lanes.trees = trees + t * (size_t)n_lanes * 512;
        net->hidden(net, &lanes, 0, n_lanes);
        net->output(net, &lanes, 0, n_lanes);
        for (int j = 0; j < n_lanes; j++)
            history[j] = history[j] << 8 | bytes[t * (size_t)n_lanes + (size_t)j];
    }
    free_zeroed(memory, size);
    return LMZ_DONE;
}

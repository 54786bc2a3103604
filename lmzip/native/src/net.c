/* net.c - nets: arguments, packing of the weights, choice of the variant; and the memory of a block's lanes. */
#include "net.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define MAX_LAYERS 12 /* so that the residual stream stays below 2^31: (1 + 2 * 12) * 2^26 */

static int is_dim(int n) { return n >= NET_ROW_ALIGN && n <= NET_MAX_DIM && n % NET_ROW_ALIGN == 0; }

static int is_shape(const lmz_net_shape *s)
{
    if (!is_dim(s->n_embd) || !is_dim(s->n_hidden) || !is_dim(s->n_state) || s->n_layer < 1 || s->n_layer > MAX_LAYERS)
        return 0;
    if (s->n_orders < 0 || s->n_orders > LMZ_NET_MAX_ORDERS || s->table_bits < 16 || s->table_bits > 24 ||
        s->byte_dim < 1 || s->byte_dim > NET_MAX_DIM || s->table_dim < 1 || s->table_dim > NET_MAX_DIM)
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
static int norm_factor(int n) { return (int)((root(4 * (int64_t)n * (NET_NORM_UNIT << 9) * (NET_NORM_UNIT << 9)) + 1) / 2); }

typedef struct { /* where packing stands */
    matrix_packing how;
    const int8_t *weights;
    const int32_t *multipliers;
    uint8_t *packed;
    int32_t *kept;
    int refused;
} packing;

/* Take the next matrix. */
static void pack(packing *p, net_matrix *m, int n_in, int n_out)
{
    *m = (net_matrix){n_in, n_out, p->packed, p->kept};
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

static int n_input(const lmz_net_shape *s) { return s->byte_dim + s->n_orders * s->table_dim; }

static void count_all(const lmz_net_shape *s, uint64_t *n_weights, uint64_t *n_rows)
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

static const struct {
    net_part *hidden, *output;
} variants[LMZ_N_SIMD] = {
    [LMZ_SIMD_PORTABLE] = {net_hidden_portable, net_output_portable},
#if defined(__x86_64__)
    [LMZ_SIMD_AVX2] = {net_hidden_avx2, net_output_avx2},
    [LMZ_SIMD_AVXVNNI] = {net_hidden_avxvnni, net_output_avxvnni},
    [LMZ_SIMD_AVX512] = {net_hidden_avx512, net_output_avx512},
    [LMZ_SIMD_AMX] = {net_hidden_amx, net_output_amx},
#endif
};

lmz_net *lmz_net_new(const lmz_net_shape *s, const lmz_net_weights *w, int simd)
{
    uint64_t all_weights, all_rows;
    if (!is_shape(s) || !lmz_simd_available(simd))
        return NULL;
    count_all(s, &all_weights, &all_rows);
    if (all_weights != w->n_weights || all_rows != w->n_rows)
        return NULL;
    const size_t n_weights = w->n_weights, n_rows = w->n_rows;
    struct lmz_net *net = calloc(1, sizeof *net);
    const matrix_packing how = matrix_packing_of(simd);
    const size_t n_biases = (size_t)s->n_layer * (size_t)s->n_state, n_bytes = 256 * (size_t)s->byte_dim;
    const uint64_t n_entries = ((uint64_t)s->n_orders * (uint64_t)s->table_dim) << s->table_bits;
    if (net) {
        net->layers = calloc((size_t)s->n_layer, sizeof *net->layers);
        net->memory_size = matrix_size(how, n_weights, 1) + (n_rows + n_biases) * 4 + n_bytes + n_entries;
        net->memory = net->layers ? allocate_zeroed(net->memory_size) : NULL;
    }
    if (!net || !net->memory) {
        lmz_net_free(net);
        return NULL;
    }
    uint8_t *memory = net->memory;
    net->shape = *s;
    net->n_input = n_input(s);
    net->norm_factor_embd = norm_factor(s->n_embd);
    net->norm_factor_state = norm_factor(s->n_state);
    net->max_row = max_of(max_of(net->n_input, max_of(s->n_embd, s->n_hidden)), max_of(3 * s->n_state, 256));
    net->hidden = variants[simd].hidden;
    net->output = variants[simd].output;
    net->lanes_at_once = simd == LMZ_SIMD_AMX ? 16 : 8;
    net->is_slow = simd != LMZ_SIMD_AMX;
    int32_t *kept = (int32_t *)(void *)(memory + (size_t)matrix_size(how, n_weights, 1)), *biases = kept + n_rows;
    int8_t *embeddings = (int8_t *)(biases + n_biases);
    net->byte_embedding = memcpy(embeddings, w->byte_embedding, n_bytes);
    net->tables = memcpy(embeddings + n_bytes, w->tables, (size_t)n_entries);
    packing p = {how, w->weights, w->multipliers, memory, kept, 0};
    pack(&p, &net->embed, net->n_input, s->n_embd);
    for (int l = 0; l < s->n_layer; l++) {
        net_layer *layer = &net->layers[l];
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
        lmz_net_free(net);
        return NULL;
    }
    return net;
}

void lmz_net_free(lmz_net *net)
{
    if (!net)
        return;
    free_zeroed(net->memory, net->memory_size);
    free(net->layers);
    free(net);
}

uint64_t net_lanes_lay_out(net_lanes *lanes, const lmz_net *net, int n_lanes, uint8_t *base)
{
    const lmz_net_shape *s = &net->shape;
    const size_t n = (size_t)n_lanes, width = (size_t)net->max_row;
    uint64_t offset = 0;
    lanes->n_lanes = n_lanes;
    lanes->state = carve(base, &offset, n * (size_t)s->n_layer * (size_t)s->n_state * 4);
    lanes->residual = carve(base, &offset, n * (size_t)s->n_embd * 4);
    lanes->product = carve(base, &offset, n * width * 4);
    lanes->quantised = carve(base, &offset, n * width);
    lanes->tree = carve(base, &offset, n * 512 * 4);
    return offset;
}

int lmz_net_run(const lmz_net *net, int n_lanes, const uint8_t *bytes, size_t n_steps, uint32_t *trees)
{
    uint64_t history[LMZ_MAX_LANES] = {0};
    const uint64_t *pointers[LMZ_MAX_LANES];
    if (n_lanes < 1 || n_lanes > LMZ_MAX_LANES)
        return LMZ_E_DAMAGED;
    net_lanes lanes = {0};
    const uint64_t size = net_lanes_lay_out(&lanes, net, n_lanes, NULL);
    uint8_t *memory = allocate_zeroed(size);
    if (!memory)
        return LMZ_E_FULL;
    net_lanes_lay_out(&lanes, net, n_lanes, memory);
    lanes.history = pointers;
    for (int j = 0; j < n_lanes; j++)
        pointers[j] = &history[j];
    for (size_t t = 0; t < n_steps; t++) {
        net->hidden(net, &lanes, 0, n_lanes);
        net->output(net, &lanes, 0, n_lanes);
        memcpy(trees + t * (size_t)n_lanes * 512, lanes.tree, (size_t)n_lanes * 512 * sizeof *trees);
        for (int j = 0; j < n_lanes; j++)
            history[j] = history[j] << 8 | bytes[t * (size_t)n_lanes + (size_t)j];
    }
    free_zeroed(memory, size);
    return LMZ_DONE;
}

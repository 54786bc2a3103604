/* coder.c - coders: arguments, memory, choice of the variant; and the table of methods (ARITHMETIC 6). */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "memory.h"
#include "mixer.h"
#include "net_thread.h"
#include "outside.h"
#include "probability.h"
#include "slots.h"

static const uint8_t fast_contexts[] = {FAST_CONTEXTS};
static const uint8_t quick_contexts[] = {QUICK_CONTEXTS};
static const uint8_t full_contexts[] = {FULL_CONTEXTS, INDIRECT_2};
static const uint8_t full_lane_contexts[] = {FULL_CONTEXTS, LANE_ORDER_3};
static const uint8_t max_contexts[] = {MAX_METHOD_CONTEXTS(SPARSE_2), INDIRECT_1, INDIRECT_2};
static const uint8_t max_lane_contexts[] = {MAX_METHOD_CONTEXTS(SPARSE_2), LANE_ORDER_3, LANE_WORD};
static const uint8_t fields_contexts[] = {MAX_METHOD_CONTEXTS(FIELD), INDIRECT_1, INDIRECT_2};
static const uint8_t fields_lane_contexts[] = {MAX_METHOD_CONTEXTS(FIELD), LANE_ORDER_3, LANE_WORD};

#define full_net_contexts full_contexts
#define full_net_lane_contexts full_lane_contexts
#define max_net_contexts max_contexts
#define max_net_lane_contexts max_lane_contexts
#define best_net_contexts max_contexts
#define best_net_lane_contexts max_lane_contexts
#define max_net_fields_contexts fields_contexts
#define max_net_fields_lane_contexts fields_lane_contexts
#define best_net_fields_contexts fields_contexts
#define best_net_fields_lane_contexts fields_lane_contexts
#define max_tokens_contexts fields_contexts
#define max_tokens_lane_contexts fields_lane_contexts
#define max_tokens_half_contexts fields_contexts
#define max_tokens_half_lane_contexts fields_lane_contexts
#define max_tokens_quarter_contexts fields_contexts
#define max_tokens_quarter_lane_contexts fields_lane_contexts
#define max_tokens_eighth_contexts fields_contexts
#define max_tokens_eighth_lane_contexts fields_lane_contexts
#define fast_lane_contexts fast_contexts
#define quick_lane_contexts quick_contexts
#define ROW(method, name, n_contexts, n_wide, has_net, n_sets, n_apms, slots_per_byte, max_lines_bits) \
    {{name##_contexts, name##_lane_contexts}, n_contexts, has_net, n_sets, n_apms, slots_per_byte, max_lines_bits},
static const lmz_method methods[LMZ_N_METHODS + 1] = {{{0, 0}, 0, 0, 0, 0, 0, 0}, LMZ_METHODS(ROW) LMZ_TOKEN_METHODS(ROW)};

/* How many contexts each set of first-layer weights has, see select_weights. */
static const uint16_t set_size[MAX_SETS] = {256, 256, 256, 512, 256, 256};

static const lmz_method *get_method(int method)
{
    return method >= 1 && method <= LMZ_N_METHODS ? &methods[method] : NULL;
}

/* The smallest power of two that is at least n, but at most `limit`, itself a power of two. */
static uint32_t power_above(uint64_t n, uint32_t limit)
{
    uint32_t p = 1;
    while (p < n && p < limit)
        p <<= 1;
    return p;
}

/* Lay out all state; with base NULL only return the size it takes. */
static uint64_t lay_out(struct lmz_coder *c, uint8_t *base, const lmz_method *m, size_t raw_size)
{
    const size_t n_inputs = (size_t)N_INPUTS(m->n_contexts, m->has_net);
    uint64_t offset = 0;
    uint64_t n_lines = (uint64_t)raw_size * (uint64_t)m->slots_per_byte / 4 + 64;
    uint32_t max_lines = (uint32_t)1 << m->max_lines_bits;
    c->n_lines = (n_lines < max_lines ? (uint32_t)n_lines : max_lines) & ~1u;
    c->match_mask = power_above(raw_size + 64, 1u << MATCH_TABLE_BITS) - 1;
    c->apm_mask = power_above(raw_size * 2 + 256, 1u << APM_BITS) - 1;
    c->slots = carve(base, &offset, (size_t)c->n_lines * LINE_SIZE);
    c->map = carve(base, &offset, (size_t)m->n_contexts * sizeof *c->map);
    c->direct0 = carve(base, &offset, 256 * sizeof *c->direct0);
    c->direct1 = carve(base, &offset, 65536 * sizeof *c->direct1);
    for (int k = 0; k < 2; k++)
        c->match_table[k] = carve(base, &offset, ((size_t)c->match_mask + 1) * sizeof *c->match_table[k]);
    c->match_map = carve(base, &offset, 2 * sizeof *c->match_map);
    for (int s = 0; s < m->n_sets; s++)
        c->weights[s] = carve(base, &offset, set_size[s] * n_inputs * sizeof *c->weights[s]);
    c->final_weights = carve(base, &offset, 256 * MAX_SETS * sizeof *c->final_weights);
    for (int a = 0; a < m->n_apms; a++)
        c->apm[a] = carve(base, &offset, ((size_t)c->apm_mask + 1) * APM_ROW * sizeof *c->apm[a]);
    c->indirect1 = carve(base, &offset, 256 * sizeof *c->indirect1);
    c->indirect2 = carve(base, &offset, 65536 * sizeof *c->indirect2);
    c->stride_score = carve(base, &offset, (MAX_STRIDE + 1) * sizeof *c->stride_score);
    if (c->net)
        offset += net_lanes_lay_out(&c->net_lanes, c->net, c->n_lanes, base ? base + offset : NULL);
    if (c->transformer) {
        c->token_trees = carve(base, &offset, (size_t)c->n_lanes * 1024 * sizeof *c->token_trees);
        c->busiest_sums = carve(base, &offset, (size_t)c->n_lanes * sizeof *c->busiest_sums);
        c->stop_mask = power_above((uint64_t)raw_size * 2 + 1024, 1u << STOP_TABLE_BITS) - 1;
        c->is_token_end = carve(base, &offset, raw_size + 1);
        c->stop_cells = carve(base, &offset, ((size_t)c->stop_mask + 1) * sizeof *c->stop_cells);
        c->stop_match = carve(base, &offset, 2 * sizeof *c->stop_match);
        c->stop_weights = carve(base, &offset, N_STOP_INPUTS * sizeof *c->stop_weights);
        uint8_t *lanes = base ? base + offset : NULL;
        const int n_halvings = c->method_number - LMZ_TOKEN_METHOD;
        offset += c->transformer->step ? transformer_lanes_lay_out(&c->transformer_lanes, c->transformer, c->n_lanes, n_halvings, lanes)
                                       : outside_lanes_lay_out(&c->transformer_lanes, c->n_lanes, lanes);
    }
    return offset;
}

static void set_initial_cells(struct lmz_coder *c)
{
    for (int i = 0; i < c->method->n_contexts; i++)
        for (int s = 0; s < LMZ_N_STATES; s++)
            c->map[i][s] = (uint32_t)lmz_state_p[s] << 16 | (c->transformer ? TOKEN_MAP_COUNT : 0);
    for (int i = 0; i < 256; i++)
        c->direct0[i] = 1u << 31;
    for (int i = 0; i < 65536; i++)
        c->direct1[i] = 1u << 31;
    for (int k = 0; k < 2; k++)
        for (uint32_t i = 0; i < 32; i++)
            c->match_map[k][i] = (65536 - 65536 / (i + 3)) << 16;
}

static void set_initial_weights(struct lmz_coder *c)
{
    const lmz_method *m = c->method;
    int n = m->n_contexts, n_inputs = N_INPUTS(n, m->has_net), n_special = N_SPECIAL_INPUTS + (m->has_net ? N_NET_INPUTS : 0);
    for (int s = 0; s < m->n_sets; s++)
        for (int i = 0; i < set_size[s] * n_inputs; i++) {
            int input = i % n_inputs; /* stretches of histories, their confidences, special inputs, the bias, padding */
            int used = input < n || (input >= 2 * n && input < 2 * n + n_special - 1);
            int is_net = input == 2 * n;
            c->weights[s][i] = !used                     ? 0
                               : !m->has_net             ? FIRST_WEIGHT
                               : m->has_net & HAS_TOKENS ? (is_net ? TOKEN_WEIGHT : input == 2 * n + 1 ? TOKEN_CONFIDENCE : BESIDE_TOKENS)
                               : is_net                  ? NET_WEIGHT
                                                         : BESIDE_NET;
        }
    for (int i = 0; i < 256 * MAX_SETS; i++)
        c->final_weights[i] = WEIGHT_ONE / m->n_sets;
}

static void set_initial_stops(struct lmz_coder *c)
{
    for (uint32_t i = 0; i <= c->stop_mask; i++)
        c->stop_cells[i] = 1u << 31;
    memcpy(c->stop_match, c->match_map, 2 * sizeof *c->stop_match);
    for (int i = 0; i < N_STOP_INPUTS; i++)
        c->stop_weights[i] = i ? BESIDE_TOKENS : WEIGHT_ONE;
}

static void set_initial_apms(struct lmz_coder *c)
{
    uint16_t row[APM_ROW];
    for (int i = 0; i < APM_ROW; i++) {
        uint32_t p = lmz_squash_table[i * 96] >> 8;
        row[i] = (uint16_t)(p > 65535 ? 65535 : p);
    }
    for (int a = 0; a < c->method->n_apms; a++)
        for (size_t i = 0; i <= c->apm_mask; i++)
            memcpy(c->apm[a] + i * APM_ROW, row, sizeof row);
}

/* Whether there is what a method needs. */
static int has_models(const lmz_method *m, int n_lanes, const lmz_net *net, const lmz_transformer *transformer)
{
    if (m->has_net & HAS_TOKENS)
        return transformer && lmz_transformer_is_complete(transformer) && transformer->vocabulary.nodes && n_lanes <= LMZ_MAX_LANES / 2;
    return !m->has_net || net;
}

static void take_models(struct lmz_coder *c, const lmz_method *m, const lmz_net *net, const lmz_transformer *transformer)
{
    c->net = m->has_net && !(m->has_net & HAS_TOKENS) ? net : NULL;
    c->transformer = m->has_net & HAS_TOKENS ? transformer : NULL;
}

uint64_t lmz_memory_size(int method, size_t raw_size, int n_lanes, const lmz_net *net, const lmz_transformer *transformer)
{
    const lmz_method *m = get_method(method);
    struct lmz_coder scratch;
    if (!m || raw_size > LMZ_MAX_RAW_SIZE || n_lanes < 1 || n_lanes > LMZ_MAX_LANES || !has_models(m, n_lanes, net, transformer))
        return 0;
    scratch.n_lanes = n_lanes;
    scratch.method_number = method;
    take_models(&scratch, m, net, transformer);
    return sizeof scratch + (size_t)n_lanes * sizeof(lmz_lane) + lay_out(&scratch, NULL, m, raw_size);
}

static struct lmz_coder *coder_new(int method, int n_lanes, int simd, const lmz_net *net, const lmz_transformer *transformer,
                                   uint8_t *raw, size_t raw_size)
{
    const lmz_method *m = get_method(method);
    if (!lmz_memory_size(method, raw_size, n_lanes, net, transformer) || !raw_size || !lmz_simd_available(simd))
        return NULL;
    struct lmz_coder *c = calloc(1, sizeof *c + (size_t)n_lanes * sizeof(lmz_lane));
    if (!c)
        return NULL;
    c->method = m;
    c->method_number = method;
    c->contexts = n_lanes > 1 ? m->contexts[1] : m->contexts[0];
    c->n_lanes = n_lanes;
    take_models(c, m, net, transformer);
    c->run = lmz_run_portable;
#if defined(__x86_64__)
    if (simd == LMZ_SIMD_AVX2 || simd == LMZ_SIMD_AVXVNNI) c->run = lmz_run_avx2;
    if (simd >= LMZ_SIMD_AVX512) c->run = lmz_run_avx512;
#endif
    c->raw = raw;
    c->raw_size = (uint32_t)raw_size;
    c->chunk_size = (uint32_t)((raw_size + (size_t)n_lanes - 1) / (size_t)n_lanes);
    c->memory_size = lay_out(c, NULL, m, raw_size);
    c->memory = allocate_zeroed(c->memory_size);
    if (!c->memory) {
        free(c);
        return NULL;
    }
    lay_out(c, c->memory, m, raw_size);
    set_initial_cells(c);
    set_initial_weights(c);
    set_initial_apms(c);
    if (c->transformer)
        set_initial_stops(c);
    for (int i = 0; i < n_lanes; i++) {
        lmz_lane *lane = &c->lanes[i];
        uint64_t start = (uint64_t)c->chunk_size * (uint64_t)i, end = start + c->chunk_size;
        lane->start = lane->position = (uint32_t)(start < raw_size ? start : raw_size);
        lane->end = (uint32_t)(end < raw_size ? end : raw_size);
        lane->line_start = lane->above_start = lane->field_start = lane->start;
        lane->field_starts[0][0] = lane->start;
        lane->tree = c->net ? c->net_lanes.tree + (size_t)i * 512 : c->transformer ? tree_of_tokens(c, i) : NULL;
        c->history[i] = &lane->history;
    }
    c->net_lanes.history = c->history;
    if (c->transformer)
        transformer_lanes_start(&c->transformer_lanes, c->transformer);
    return c;
}

lmz_coder *lmz_encoder_new(int method, int n_lanes, int simd, const lmz_net *net, const lmz_transformer *transformer,
                           const uint8_t *raw, size_t raw_size, uint8_t *payload, size_t capacity)
{
    /* An encoder never writes to raw: code_byte does so only when it decodes. */
    struct lmz_coder *c = coder_new(method, n_lanes, simd, net, transformer, (uint8_t *)(uintptr_t)raw, raw_size);
    if (c)
        rc_start_encoder(&c->rc, payload, capacity);
    return c;
}

lmz_coder *lmz_decoder_new(int method, int n_lanes, int simd, const lmz_net *net, const lmz_transformer *transformer,
                           const uint8_t *payload, size_t payload_size, uint8_t *raw, size_t raw_size)
{
    struct lmz_coder *c = coder_new(method, n_lanes, simd, net, transformer, raw, raw_size);
    if (c)
        rc_start_decoder(&c->rc, payload, payload_size);
    return c;
}

int lmz_encoder_set_tokens(lmz_coder *c, const uint8_t *sizes, size_t n_tokens)
{
    if (!c->transformer || c->rc.decoding)
        return LMZ_E_DAMAGED;
    const vocabulary *v = &c->transformer->vocabulary;
    size_t n = 0;
    for (int i = 0; i < c->n_lanes; i++) {
        lmz_lane *lane = &c->lanes[i];
        lane->token_sizes = sizes + n;
        for (uint32_t at = lane->start; at < lane->end; n++) {
            if (n == n_tokens || !sizes[n] || sizes[n] > lane->end - at)
                return LMZ_E_DAMAGED;
            const token_node *node = v->nodes;
            for (int k = 0; k < sizes[n] && node; k++)
                node = vocabulary_child(v, node, c->raw[at++]);
            if (!node || !node->is_token)
                return LMZ_E_DAMAGED;
        }
    }
    return n == n_tokens ? LMZ_DONE : LMZ_E_DAMAGED;
}

int lmz_coder_run(lmz_coder *c, uint64_t n_steps)
{
    return c->transformer && !c->transformer->step ? LMZ_E_DAMAGED : coder_run(c, n_steps);
}

int coder_run(struct lmz_coder *c, uint64_t n_steps)
{
    if (c->transformer && !c->rc.decoding && !c->lanes[0].token_sizes)
        return LMZ_E_DAMAGED; /* nobody said how to cut */
    net_thread_start(c, n_steps);
    int status = c->run(c, n_steps);
    net_thread_stop(c);
    if (status != LMZ_DONE)
        return status;
    if (c->rc.decoding)
        return rc_finished_decoder(&c->rc) ? LMZ_DONE : LMZ_E_DAMAGED;
    rc_finish_encoder(&c->rc);
    return c->rc.failed ? LMZ_E_FULL : LMZ_DONE;
}

void lmz_coder_set_threads(lmz_coder *c, int n_threads) { c->n_threads = n_threads; }

size_t lmz_coder_position(const lmz_coder *c)
{
    size_t n = 0;
    for (int i = 0; i < c->n_lanes; i++)
        n += c->lanes[i].position - c->lanes[i].start;
    return n;
}

size_t lmz_coder_payload_size(const lmz_coder *c) { return c->rc.position; }

void lmz_coder_free(lmz_coder *c)
{
    if (!c)
        return;
    free_zeroed(c->memory, c->memory_size);
    free(c);
}

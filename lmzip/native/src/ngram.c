/* ngram.c - the memory of the ngram base and its initial values (ARITHMETIC 3, 8.4). */
#include <string.h>

#include "first_weights.h"
#include "internal.h"
#include "memory.h"
#include "mixer.h"
#include "probability.h"
#include "slots.h"

/* How many contexts each set of first-layer weights has, see select_weights. */
static const uint16_t set_size[MAX_SETS] = {256, 512, 256, 512, 256, 256};

static int ngram_function(const lmz_block_spec *spec, const lmz_expert *expert)
{
    const profile_row *row = profile_of(spec->profile);
    const int shape = row ? row->of[unit_of(expert)].shape : NO_SHAPE;
    return shape == NO_SHAPE ? -1 : shape;
}

static void ngram_layout(struct lmz_coder *c)
{
    ngram_state *g = &c->ngram;
    const ngram_shape *s = g->shape = &ngram_shapes[c->function];
    const profile_row *row = profile_of(c->spec.profile);
    const size_t n_inputs = (size_t)N_INPUTS(s->n_contexts, c->expert);
    const uint64_t raw_size = table_room(&c->spec), n_lines = raw_size * (uint64_t)s->slots_per_byte / 4 + 64;
    const uint32_t max_lines = (uint32_t)1 << row->of[unit_of(c->expert)].max_lines_bits;
    arena *a = &c->memory;
    g->n_lines = (n_lines < max_lines ? (uint32_t)n_lines : max_lines) & ~1u;
    g->match_mask = power_above(raw_size + 64, 1u << MATCH_TABLE_BITS) - 1;
    g->apm_mask = power_above(raw_size * 2 + 256, 1u << APM_BITS) - 1;
    g->peer_mask = power_above(raw_size + 64, 1u << PEER_TABLE_BITS) - 1;
    g->slots = arena_take(a, (uint64_t)g->n_lines * LINE_SIZE);
    g->map = arena_take(a, (size_t)s->n_contexts * sizeof *g->map);
    g->direct0 = arena_take(a, 256 * sizeof *g->direct0);
    g->direct1 = arena_take(a, 65536 * sizeof *g->direct1);
    for (int k = 0; k < 2; k++)
        g->match_table[k] = arena_take(a, ((size_t)g->match_mask + 1) * sizeof *g->match_table[k]);
    for (int k = 0; k < 2; k++)
        g->peer_table[k] = arena_take(a, ((size_t)g->peer_mask + 1) * sizeof *g->peer_table[k]);
    g->match_map = arena_take(a, 2 * sizeof *g->match_map);
    for (int i = 0; i < s->n_sets; i++)
        g->weights[i] = arena_take(a, set_size[i] * n_inputs * sizeof *g->weights[i]);
    g->final_weights = arena_take(a, 2 * 256 * MAX_SETS * sizeof *g->final_weights);
    for (int i = 0; i < s->n_apms; i++)
        g->apm[i] = arena_take(a, ((size_t)g->apm_mask + 1) * APM_ROW * sizeof *g->apm[i]);
    g->indirect1 = arena_take(a, 256 * sizeof *g->indirect1);
    g->indirect2 = arena_take(a, 65536 * sizeof *g->indirect2);
    g->stride_score = arena_take(a, (MAX_STRIDE + 1) * sizeof *g->stride_score);
}

static void set_initial_cells(ngram_state *g)
{
    for (int i = 0; i < g->shape->n_contexts; i++)
        for (int s = 0; s < LMZ_N_STATES; s++)
            g->map[i][0][s] = g->map[i][1][s] = (uint32_t)lmz_state_p[s] << 16 | g->prior->map_count;
    for (int i = 0; i < 256; i++)
        g->direct0[i] = 1u << 31;
    for (int i = 0; i < 65536; i++)
        g->direct1[i] = 1u << 31;
    for (int k = 0; k < 2; k++)
        for (uint32_t i = 0; i < 64; i++)
            g->match_map[k][i] = (65536 - 65536 / (i % 32 + 3)) << 16;
}

static void set_first_weights(ngram_state *g, int has_expert)
{
    const int n_sets = g->shape->n_sets, n_inputs = N_INPUTS(g->shape->n_contexts, has_expert);
    const first_weights *first = g->is_code ? &first_weights_of_code : &first_weights_of[g->shape - ngram_shapes];
    const int8_t *sets = first->sets;
    for (int s = 0; s < n_sets; s++) {
        const size_t n = set_size[s] * (size_t)n_inputs;
        for (size_t i = 0; i < n; i++)
            g->weights[s][i] = sets[i] * (1 << FIRST_WEIGHT_SHIFT);
        sets += n;
    }
    for (int i = 0; i < 2 * 256; i++)
        for (int s = 0; s < n_sets; s++)
            g->final_weights[i * MAX_SETS + s] = first->finals[i * n_sets + s] * (1 << FIRST_WEIGHT_SHIFT);
}

static void set_initial_apms(ngram_state *g)
{
    uint16_t row[APM_ROW];
    for (int i = 0; i < APM_ROW; i++) {
        uint32_t p = lmz_squash_table[i * APM_STEP / 8] >> 8;
        row[i] = (uint16_t)(p > 65535 ? 65535 : p);
    }
    for (int a = 0; a < g->shape->n_apms; a++)
        for (size_t i = 0; i <= g->apm_mask; i++)
            memcpy(g->apm[a] + i * APM_ROW, row, sizeof row);
}

/* What follows from the block alone. */
static void set_kind(struct lmz_coder *c)
{
    const uint8_t *const *contexts = c->ngram.shape->contexts;
    c->ngram.is_code = contexts[2] && !c->spec.dictionary_size &&
                       (c->spec.machine == LMZ_X86 || c->spec.machine == LMZ_X86_64);
    c->ngram.contexts = contexts[c->ngram.is_code ? 2 : c->spec.n_lanes > 1];
    c->ngram.prior = c->expert ? &c->expert->ops->prior : &prior_alone;
}

static void ngram_start(struct lmz_coder *c)
{
    ngram_state *g = &c->ngram;
    set_kind(c);
    set_initial_cells(g);
    set_first_weights(g, c->expert != NULL);
    set_initial_apms(g);
    for (int i = 0; i < c->n_lanes; i++) {
        lmz_lane *lane = &c->lanes[i];
        lane->line_start = lane->above_start = lane->field_start = lane->start;
    }
}

/* Each lane begins as if the dictionary stood right before it. */
static void ngram_resume(struct lmz_coder *c, const struct lmz_coder *learner)
{
    set_kind(c);
    c->ngram.stride = learner->ngram.stride;
    for (int i = 0; i < c->n_lanes; i++) {
        lmz_lane *lane = &c->lanes[i];
        const uint32_t shift = lane->shift = lane->start - c->before;
        lane->line_start += shift;
        lane->above_start += shift;
        lane->field_start += shift;
        for (int k = 0; k < 256; k++)
            lane->last_seen[k] += shift;
    }
}

/* Lines of both nibbles for each context, cells of maps and of order 1, entries of matches and of peers, and of what
   followed. */
static size_t ngram_notes(const struct lmz_coder *c)
{
    return 2 * (size_t)c->ngram.shape->n_contexts + 8 * (size_t)c->ngram.shape->n_apms + 8 + 4 + 1;
}

int32_t *lmz_coder_weights(lmz_coder *c, int part, size_t *n)
{
    const ngram_state *g = &c->ngram;
    if (!g->shape || part < 0 || part > g->shape->n_sets)
        return NULL;
    const int is_final = part == g->shape->n_sets;
    *n = is_final ? 2 * 256 * MAX_SETS : set_size[part] * (size_t)N_INPUTS(g->shape->n_contexts, c->expert);
    return is_final ? g->final_weights : g->weights[part];
}

#define COPY(array, n) memcpy(to->array, from->array, (n) * sizeof *to->array)

static void ngram_copy_small(struct lmz_coder *c, const struct lmz_coder *learner)
{
    const ngram_state *to = &c->ngram, *from = &learner->ngram;
    COPY(map, (size_t)to->shape->n_contexts);
    COPY(direct0, 256);
    COPY(match_map, 2);
    for (int i = 0; i < to->shape->n_sets; i++)
        COPY(weights[i], set_size[i] * (size_t)N_INPUTS(to->shape->n_contexts, c->expert));
    COPY(final_weights, 2 * 256 * MAX_SETS);
    COPY(indirect1, 256);
    COPY(stride_score, MAX_STRIDE + 1);
}

const base_ops ngram_base = {"ngram",      ngram_function, ngram_layout,    ngram_start,
                             ngram_resume, ngram_notes,    ngram_copy_small};

/* coder.c - coders: arguments, memory, the start of a block, and running it. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "lookahead.h"
#include "memory.h"
#include "mixer.h"

/* The base of a kind of content (FORMAT 4.5). */
#define BASE_ROW(name) &name##_base,
static const base_ops *const bases[] = {BASES(BASE_ROW)};
#define N_BASES ((int)(sizeof bases / sizeof *bases))

/* A vector of a transformer in two parts takes two lanes of a matrix product. */
int lmz_max_lanes(int unit) { return unit == LMZ_TOKENS ? LMZ_MAX_LANES / 2 : LMZ_MAX_LANES; }

/* Whether there may be such a block. */
static int is_block(const lmz_block_spec *s, const lmz_expert *e)
{
    return s->content >= 0 && s->content < N_BASES && s->raw_size <= LMZ_MAX_RAW_SIZE && s->n_lanes >= 1 &&
           s->n_lanes <= lmz_max_lanes(unit_of(e)) && s->context >= 0 && s->context < (e ? e->ops->n_contexts : 1) &&
           (!e || e->ops->is_complete(e)) && bases[s->content]->function(s, e) >= 0;
}

/* Lay out what is beside the base for an expert: trees, its lanes, and what its tokens need; with NULL only count. */
static uint64_t expert_layout(struct lmz_coder *c, uint8_t *memory)
{
    const size_t n = (size_t)c->n_lanes, raw_size = c->spec.raw_size;
    token_state *t = &c->tokens;
    uint64_t offset = 0;
    if (!c->expert)
        return 0;
    const int has_tokens = has_unit(c, LMZ_TOKENS);
    c->trees = arena_take(memory, &offset, n * (has_tokens ? 1024 : 512) * sizeof *c->trees);
    if (has_tokens) {
        t->mask = power_above((uint64_t)raw_size * 2 + 1024, 1u << BOUNDARY_TABLE_BITS) - 1;
        t->active = arena_take(memory, &offset, n * sizeof *t->active);
        t->last = arena_take(memory, &offset, n * sizeof *t->last);
        t->largest_child_sums = arena_take(memory, &offset, n * sizeof *t->largest_child_sums);
        t->is_token_end = arena_take(memory, &offset, raw_size + 1);
        t->cells = arena_take(memory, &offset, ((size_t)t->mask + 1) * sizeof *t->cells);
        t->match = arena_take(memory, &offset, 2 * sizeof *t->match);
        t->weights = arena_take(memory, &offset, N_BOUNDARY_INPUTS * sizeof *t->weights);
    }
    return offset + (c->expert->ops->layout ? c->expert->ops->layout(c, memory ? memory + offset : NULL) : 0);
}

/* Lay out all state; with NULL only return the size it takes. */
static uint64_t layout(struct lmz_coder *c, uint8_t *memory)
{
    const uint64_t size = c->base->layout(c, memory);
    return size + expert_layout(c, memory ? memory + size : NULL);
}

static void set_spec(struct lmz_coder *c, const lmz_block_spec *spec, const lmz_expert *expert)
{
    c->spec = *spec;
    c->base = bases[spec->content];
    c->function = c->base->function(spec, expert);
    c->expert = expert;
    c->n_lanes = spec->n_lanes;
}

uint64_t lmz_memory_size(const lmz_block_spec *spec, const lmz_expert *expert)
{
    struct lmz_coder scratch = {0};
    if (!is_block(spec, expert))
        return 0;
    set_spec(&scratch, spec, expert);
    return sizeof scratch + (size_t)spec->n_lanes * sizeof(lmz_lane) + layout(&scratch, NULL);
}

static void start_tokens(struct lmz_coder *c)
{
    token_state *t = &c->tokens;
    for (uint32_t i = 0; i <= t->mask; i++)
        t->cells[i] = 1u << 31;
    memcpy(t->match, c->ngram.match_map, 2 * sizeof *t->match);
    for (int i = 0; i < N_BOUNDARY_INPUTS; i++)
        t->weights[i] = i ? c->expert->ops->prior.base_weight : WEIGHT_ONE;
    for (int i = 0; i < c->n_lanes; i++) {
        t->active[i] = i;
        t->last[i] = (uint32_t)c->expert->vocab.n_tokens;
    }
}

/* Give each lane its chunk. */
static void cut_lanes(struct lmz_coder *c)
{
    for (int i = 0; i < c->n_lanes; i++) {
        lmz_lane *lane = &c->lanes[i];
        const uint64_t start = (uint64_t)c->chunk_size * (uint64_t)i, end = start + c->chunk_size;
        lane->start = lane->position = (uint32_t)(start < c->raw_size ? start : c->raw_size);
        lane->end = (uint32_t)(end < c->raw_size ? end : c->raw_size);
        lane->tree = c->expert ? tree_of(c, i) : NULL;
    }
}

static struct lmz_coder *coder_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, uint8_t *raw)
{
    const cpu_variant *variant = cpu_variant_of(simd);
    if (!is_block(spec, expert) || !spec->raw_size || !variant)
        return NULL;
    struct lmz_coder *c = calloc(1, sizeof *c + (size_t)spec->n_lanes * sizeof(lmz_lane));
    if (!c)
        return NULL;
    set_spec(c, spec, expert);
    c->run = variant->run_block;
    c->raw = raw;
    c->raw_size = (uint32_t)spec->raw_size;
    c->chunk_size = (uint32_t)((spec->raw_size + (size_t)spec->n_lanes - 1) / (size_t)spec->n_lanes);
    c->memory_size = layout(c, NULL);
    c->memory = allocate_zeroed(c->memory_size);
    if (!c->memory) {
        free(c);
        return NULL;
    }
    layout(c, c->memory);
    cut_lanes(c);
    c->base->start(c);
    if (has_unit(c, LMZ_TOKENS))
        start_tokens(c);
    if (expert && expert->ops->start)
        expert->ops->start(c);
    return c;
}

lmz_coder *lmz_encoder_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, const uint8_t *raw,
                           uint8_t *payload, size_t capacity)
{
    /* An encoder never writes to raw: code_byte does so only when it decodes. */
    struct lmz_coder *c = coder_new(spec, expert, simd, (uint8_t *)(uintptr_t)raw);
    if (c)
        rc_start_encoder(&c->rc, payload, capacity);
    return c;
}

lmz_coder *lmz_decoder_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, const uint8_t *payload,
                           size_t payload_size, uint8_t *raw)
{
    struct lmz_coder *c = coder_new(spec, expert, simd, raw);
    if (c)
        rc_start_decoder(&c->rc, payload, payload_size);
    return c;
}

int lmz_encoder_set_tokens(lmz_coder *c, const uint8_t *sizes, size_t n_tokens)
{
    if (!has_unit(c, LMZ_TOKENS) || c->rc.decoding)
        return LMZ_E_ARGUMENT;
    const vocab_trie *v = &c->expert->vocab;
    size_t n = 0;
    for (int i = 0; i < c->n_lanes; i++) {
        lmz_lane *lane = &c->lanes[i];
        lane->token_sizes = sizes + n;
        for (uint32_t at = lane->start; at < lane->end; n++) {
            if (n == n_tokens || !sizes[n] || sizes[n] > lane->end - at)
                return LMZ_E_ARGUMENT;
            const trie_node *node = v->nodes;
            for (int k = 0; k < sizes[n] && node; k++)
                node = vocab_trie_child(v, node, c->raw[at++]);
            if (!node || !node->is_token)
                return LMZ_E_ARGUMENT;
        }
    }
    return n == n_tokens ? LMZ_DONE : LMZ_E_ARGUMENT;
}

int lmz_coder_run(lmz_coder *c, uint64_t n_steps)
{
    return c->expert && c->expert->ops->is_external ? LMZ_E_ARGUMENT : coder_run(c, n_steps);
}

int coder_run(struct lmz_coder *c, uint64_t n_steps)
{
    if (has_unit(c, LMZ_TOKENS) && !c->rc.decoding && !c->lanes[0].token_sizes)
        return LMZ_E_ARGUMENT; /* nobody said how to cut */
    lookahead_start(c, n_steps);
    int status = c->run(c, n_steps);
    lookahead_stop(c);
    if (status != LMZ_DONE)
        return status;
    if (c->rc.decoding)
        return rc_finished_decoder(&c->rc) ? LMZ_DONE : LMZ_E_DAMAGED;
    rc_finish_encoder(&c->rc);
    return c->rc.failed ? LMZ_E_FULL : LMZ_DONE;
}

int lmz_coder_lanes(const lmz_coder *c, uint32_t *lanes)
{
    int n = 0;
    for (int i = 0; i < c->n_lanes; i++)
        if (c->lanes[i].position < c->lanes[i].end)
            lanes[n++] = (uint32_t)i;
    return n;
}

void lmz_coder_set_threads(lmz_coder *c, int n_threads) { c->n_threads = n_threads; }

size_t lmz_coder_position(const lmz_coder *c) { return c->n_coded; }

size_t lmz_coder_reached(const lmz_coder *c)
{
    uint32_t least = c->chunk_size;
    for (int i = 0; i < c->n_lanes; i++) {
        const lmz_lane *lane = &c->lanes[i];
        if (lane->position < lane->end && lane->position - lane->start < least)
            least = lane->position - lane->start;
    }
    return least;
}

size_t lmz_coder_payload_size(const lmz_coder *c) { return c->rc.position; }

void lmz_coder_free(lmz_coder *c)
{
    if (!c)
        return;
    free_zeroed(c->memory, c->memory_size);
    free(c);
}

int lmz_expert_unit(const lmz_expert *expert) { return expert->ops->unit; }

void lmz_expert_free(lmz_expert *expert)
{
    if (expert)
        expert->ops->free(expert);
}

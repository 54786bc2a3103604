/* coder.c - coders: arguments, memory, the start of a block, and running it. */
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "internal.h"
#include "lookahead.h"
#include "mixer.h"
#include "token_columns.h"
#include "token_dictionary.h"

/* The base of a kind of content (FORMAT 4.5). */
#define BASE_ROW(name) &name##_base,
static const base_ops *const bases[] = {BASES(BASE_ROW)};
#define N_BASES ((int)(sizeof bases / sizeof *bases))

/* A vector of a transformer in two parts takes two lanes of a matrix product. */
int lmz_max_lanes(int unit) { return unit == LMZ_TOKENS ? LMZ_MAX_LANES / 2 : LMZ_MAX_LANES; }

/* Whether what learns a block's dictionary can be copied. */
static int takes_dictionary(const lmz_block_spec *s, const lmz_expert *e)
{
    return s->dictionary_size <= LMZ_MAX_DICTIONARY_SIZE && bases[s->content.kind]->resume && (!e || e->ops->resume);
}

/* Whether there may be such a block. */
static int is_block(const lmz_block_spec *s, const lmz_expert *e)
{
    return s->content.kind >= 0 && s->content.kind < N_BASES && s->raw_size <= LMZ_MAX_RAW_SIZE && s->n_lanes >= 1 &&
           s->n_lanes <= lmz_max_lanes(unit_of(e)) && s->context >= 0 && s->context < (e ? e->ops->n_contexts : 1) &&
           in_range((uint32_t)s->machine, 0, s->content.kind ? 0 : LMZ_ARM64) && (!e || is_complete(e)) &&
           (!s->dictionary_size || takes_dictionary(s, e)) &&
           bases[s->content.kind]->function(s, e) >= 0;
}

/* Take what is beside the base for an expert: trees, its lanes, and what its tokens need. */
static void expert_layout(struct lmz_coder *c)
{
    const size_t n = (size_t)c->n_lanes;
    const int has_tokens = has_unit(c, LMZ_TOKENS);
    token_state *t = &c->tokens;
    const size_t n_columns = (size_t)c->n_columns;
    arena *a = &c->memory;
    c->columns = arena_take(a, n_columns * sizeof *c->columns);
    c->trees = arena_take(a, n_columns * (has_tokens ? 1024 : 512) * sizeof *c->trees);
    if (has_tokens) {
        t->mask = power_above(table_room(&c->spec) * 2 + 1024, 1u << BOUNDARY_TABLE_BITS) - 1;
        t->next = arena_take(a, n * sizeof *t->next);
        t->last = arena_take(a, n * sizeof *t->last);
        t->largest_child_sums = arena_take(a, n_columns * sizeof *t->largest_child_sums);
        t->is_token_end = arena_take(a, c->before + (size_t)c->raw_size + 1);
        t->cells = arena_take(a, ((size_t)t->mask + 1) * sizeof *t->cells);
        t->match = arena_take(a, 2 * sizeof *t->match);
        t->weights = arena_take(a, N_BOUNDARY_INPUTS * sizeof *t->weights);
        if (c->learns)
            t->tail_sizes = arena_take(a, c->expert->ops->n_tail(c));
    }
    if (c->expert->ops->layout)
        c->expert->ops->layout(c);
}

/* Take all state out of c->memory. */
static void layout(struct lmz_coder *c)
{
    c->base->layout(c);
    c->base_size = c->memory.size;
    if (c->before && is_small(&c->spec)) {
        const size_t n_lines = (size_t)c->base_size / 64, most = LMZ_NOTED_SIZE * c->base->notes(c);
        c->undo.lines = arena_take(&c->memory, ((n_lines < most ? n_lines : most) + 1) * sizeof *c->undo.lines);
        c->undo.noted = arena_take(&c->memory, (n_lines / 64 + 1) * sizeof *c->undo.noted);
    }
    if (c->learns)
        c->scratch = arena_take(&c->memory, LEARNER_SCRATCH);
    if (c->expert)
        expert_layout(c);
}

/* Columns that an expert predicts at a time, and those that are predicted and not yet coded. */
static int n_columns_of(const struct lmz_coder *c)
{
    if (has_unit(c, LMZ_TOKENS))
        return token_columns_most(c->n_lanes, c->known != NULL);
    return has_ahead(c) ? N_STRETCHES * stretch_columns(c->n_lanes) : c->n_lanes;
}

/* known: the raw bytes where they are there before they are coded, or NULL. */
static void set_spec(struct lmz_coder *c, const lmz_block_spec *spec, const lmz_expert *expert, const uint8_t *known,
                     int learns)
{
    c->spec = *spec;
    c->base = bases[spec->content.kind];
    c->function = c->base->function(spec, expert);
    c->expert = expert;
    c->learns = learns;
    c->n_lanes = learns ? 1 : spec->n_lanes; /* a dictionary is one lane */
    c->before = learns ? 0 : (uint32_t)spec->dictionary_size;
    c->raw_size = c->n_known = (uint32_t)(learns ? spec->dictionary_size : spec->raw_size);
    c->chunk_size = (uint32_t)(((size_t)c->raw_size + (size_t)c->n_lanes - 1) / (size_t)c->n_lanes);
    c->known = expert && !expert->ops->is_external ? known : NULL;
    c->n_columns = n_columns_of(c);
}

static uint64_t coder_size(const lmz_block_spec *spec, const lmz_expert *expert, int learns)
{
    struct lmz_coder scratch = {0};
    if (!is_block(spec, expert))
        return 0;
    set_spec(&scratch, spec, expert, (const uint8_t *)"", learns); /* known bytes: these take the most */
    layout(&scratch);
    return sizeof scratch + (size_t)scratch.n_lanes * sizeof(lmz_lane) + scratch.memory.size;
}

uint64_t lmz_memory_size(const lmz_block_spec *spec, const lmz_expert *expert) { return coder_size(spec, expert, 0); }

uint64_t lmz_learner_size(const lmz_block_spec *spec, const lmz_expert *expert)
{
    return spec->dictionary_size ? coder_size(spec, expert, 1) : 0;
}

static void start_tokens(struct lmz_coder *c)
{
    token_state *t = &c->tokens;
    for (uint32_t i = 0; i <= t->mask; i++)
        t->cells[i] = 1u << 31;
    for (int k = 0; k < 2; k++)
        memcpy(t->match[k], c->ngram.match_map[k], sizeof t->match[k]);
    for (int i = 0; i < N_BOUNDARY_INPUTS; i++)
        t->weights[i] = i ? BOUNDARY_WEIGHT : WEIGHT_ONE;
}

/* Make the lanes of an expert ready, which has them all at their start. */
static void start_expert(struct lmz_coder *c)
{
    for (int i = 0; i < c->n_lanes && has_unit(c, LMZ_TOKENS); i++) {
        c->tokens.last[i] = n_symbols_of(c->expert);
    }
}

/* Give each lane its chunk. */
static void cut_lanes(struct lmz_coder *c)
{
    for (int i = 0; i < c->n_lanes; i++) {
        lmz_lane *lane = &c->lanes[i];
        const uint64_t start = (uint64_t)c->chunk_size * (uint64_t)i, end = start + c->chunk_size;
        lane->start = lane->position = c->before + (uint32_t)(start < c->raw_size ? start : c->raw_size);
        lane->end = c->before + (uint32_t)(end < c->raw_size ? end : c->raw_size);
        lane->tree = c->expert ? tree_of(c, i) : NULL;
    }
}

/* raw: of the dictionary for a coder that learns it. */
static struct lmz_coder *coder_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, uint8_t *raw,
                                   const uint8_t *known, int learns)
{
    const cpu_variant *variant = cpu_variant_of(simd);
    if (!is_block(spec, expert) || !spec->raw_size || !variant)
        return NULL;
    struct lmz_coder *c = calloc(1, sizeof *c + (size_t)spec->n_lanes * sizeof(lmz_lane));
    if (!c)
        return NULL;
    set_spec(c, spec, expert, known, learns);
    c->run = variant->run_block;
    c->raw = raw - c->before;
    layout(c);
    if (!arena_allocate(&c->memory)) {
        free(c);
        return NULL;
    }
    layout(c);
    cut_lanes(c);
    c->is_ready = !c->before;
    if (c->before)
        return c; /* its first state is that of a coder that has learned the dictionary */
    c->base->start(c);
    start_expert(c);
    if (has_unit(c, LMZ_TOKENS))
        start_tokens(c);
    if (has_unit(c, LMZ_TOKENS) && learns)
        token_dictionary_start(c);
    return c;
}

lmz_coder *lmz_learner_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, const uint8_t *dictionary)
{
    /* It writes to the dictionary no more than an encoder to raw. */
    return spec->dictionary_size
               ? coder_new(spec, expert, simd, (uint8_t *)(uintptr_t)dictionary, dictionary, 1)
               : NULL;
}

/* Make the lanes of a coder, whose memory is as what was learned, begin behind it. */
static void begin_behind(struct lmz_coder *c, const struct lmz_coder *learner)
{
    cut_lanes(c);
    for (int i = 0; i < c->n_lanes; i++) {
        const lmz_lane own = c->lanes[i];
        lmz_lane *lane = &c->lanes[i];
        *lane = learner->lanes[0];
        lane->start = own.start;
        lane->position = own.position;
        lane->end = own.end;
        lane->tree = own.tree;
        lane->token_sizes = NULL;
    }
    c->first_history = learner->lanes[0].history;
    c->base->resume(c, learner);
    if (c->expert)
        c->expert->ops->resume(c, learner);
    if (has_unit(c, LMZ_TOKENS))
        token_dictionary_resume(c, learner);
    c->undo.is_on = c->undo.lines && !c->expert && c->raw_size <= LMZ_NOTED_SIZE;
    c->is_ready = 1;
}

/* Undo what a block has changed, of which all places are noted. */
static void undo(struct lmz_coder *c, const struct lmz_coder *learner)
{
    enum { AHEAD = 16 }; /* what was learned is rarely in the cache */
    const uint32_t *lines = c->undo.lines;
    for (size_t i = 0; i < c->undo.n; i++) {
        const size_t next = (size_t)lines[i + AHEAD < c->undo.n ? i + AHEAD : i] << 6, at = (size_t)lines[i] << 6;
        __builtin_prefetch(learner->memory.base + next);
        c->undo.noted[lines[i] >> 6] = 0; /* of other lines too, but all of them are undone */
        arena_copy(&c->memory, &learner->memory, at, 64);
    }
    c->base->copy_small(c, learner);
}

int lmz_coder_restart(lmz_coder *c, const lmz_coder *learner, size_t raw_size, uint8_t *raw)
{
    lmz_block_spec spec = c->spec;
    spec.raw_size = raw_size;
    if (!c->is_ready || !c->before || c->expert || !raw_size || !learner->learns ||
        c->base_size != learner->base_size || !is_block(&spec, NULL) || is_small(&spec) != is_small(&c->spec))
        return LMZ_E_ARGUMENT;
    if (c->undo.is_on)
        undo(c, learner);
    else
        arena_copy(&c->memory, &learner->memory, 0, (size_t)c->base_size);
    set_spec(c, &spec, NULL, NULL, 0);
    c->raw = raw - c->before;
    c->n_coded = 0;
    c->undo.n = 0;
    begin_behind(c, learner);
    return LMZ_DONE;
}

void lmz_coder_encode(lmz_coder *c, uint8_t *payload, size_t capacity)
{
    rc_start_encoder(&c->rc, payload, capacity);
}

void lmz_coder_decode(lmz_coder *c, const uint8_t *payload, size_t payload_size)
{
    rc_start_decoder(&c->rc, payload, payload_size);
}

int lmz_coder_set_dictionary(lmz_coder *c, const lmz_coder *learner)
{
    if (c->n_coded || c->learns || !learner->learns || learner->n_coded != c->before || c->base != learner->base ||
        c->function != learner->function || c->expert != learner->expert || c->spec.context != learner->spec.context ||
        c->base_size != learner->base_size ||
        c->spec.profile != learner->spec.profile || (c->spec.n_lanes > 1) != (learner->spec.n_lanes > 1))
        return LMZ_E_ARGUMENT;
    arena_copy(&c->memory, &learner->memory, 0, (size_t)c->base_size);
    begin_behind(c, learner);
    return LMZ_DONE;
}

lmz_coder *lmz_encoder_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, const uint8_t *raw,
                           uint8_t *payload, size_t capacity)
{
    /* An encoder never writes to raw: code_byte does so only when it decodes. */
    struct lmz_coder *c = coder_new(spec, expert, simd, (uint8_t *)(uintptr_t)raw, raw, 0);
    if (c)
        rc_start_encoder(&c->rc, payload, capacity);
    return c;
}

lmz_coder *lmz_decoder_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, const uint8_t *payload,
                           size_t payload_size, uint8_t *raw)
{
    return lmz_verifier_new(spec, expert, simd, payload, payload_size, raw, NULL);
}

lmz_coder *lmz_verifier_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, const uint8_t *payload,
                            size_t payload_size, uint8_t *raw, const uint8_t *expected)
{
    struct lmz_coder *c = coder_new(spec, expert, simd, raw, expected, 0);
    if (c)
        rc_start_decoder(&c->rc, payload, payload_size);
    return c;
}

lmz_coder *lmz_sampler_new(const lmz_block_spec *spec, const lmz_expert *expert, int simd, uint8_t *raw, size_t n_given,
                           uint8_t *scratch, size_t capacity)
{
    if (n_given >= spec->raw_size || spec->n_lanes != 1)
        return NULL;
    struct lmz_coder *c = coder_new(spec, expert, simd, raw, NULL, 0);
    if (c) {
        rc_start_encoder(&c->rc, scratch, capacity);
        c->n_known = (uint32_t)n_given;
    }
    return c;
}

void lmz_coder_draw(lmz_coder *c, const uint8_t *bits, size_t n_bytes)
{
    rc_start_decoder(&c->rc, bits, n_bytes);
    c->lanes[0].token_sizes = NULL;
}

int lmz_coder_set_tokens(lmz_coder *c, const uint8_t *sizes, size_t n_tokens)
{
    if (!has_unit(c, LMZ_TOKENS) || (c->rc.decoding && !c->known) || !c->is_ready)
        return LMZ_E_ARGUMENT;
    const uint8_t *raw = c->rc.decoding ? c->known - c->before : c->raw;
    const vocab_trie *v = &c->expert->vocab;
    size_t n = 0;
    for (int i = 0; i < c->n_lanes; i++) {
        lmz_lane *lane = &c->lanes[i];
        const uint32_t end = lane->end < c->before + c->n_known ? lane->end : c->before + c->n_known;
        lane->token_sizes = sizes + n;
        for (uint32_t at = lane->start; at < end; n++) {
            if (n == n_tokens || !sizes[n] || sizes[n] > end - at)
                return LMZ_E_ARGUMENT;
            const trie_node *node = v->nodes;
            for (int k = 0; k < sizes[n] && node; k++)
                node = vocab_trie_child(v, node, raw[at++]);
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
    if (!c->is_ready)
        return LMZ_E_ARGUMENT;
    if (has_unit(c, LMZ_TOKENS) && (c->known || !c->rc.decoding) && !c->lanes[0].token_sizes)
        return LMZ_E_ARGUMENT; /* nobody said how to cut */
    lookahead_start(c, n_steps);
    ahead_start(c);
    int status = c->run(c, n_steps);
    ahead_stop(c);
    lookahead_stop(c);
    if (status != LMZ_DONE)
        return status;
    if (c->n_known < c->raw_size) /* a sampler leaves bits over */
        return LMZ_DONE;
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

size_t lmz_coder_interval(const lmz_coder *c, uint64_t *width)
{
    *width = c->rc.range;
    return c->rc.position - c->rc.end_size;
}

void lmz_coder_free(lmz_coder *c)
{
    if (!c)
        return;
    arena_free(&c->memory);
    free(c);
}

int lmz_expert_unit(const lmz_expert *expert) { return expert->ops->unit; }

void lmz_expert_free(lmz_expert *expert)
{
    if (expert)
        expert->ops->free(expert);
}

lmz_coder *lmz_walk_new(const lmz_expert *expert, int n_lanes, int n_threads)
{
    if (n_lanes < 1 || n_lanes > lmz_max_lanes(expert->ops->unit) || expert->ops->is_external || !is_complete(expert))
        return NULL;
    struct lmz_coder *c = calloc(1, sizeof *c + (size_t)n_lanes * sizeof(lmz_lane));
    if (!c)
        return NULL;
    c->expert = expert;
    c->n_lanes = n_lanes;
    c->n_threads = n_threads;
    c->n_columns = n_lanes;
    expert_layout(c);
    if (!arena_allocate(&c->memory)) {
        free(c);
        return NULL;
    }
    expert_layout(c);
    start_expert(c);
    return c;
}

/* Bytes of what an expert predicts of a lane's next byte or token. */
static size_t predicted_size(const lmz_expert *expert)
{
    return (expert->ops->unit == LMZ_TOKENS ? n_symbols_of(expert) : 512) * sizeof(uint32_t);
}

void lmz_walk_predict(lmz_coder *c, uint32_t *predicted)
{
    const expert_ops *ops = c->expert->ops;
    const int has_tokens = has_unit(c, LMZ_TOKENS);
    const size_t size = predicted_size(c->expert);
    for (int i = 0; i < c->n_lanes; i++)
        c->columns[i] = (lane_column){.lane = i, .before = has_tokens ? c->tokens.last[i] : c->lanes[i].history};
    if (has_tokens)
        ops->step(c, c->n_lanes, NULL);
    for (int stage = 0; !has_tokens && stage < c->expert->n_stages; stage++)
        ops->predict(c, &(column_range){.n = c->n_lanes}, stage);
    for (int i = 0; i < c->n_lanes; i++)
        memcpy((uint8_t *)predicted + size * (size_t)i, has_tokens ? ops->token_weights(c, i) : tree_of(c, i), size);
}

int lmz_walk_learn(lmz_coder *c, const uint32_t *symbols)
{
    for (int i = 0; i < c->n_lanes; i++)
        if (symbols[i] >= n_symbols_of(c->expert))
            return LMZ_E_ARGUMENT;
    for (int i = 0; i < c->n_lanes; i++) {
        c->lanes[i].history = c->lanes[i].history << 8 | symbols[i];
        if (has_unit(c, LMZ_TOKENS))
            c->tokens.last[i] = symbols[i];
    }
    return LMZ_DONE;
}

int lmz_expert_run(const lmz_expert *expert, int n_lanes, int n_threads, const uint32_t *symbols, size_t n_steps,
                   uint32_t *predicted)
{
    const expert_ops *ops = expert->ops;
    if (n_lanes < 1 || n_lanes > lmz_max_lanes(ops->unit) || ops->is_external || !is_complete(expert))
        return LMZ_E_ARGUMENT;
    struct lmz_coder *walk = lmz_walk_new(expert, n_lanes, n_threads);
    if (!walk)
        return LMZ_E_MEMORY;
    int status = LMZ_DONE;
    for (size_t step = 0; step < n_steps && status == LMZ_DONE; step++) {
        lmz_walk_predict(walk, predicted);
        status = lmz_walk_learn(walk, symbols);
        predicted += predicted_size(expert) / sizeof *predicted * (size_t)n_lanes;
        symbols += n_lanes;
    }
    lmz_coder_free(walk);
    return status;
}

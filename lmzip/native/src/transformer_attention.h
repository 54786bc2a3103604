/* transformer_attention.h - attention of lanes to their keys and values, for a variant (ARITHMETIC 9.5 to 9.7). */
#ifndef LMZ_TRANSFORMER_ATTENTION_H
#define LMZ_TRANSFORMER_ATTENTION_H

#include "net_product.h"
#include "transformer_numbers.h"

/* Turn a head's vector by its lane's angles, and pack it; v is changed. */
static packed_scale rotate(int32_t *v, int n, const int16_t *cosines, const int16_t *sines, int8_t *q)
{
    const int half = n / 2;
    int up, down;
    find_shift(extremes_of(v, n), 15, &up, &down);
    for (int i = 0; i < half; i++) {
        int32_t x = shifted(v[i], up, down), y = shifted(v[half + i], up, down), c = cosines[i], s = sines[i];
        v[i] = (x * c - y * s + (1 << 13)) >> 14;
        v[half + i] = (x * s + y * c + (1 << 13)) >> 14;
    }
    packed_scale packed = pack8(v, n, q);
    packed.shift += down - up;
    return packed;
}

static int32_t size_of(packed_scale s)
{
    int64_t size = s.shift >= 0 ? (int64_t)s.top << s.shift : s.top >> -s.shift;
    return (int32_t)(size > SIZE_LIMIT ? SIZE_LIMIT : size);
}

/* One head of keys and values of a lane, and the number of its tokens. */
typedef struct {
    uint8_t *keys, *values;
    int32_t *key_multiplier, *value_size;
    int n_seen; /* tokens that are there */
} head_cache;

#define SCORE_LIMIT (1 << 29)
#define LINES_AT_ONCE ((N_WIDE + 7) / 8) /* of what is to come, for so many numbers of a softmax */

/* Keys and values of what comes next, and how much of them is fetched. */
typedef struct {
    const uint8_t *keys, *values;
    size_t at, n_lines;
} cache_to_come;

/* One head of keys and values in a layer, of the lane at a place. */
static head_cache cache_of(const step_part *p, int place, int layer, int h)
{
    const lmz_transformer_shape *s = &p->t->shape;
    const size_t window = (size_t)p->lanes->window, lane = (size_t)p->lanes->active[place];
    const size_t at = ((lane * (size_t)s->n_layer + (size_t)layer) * (size_t)s->n_kv_head + (size_t)h) * window;
    const size_t bytes = (size_t)matrix_size(p->t->packing, at, (size_t)s->head_dim);
    const transformer_lanes *l = p->lanes;
    const uint32_t n_seen = l->n_tokens[lane] + 1;
    return (head_cache){l->keys + bytes, l->values + bytes, l->key_multiplier + at, l->value_size + at,
                        (int)(n_seen < window ? n_seen : window)};
}

/* A block of VALUE_BLOCK tokens among the values. */
static uint8_t *value_block(const step_part *p, const head_cache *cache, int block)
{
    return cache->values + (size_t)matrix_size(p->t->packing, (size_t)block * VALUE_BLOCK, (size_t)p->t->shape.head_dim);
}

/* Take in the key and the value of a lane's token. */
static void remember(const step_part *p, int place, head_cache *cache, const int8_t *key, packed_scale key_scale,
                     const int8_t *value, packed_scale value_scale)
{
    const uint32_t token = p->lanes->n_tokens[p->lanes->active[place]], window = (uint32_t)p->lanes->window;
    const int dim = p->t->shape.head_dim;
    const int slot = (int)(token < window ? token : N_KEPT + (token - N_KEPT) % (window - N_KEPT));
    uint8_t *block = value_block(p, cache, slot / VALUE_BLOCK);
    matrix_put_row(p->t->packing, cache->keys, dim, slot, key);
    matrix_put_column(p->t->packing, block, dim, VALUE_BLOCK, slot % VALUE_BLOCK, value);
    cache->key_multiplier[slot] = size_of(key_scale) * 256;
    cache->value_size[slot] = size_of(value_scale);
}

/* Fetch n_lines more of what is attended to next, keys and values in turn: a few at a time, since a processor waits for few
   lines of memory at once, and what it has to read meanwhile is among them. */
static inline void fetch_cache(cache_to_come *c, int n_lines)
{
    for (int i = 0; i < n_lines && c->at < c->n_lines; i++, c->at++)
        __builtin_prefetch((c->at & 1 ? c->values : c->keys) + c->at / 2 * 64, 0, 2);
}

/* A group's queries on their way through one head of keys and values. */
typedef struct {
    int n, stride, group;       /* tokens, room for them: whole tiles; queries */
    int32_t *scores;            /* (group, stride) */
    int8_t *weights;            /* (blocks, 2 group, VALUE_BLOCK): parts of 8 bits, the low ones behind the high */
    int64_t inverse[MAX_GROUP]; /* what sums by weights are multiplied with, and */
    int shift[MAX_GROUP];       /* shifted by */
} group_attention;

/* From products to scores. */
static void scale_scores(group_attention *g, const packed_scale *scales, int64_t scale_of_scores, cache_to_come *next)
{
    const int n = g->n, stride = g->stride, group = g->group;
    for (int h = 0; h < group; h++) {
        int32_t *row = g->scores + h * stride;
        const int places = 20 - scales[h].shift;
        const wide factor = wide_of(scales[h].top * scale_of_scores >> 12); /* of 32 bits */
        const wide half = wide_of((int64_t)1 << (places - 1));
        for (int i = 0; i < n; i += N_WIDE) {
            fetch_cache(next, LINES_AT_ONCE);
            wide_store(row + i, wide_shift(wide_add(wide_times(row + i, factor), half), places), SCORE_LIMIT);
        }
        for (int i = n; i < stride; i++)
            row[i] = -2 * SCORE_LIMIT; /* of no weight beside any score */
    }
}

/* From scores to exponentials; totals: their sums. */
static void exponentials_of(group_attention *g, uint64_t *totals)
{
    const int stride = g->stride, group = g->group;
    for (int h = 0; h < group; h++) {
        int32_t *row = g->scores + h * stride, max = row[0];
        for (int i = 1; i < stride; i++)
            max = row[i] > max ? row[i] : max;
        uint64_t total = 0;
        for (int i = 0; i < stride; i++) {
            int32_t x = max - row[i];
            x = x > 30 << 12 ? 30 << 12 : x;
            row[i] = (power(x) << 4) >> (x >> 12);
            total += (uint32_t)row[i];
        }
        totals[h] = total;
    }
}

/* From exponentials, by the values' sizes, to weights. */
static void weigh(group_attention *g, const uint64_t *totals, const int32_t *size, cache_to_come *next)
{
    const int stride = g->stride, group = g->group, block_size = 2 * group * VALUE_BLOCK;
    int places[MAX_GROUP];
    for (int h = 0; h < group; h++) {
        const int32_t *row = g->scores + h * stride;
        wide weighted = wide_of(0), heaviest = wide_of(0);
        for (int i = 0; i < stride; i += N_WIDE) {
            fetch_cache(next, LINES_AT_ONCE);
            const wide b = wide_product(row + i, size + i);
            weighted = wide_add(weighted, b);
            heaviest = wide_max(heaviest, b);
        }
        const int by_largest = bits_of((uint64_t)wide_largest(heaviest)) - 14, by_sum = bits_of((uint64_t)wide_sum(weighted)) - 24;
        const int most = by_largest > by_sum ? by_largest : by_sum;
        places[h] = most > 0 ? most : 0;
        const int e = bits_of(totals[h]);
        g->inverse[h] = (int64_t)(((uint64_t)1 << (e + 22)) / (127 * totals[h]));
        g->shift[h] = e + 22 - places[h];
    }
    for (int h = 0; h < group; h++) {
        const int32_t *row = g->scores + h * stride;
        const wide half = wide_of(((int64_t)1 << places[h]) >> 1);
        int8_t *high = g->weights + h * VALUE_BLOCK, *low = high + group * VALUE_BLOCK;
        for (int start = 0; start < stride; start += VALUE_BLOCK, high += block_size, low += block_size) {
            const int end = stride - start < VALUE_BLOCK ? stride - start : VALUE_BLOCK;
            int32_t w[VALUE_BLOCK];
            for (int i = 0; i < end; i += N_WIDE) {
                fetch_cache(next, LINES_AT_ONCE);
                wide_store(w + i, wide_shift(wide_add(wide_product(row + start + i, size + start + i), half), places[h]), 16319);
            }
            for (int i = 0; i < end; i++) {
                const int32_t part = (w[i] + 64) >> 7;
                high[i] = (int8_t)part;
                low[i] = (int8_t)(w[i] - 128 * part);
            }
            memset(high + end, 0, (size_t)(VALUE_BLOCK - end));
            memset(low + end, 0, (size_t)(VALUE_BLOCK - end));
        }
    }
}

/* The queries (group, dim) of one head of keys: what they attend to, into out (group, dim). */
static void attend(const step_part *p, const head_cache *cache, cache_to_come *next, const int8_t *queries,
                   const packed_scale *scales, int32_t *scratch, int32_t *out)
{
    const lmz_transformer_shape *s = &p->t->shape;
    const int dim = s->head_dim, n = cache->n_seen, n_blocks = (n + VALUE_BLOCK - 1) / VALUE_BLOCK;
    group_attention g = {.n = n, .stride = whole_tiles(n), .group = s->n_head / s->n_kv_head, .scores = scratch};
    const int n_sums = g.group * dim;
    const size_t block_stride = 2 * (size_t)g.group * VALUE_BLOCK;
    const int lines_a_block = (int)(next->n_lines / (size_t)(4 * n_blocks)) + 1; /* softmax is about half of the time */
    int32_t *sums = scratch + g.group * g.stride, *totals = sums + 2 * n_sums; /* (2 group, dim), (group, dim) */
    g.weights = (int8_t *)(totals + n_sums);
    int32_t unit_multiplier[256];
    uint64_t mass[MAX_GROUP];
    for (int b = 0; b < n; b += VALUE_BLOCK) {
        const net_matrix keys = {dim, whole_tiles(n - b < VALUE_BLOCK ? n - b : VALUE_BLOCK),
                                 cache->keys + (size_t)matrix_size(p->t->packing, (size_t)b, (size_t)dim), cache->key_multiplier + b};
        product(&keys, queries, g.group, g.scores + b, (size_t)g.stride);
        fetch_cache(next, lines_a_block);
    }
    scale_scores(&g, scales, s->scale_of_scores, next);
    exponentials_of(&g, mass);
    weigh(&g, mass, cache->value_size, next);
    for (int i = 0; i < dim; i++)
        unit_multiplier[i] = 1 << NET_SCALE_BITS;
    memset(totals, 0, (size_t)n_sums * sizeof *totals);
    for (int b = 0; b < n_blocks; b++) {
        const net_matrix values = {VALUE_BLOCK, dim, value_block(p, cache, b), unit_multiplier};
        product(&values, g.weights + (size_t)b * block_stride, 2 * g.group, sums, (size_t)dim);
        for (int i = 0; i < n_sums; i++)
            totals[i] += 128 * sums[i] + sums[n_sums + i];
        fetch_cache(next, lines_a_block);
    }
    for (int h = 0; h < g.group; h++)
        rescale(totals + h * dim, NULL, dim, g.inverse[h], g.shift[h], out + h * dim);
}

/* Attention of a lane to one head of keys and values: from the product with `in` to the queries' part of lanes->attended. */
static void attend_head(const step_part *p, int place, int h, head_cache *cache, cache_to_come *next)
{
    const lmz_transformer_shape *s = &p->t->shape;
    const int dim = s->head_dim, group = s->n_head / s->n_kv_head, first = h * group * dim;
    const size_t half = (size_t)dim / 2;
    const int16_t *cosines = p->lanes->cosines + (size_t)place * half, *sines = p->lanes->sines + (size_t)place * half;
    int8_t key[256], value[256], *queries = (int8_t *)scratch_of(p); /* (group, dim) */
    packed_scale scales[MAX_GROUP];
    int32_t *q = p->lanes->product + (size_t)place * (size_t)p->t->max_row + first;
    int32_t *k = q - first + (s->n_head + h) * dim, *v = k + s->n_kv_head * dim;
    const packed_scale key_scale = rotate(k, dim, cosines, sines, key), value_scale = pack8(v, dim, value);
    remember(p, place, cache, key, key_scale, value, value_scale);
    for (int i = 0; i < group; i++)
        scales[i] = rotate(q + i * dim, dim, cosines, sines, queries + i * dim);
    attend(p, cache, next, queries, scales, scratch_of(p) + group * dim,
           p->lanes->attended + (size_t)place * (size_t)(s->n_head * dim) + first);
}

/* Fetch what the other members may have written of what is attended with next, and its sizes; return what is to follow while
   attention works. */
static cache_to_come fetch_head(const step_part *p, int place, int h, const head_cache *cache)
{
    const lmz_transformer_shape *s = &p->t->shape;
    const int dim = s->head_dim, group = s->n_head / s->n_kv_head;
    const int32_t *q = p->lanes->product + (size_t)place * (size_t)p->t->max_row;
    fetch_vector(q + h * group * dim, group * dim);
    fetch_vector(q + (s->n_head + h) * dim, dim);
    fetch_vector(q + (s->n_head + s->n_kv_head + h) * dim, dim);
    fetch_vector(cache->key_multiplier, cache->n_seen);
    fetch_vector(cache->value_size, cache->n_seen);
    const size_t size = (size_t)matrix_size(p->t->packing, (size_t)cache->n_seen, (size_t)dim);
    return (cache_to_come){cache->keys, cache->values, 0, 2 * (size / 64)};
}

/* Attention of all lanes in a layer. */
static void attend_all(const step_part *p, int layer)
{
    const int n_heads = p->t->shape.n_kv_head, n_items = p->n * n_heads;
    const int first = team_share(p->me, n_items), end = team_share_end(p->me, n_items);
    head_cache cache, next = {0};
    for (int i = first; i < end; i++) {
        cache = i == first ? cache_of(p, i / n_heads, layer, i % n_heads) : next;
        cache_to_come to_come = {0};
        if (i + 1 < end) {
            next = cache_of(p, (i + 1) / n_heads, layer, (i + 1) % n_heads);
            to_come = fetch_head(p, (i + 1) / n_heads, (i + 1) % n_heads, &next);
        }
        attend_head(p, i / n_heads, i % n_heads, &cache, &to_come);
    }
    team_meet(p->me);
}

#endif

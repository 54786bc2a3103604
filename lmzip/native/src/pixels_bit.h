/* pixels_bit.h - one byte of a sample: its contexts, and bit by bit predict, code, learn (PIXELS 6 to 8). */
#ifndef LMZ_PIXELS_BIT_H
#define LMZ_PIXELS_BIT_H

#include "pixels_learned.h"

typedef struct { /* the byte to come: all of a sample, or its upper or lower half */
    int32_t slot;               /* whose statistics: of the channel and half */
    int32_t n, n_padded, n_inputs;
    int32_t value4[MAX_PIXEL_PREDICTIONS];  /* predictions of the byte, in quarters */
    int32_t middle;                   /* the last blend */
    int32_t error_class, texture, signs, west4;
    uint8_t *errors;                  /* (MAX_PIXEL_PREDICTIONS) of this byte, to be filled */
    uint16_t *histogram[MAX_PIXEL_PREDICTIONS];
    uint16_t low[MAX_PIXEL_PREDICTIONS] __attribute__((aligned(64))); /* sums at the ends of the range that is left */
    uint16_t high[MAX_PIXEL_PREDICTIONS] __attribute__((aligned(64)));
    uint32_t hash[MAX_CELLS], *cells[MAX_CELLS]; /* lines */
} pixel_byte;

typedef struct { /* what predicting a bit leaves for learning it */
    int32_t inputs[MAX_PIXEL_INPUTS] __attribute__((aligned(64)));
    uint16_t sums[MAX_PIXEL_PREDICTIONS] __attribute__((aligned(64))); /* in the middle of the range */
    uint32_t *cell[MAX_CELLS];
    int32_t *weights[MAX_PIXEL_SETS], layer[MAX_PIXEL_SETS], *final_weights;
    uint32_t p_set[MAX_PIXEL_SETS], p_mixed;
    uint16_t *apm[N_PIXEL_APMS];
} pixel_bit;

/* A number of samples' range, as a number of the byte's. */
static inline int32_t in_byte(const pixels_state *s, int32_t v, int part, int32_t upper)
{
    return s->n_parts == 1 ? v : !part ? v >> 8 : clip(v - (upper << 8), 0, 255);
}

/* The predictions for a byte. */
static inline void set_values(const pixels_state *s, const pixel *p, pixel_byte *b, int part, int32_t upper)
{
    for (int k = 0; k < p->n; k++) {
        const int32_t v = p->value4[k];
        b->value4[k] = s->n_parts == 1 ? v : clip(!part ? v >> 8 : v - (upper << 10), 0, 1020);
    }
}

/* Blends of all predictions; the errors of each beside this byte go to sums. */
static inline void blend(pixels_state *s, const pixel *p, pixel_byte *b, int part, int32_t *sums)
{
    const int32_t step = s->n_parts * MAX_PIXEL_PREDICTIONS, c = s->n_channels * step;
    const uint8_t *left = s->errors[0] + s->x * step + part * MAX_PIXEL_PREDICTIONS - c;
    const uint8_t *above = s->errors[1] + s->x * step + part * MAX_PIXEL_PREDICTIONS;
    b->errors = s->errors[0] + s->x * step + part * MAX_PIXEL_PREDICTIONS;
    for (int k = 0; k < b->n; k++)
        sums[k] = 2 * left[k] + 2 * above[k] + above[k - c] + above[k + c];
    uint32_t total = 0, weighted = 0;
    for (int k = 0; k < p->n; k++) {
        const uint32_t w = s->blend_weight[sums[k]];
        total += w;
        weighted += w * (uint32_t)b->value4[k];
    }
    int32_t *v = b->value4 + p->n, learned = 0;
    v[0] = (int32_t)((weighted + total / 2) / total);
    for (int k = p->n_fixed; k <= p->n; k++)
        learned += b->value4[k];
    const int32_t n = p->n + 1 - p->n_fixed;
    v[1] = b->middle = (learned + n / 2) / n;
}

/* Which histogram of each prediction: by its errors around, and of the last blend two more. */
static inline void choose_histograms(pixels_state *s, const pixel *p, pixel_byte *b, const int32_t *sums)
{
    static const int16_t limits[7] = {4, 8, 16, 28, 48, 80, 150};
    const size_t first = (size_t)b->slot * MAX_PIXEL_PREDICTIONS;
    for (int k = 0; k < b->n; k++)
        b->histogram[k] = s->histograms + ((first + (size_t)k) * N_ERROR_CLASSES + s->error_class[sums[k]]) * N_BINS;
    const int32_t d = b->value4[p->n] - b->west4, rough = b->error_class / 2;
    const int32_t shared[N_SHARED] = {rough * 16 + b->texture,
                                      rough * 16 + level_of(magnitude(d), limits, 7) + (d < 0 ? 8 : 0)};
    for (int i = 0; i < N_SHARED; i++) {
        b->value4[b->n + i] = b->middle;
        b->histogram[b->n + i] =
            s->shared_histograms + ((size_t)(b->slot * N_SHARED + i) * N_SHARED_CLASSES + (size_t)shared[i]) * N_BINS;
    }
    for (int k = 0; k < b->n + N_SHARED; k++) {
        b->low[k] = b->histogram[k][s->bins->edge_of[ZERO_RESIDUAL - 2 - b->value4[k]]];
        b->high[k] = b->histogram[k][s->bins->edge_of[ZERO_RESIDUAL - 2 + 1024 - b->value4[k]]];
    }
    for (int k = b->n + N_SHARED; k < b->n_padded; k++)
        b->low[k] = b->high[k] = 0;
}

/* Exact values around, hashed: what has few values, and channels that follow from each other. */
static inline void set_cell_contexts(const pixels_state *s, const pixel *p, pixel_byte *b, int part, int32_t upper)
{
    const int32_t c = s->n_channels, ch = p->channel, *l0 = s->line[0] + s->x, *l1 = s->line[1] + s->x;
    uint32_t v[N_NEIGHBOURS], t[MAX_CELLS];
    for (int i = 0; i < N_NEIGHBOURS; i++)
        v[i] = (uint32_t)in_byte(s, p->around[i], part, upper);
#define BYTE(sample) ((uint32_t)in_byte(s, sample, part, upper))
    const uint32_t middle = (uint32_t)(b->middle + 2) >> 2;
    if (!ch) {
        const uint32_t west = c > 1 ? BYTE(l0[1 - c]) : v[NNE], north = c > 1 ? BYTE(l1[1]) : v[NNW];
        t[0] = v[W] | v[N] << 8;
        t[1] = v[W] | v[N] << 8 | v[NW] << 16 | v[NE] << 24;
        t[2] = v[W] | v[WW] << 8;
        t[3] = v[N] | v[NE] << 8;
        t[4] = middle | (uint32_t)b->texture << 8;
        t[5] = v[N] | v[NN] << 8 | north << 16;
        t[6] = v[W] | west << 8 | north << 16;
        t[7] = middle | (uint32_t)b->error_class << 8;
    } else {
        const uint32_t last = BYTE(l0[-1]), both = last | (ch > 1 ? BYTE(l0[-2]) << 8 : 0);
        t[0] = both;
        t[1] = both | middle << 16;
        t[2] = last | v[W] << 8 | BYTE(l0[-c - 1]) << 16;
        t[3] = last | v[N] << 8 | BYTE(l1[-1]) << 16;
        t[4] = both | v[W] << 16 | v[N] << 24;
        t[5] = v[W] | v[N] << 8;
        t[6] = v[W] | v[N] << 8 | v[NW] << 16 | v[NE] << 24;
        t[7] = middle | last << 8 | (uint32_t)b->error_class << 16;
    }
#undef BYTE
    const uint32_t salt = part ? (uint32_t)upper + 1 : 0;
    for (int k = 0; k < s->shape->n_cells; k++) {
        uint32_t h = (t[k] + ((uint32_t)(k * 4 + ch) + salt * 64 + 1) * 0x3D4D51CBu) * 0x9E3779B1u;
        h = (h ^ h >> 15) * 0x85EBCA6Bu;
        b->hash[k] = h ^ h >> 13;
    }
}

static inline void start_byte(pixels_state *s, const pixel *p, pixel_byte *b, int part, int32_t upper)
{
    static const int16_t limits[7] = {2, 4, 7, 12, 20, 32, 56};
    const int32_t *a = p->around;
    int32_t sums[MAX_PIXEL_PREDICTIONS];
    b->slot = p->channel * s->n_parts + part;
    b->n = n_predictions(s, p->channel);
    b->n_padded = PADDED(b->n + N_SHARED);
    b->n_inputs = PADDED(b->n_padded + 2 * s->shape->n_cells + 1);
    const int32_t range = greater(greater(a[W], a[N]), greater(a[NW], a[NE])) -
                          lesser(lesser(a[W], a[N]), lesser(a[NW], a[NE]));
    b->texture = level_of(s->n_parts > 1 && !part ? range >> 8 : range, limits, 7);
    b->signs = (a[W] > a[N]) | (a[W] > a[NW]) << 1 | (a[N] > a[NW]) << 2 | (a[N] > a[NE]) << 3 | (a[W] > a[WW]) << 4 |
               (a[N] > a[NN]) << 5;
    b->west4 = 4 * in_byte(s, a[W], part, upper);
    set_values(s, p, b, part, upper);
    blend(s, p, b, part, sums);
    b->error_class = s->error_class[sums[b->n - 1]];
    choose_histograms(s, p, b, sums);
    set_cell_contexts(s, p, b, part, upper);
}

/* Find the lines of cells of a nibble, each in a pair of them: of two lines of other contexts, the one that was used
   less is emptied. */
static inline void find_cells(pixels_state *s, pixel_byte *b, uint32_t c0)
{
    for (int k = 0; k < s->shape->n_cells; k++) {
        const uint32_t h = c0 < 2 ? b->hash[k] : (b->hash[k] + c0 * 0x2F0B4C47u) * 0x9E3779B1u;
        const uint32_t number = (h ^ h >> 16) & s->cell_mask, check = b->hash[k] | 1;
        uint32_t *line = s->cells + (size_t)number * CELL_LINE, *other = s->cells + (size_t)(number ^ 1) * CELL_LINE;
        if (line[0] != check && (other[0] == check || cell_count(other[1]) < cell_count(line[1])))
            line = other;
        b->cells[k] = line;
        if (line[0] != check) {
            line[0] = check;
            for (int i = 1; i < CELL_LINE; i++)
                line[i] = 1u << 31;
        }
    }
}

/* The probability of a one, 24 bits, of bit `i` from the top behind c0, where the range is [low, low + 256 >> i). */
static inline uint32_t predict_bit(pixels_state *s, const pixel_byte *b, pixel_bit *r, int i, uint32_t c0, int32_t low)
{
    static const int16_t limits[7] = {1, 3, 6, 10, 16, 24, 40};
    const int32_t half = 128 >> i, edge4 = 4 * (low + half) - 2;
    for (int k = 0; k < b->n + N_SHARED; k++)
        r->sums[k] = b->histogram[k][s->bins->edge_of[ZERO_RESIDUAL + edge4 - b->value4[k]]];
    for (int k = b->n + N_SHARED; k < b->n_padded; k++)
        r->sums[k] = 0;
    histogram_inputs(b->low, r->sums, b->high, (uint16_t)half, b->n_padded, r->inputs);
    int n = b->n_padded;
    const uint32_t place = i < 4 ? c0 : (c0 & ((1u << (i - 4)) - 1)) | 1u << (i - 4);
    for (int k = 0; k < s->shape->n_cells; k++) {
        const uint32_t cell = *(r->cell[k] = b->cells[k] + place);
        r->inputs[n++] = MIX_INPUT(cell_stretch(cell));
        r->inputs[n++] = MIX_INPUT(cell_confidence(cell));
    }
    r->inputs[n++] = MIX_INPUT(PIXEL_BIAS);
    while (n < b->n_inputs)
        r->inputs[n++] = 0;

    const int32_t d = edge4 - b->middle; /* how far the edge is from the middle blend, in terms of its errors */
    const int32_t where = level_of(magnitude(d) * 4 >> b->error_class / 4, limits, 7) + (d < 0 ? 8 : 0);
    const int32_t select[MAX_PIXEL_SETS] = {(int32_t)c0, i * N_ERROR_CLASSES + b->error_class, i * 64 + b->signs,
                                            i * 64 + (b->middle >> 7) * 8 + b->texture,
                                            i * N_ERROR_CLASSES + s->last_class / 4 * 4 + b->error_class / 8};
    const int n_sets = s->shape->n_sets;
    for (int k = 0; k < n_sets; k++) {
        r->weights[k] = s->weights[k] + (size_t)(b->slot * pixel_set_size[k] + select[k]) * MAX_PIXEL_INPUTS;
        const int32_t stretch = clamp(mix_dot(r->inputs, r->weights[k], b->n_inputs), STRETCH_LIMIT);
        r->layer[k] = MIX_INPUT(stretch);
        r->p_set[k] = squash(stretch);
    }
    r->final_weights = s->final_weights + ((b->slot * 8 + i) * N_ERROR_CLASSES + b->error_class) * 8;
    const int32_t mixed = clamp(mix_dot_few(r->layer, r->final_weights, n_sets), STRETCH_LIMIT);
    r->p_mixed = squash(mixed);

    const uint32_t at = (uint32_t)(mixed + 12288) / APM_STEP, f = (uint32_t)(mixed + 12288) % APM_STEP;
    const int32_t context[N_PIXEL_APMS] = {(int32_t)c0 * N_ERROR_CLASSES + b->error_class,
                                           where | i << 4 | clip(((b->west4 - b->middle) >> 4) + 8, 0, 15) << 8};
    uint32_t sum = 2 * r->p_mixed;
    for (int a = 0; a < N_PIXEL_APMS; a++) {
        uint16_t *row = s->apm[a] + context[a] * APM_ROW + at;
        r->apm[a] = row + (f > APM_STEP / 2);
        sum += (row[0] * (APM_STEP - f) + row[1] * f) / APM_STEP << 8;
    }
    return bounded(sum >> 2);
}

static inline void learn_bit(const pixels_state *s, const pixel_byte *b, pixel_bit *r, int bit, int32_t rate)
{
    for (int a = 0; a < N_PIXEL_APMS; a++)
        *r->apm[a] = (uint16_t)(*r->apm[a] + (((bit ? 65535 : 0) - *r->apm[a] + 16) >> 5));
    mix_train_few(r->layer, r->final_weights, s->shape->n_sets, mix_gradient(bit, r->p_mixed, pixel_prior.final_rate));
    for (int k = 0; k < s->shape->n_sets; k++)
        mix_train(r->inputs, r->weights[k], b->n_inputs, mix_gradient(bit, r->p_set[k], rate));
    for (int k = 0; k < s->shape->n_cells; k++)
        cell_update(r->cell[k], bit, 127);
}

/* Learn the byte that was coded: histograms, and errors for those to come. */
static inline void learn_byte(pixels_state *s, pixel_byte *b, int32_t value)
{
    for (int k = 0; k < b->n + N_SHARED; k++) {
        const int32_t residual = 4 * value - b->value4[k];
        update_histogram(b->histogram[k], s->bins->added[s->bins->bin_of[ZERO_RESIDUAL + residual]]);
        if (k < b->n)
            b->errors[k] = (uint8_t)lesser(magnitude(residual) >> 1, 255);
    }
    s->last_class = s->error_class[6 * b->errors[b->n - 1]];
    s->n_bytes++;
}

/* Code one byte of a sample. */
static inline int32_t code_pixel_byte(struct lmz_coder *c, pixels_state *s, const pixel *p, int part, int32_t upper,
                                      uint32_t byte)
{
    pixel_byte b;
    pixel_bit r;
    start_byte(s, p, &b, part, upper);
    const pixels_prior *prior = &pixel_prior;
    const int32_t rate = prior->rate + prior->rate_extra / (int32_t)(s->n_bytes + (uint32_t)prior->rate_delay);
    uint32_t c0 = 1;
    int32_t low = 0;
    for (int i = 0; i < 8; i++) {
        if (!(i & 3))
            find_cells(s, &b, c0);
        const uint32_t probability = predict_bit(s, &b, &r, i, c0, low);
        const int bit = rc_code_bit(&c->rc, byte >> (7 - i) & 1, probability << 8);
        learn_bit(s, &b, &r, bit, rate);
        memcpy(bit ? b.low : b.high, r.sums, sizeof r.sums);
        low += bit ? 128 >> i : 0;
        c0 = c0 << 1 | (uint32_t)bit;
    }
    learn_byte(s, &b, low);
    return low;
}

#endif

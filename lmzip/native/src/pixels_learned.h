/* pixels_learned.h - predictions of learned weights: by least mean squares, by least squares of what lies around, and
   these corrected by the errors made in like places (PIXELS 4.6 to 4.8). */
#ifndef LMZ_PIXELS_LEARNED_H
#define LMZ_PIXELS_LEARNED_H

#include <string.h>

#include "least_squares.h"
#include "mixer.h"
#include "pixels_predict.h"

#define RIDGE 768 /* of least squares: three squares of a step of 8 bits */
#define CORRECTION_RATE 5

/* Where the inputs of learned weights are: lines above, pixels to the right. */
static const int8_t lms_places[25][2] = {
    {0, -1}, {1, 0},  {1, -1}, {1, 1},  {0, -2}, {2, 0},  {2, -1}, {2, 1},  {1, -2}, {1, 2},  {0, -3}, {3, 0}, {2, -2},
    {2, 2},  {1, -3}, {1, 3},  {2, -3}, {2, 3},  {3, -1}, {3, 1},  {0, -4}, {1, -4}, {1, 4},  {3, -2}, {3, 2}};

/* Those of another channel of a pixel: all less the mean of W and N. */
static inline int set_other_inputs(const pixels_state *s, int32_t at, int is_known, int32_t *in)
{
    const int32_t c = s->n_channels, *l0 = s->line[0] + at, *l1 = s->line[1] + at, *l2 = s->line[2] + at;
    const int32_t mean = (l0[-c] + l1[0] + 1) >> 1;
    const int32_t others[6] = {l0[-c], l1[-c], l1[c], l2[0], l0[0], l0[-2 * c]};
    const int n = is_known ? 6 : 4;
    for (int i = 0; i < n; i++)
        in[i] = others[i] - mean;
    return n;
}

static inline void set_inputs(const pixels_state *s, pixel *p)
{
    const int32_t c = s->n_channels, x = s->x;
    const int32_t mean = p->mean = (p->around[W] + p->around[N] + 1) >> 1;
    int32_t *in = p->inputs;
    int n = 0;
    for (; n < n_own_inputs(s); n++)
        in[n] = s->line[lms_places[n][0]][x + lms_places[n][1] * c] - mean;
    for (int32_t k = 1; k < c && n + 6 <= N_LMS_INPUTS; k++) /* channels before, the nearest first; others */
        n += k <= p->channel ? set_other_inputs(s, x - k, 1, in + n)
                             : set_other_inputs(s, x - p->channel + k, 0, in + n);
    while (n < N_LMS_INPUTS)
        in[n++] = 0;
    p->energy = 0;
    for (int i = 0; i < N_LMS_INPUTS; i++)
        p->energy += (int64_t)in[i] * in[i];
    for (int i = 0; i < N_LMS_INPUTS; i++)
        in[i] = MIX_INPUT(s->n_parts == 1 ? in[i] * 16 : clip(in[i], -32767, 32767));
}

static inline void predict_by_mean_squares(const pixels_state *s, pixel *p)
{
    const int32_t unit = s->n_parts == 1 ? 16 : 1, largest = s->n_parts == 1 ? 255 * 16 : 65535;
    const int32_t *weights = s->lms + p->channel * N_LMS_INPUTS;
    const int32_t v = clip(p->mean * unit + mix_dot(p->inputs, weights, N_LMS_INPUTS), 0, largest);
    p->lms_value = v;
    p->value4[p->n++] = s->n_parts == 1 ? (v + 2) >> 2 : 4 * v;
}

/* Steps against the error, less where the inputs are large (normalised least mean squares). */
static inline void learn_mean_squares(const pixels_state *s, const pixel *p, int32_t value)
{
    const int is_wide = s->n_parts > 1;
    const int64_t error = is_wide ? (int64_t)(value - p->lms_value) : value * 16 - p->lms_value;
    const int64_t g = error * pixel_prior.lms_rate * (is_wide ? 1 << 20 : 1 << 12) /
                      (p->energy + ((int64_t)pixel_prior.lms_margin << (is_wide ? 16 : 0)));
    mix_train(p->inputs, s->lms + p->channel * N_LMS_INPUTS, N_LMS_INPUTS,
              g > 32767 ? 32767 : g < -32767 ? -32767 : (int32_t)g);
}

/* Solve for the weights of a stretch of a line: what was in its line before counts, half with every stretch, and what
   was in the lines above, there and beside it.  The ridge draws weights to the initial ones. */
static inline void solve_stretch(const pixels_state *s, pixel_squares *k, size_t stretch)
{
    const int n = s->shape->n_taps, n_rows = n + 1;
    const size_t size = (size_t)(n_rows * n_rows);
    const int64_t *above = k->grams + (stretch + 1) * size, *west = above - size, *east = above + size;
    int64_t *gram = s->gram;
    for (int i = 0; i < n_rows; i++)
        for (int j = i / N_WIDE * N_WIDE; j < n_rows; j += N_WIDE) {
            const int at = i * n_rows + j;
            const wide beside = wide_shift(wide_add(wide_load(&west[at]), wide_load(&east[at])), 1);
            wide_store(&gram[at], wide_add(wide_add(wide_load(&k->line_gram[at]), wide_load(&above[at])), beside));
        }
    for (int i = 0; i < n; i++)
        gram[i * n_rows + n] += k->start[i] * RIDGE >> WEIGHT_BITS;
    if (n == 23)
        solve(s->factoring, gram, k->weights, n_rows, 23, RIDGE);
    else
        solve(s->factoring, gram, k->weights, n_rows, 15, RIDGE);
}

static inline void predict_by_squares(const pixels_state *s, pixel *p)
{
    const int32_t n = s->shape->n_taps, column = s->x / s->n_channels;
    pixel_squares *k = &s->squares[p->channel];
    for (int32_t i = 0; i < n; i++)
        p->row[i] = p->inputs[k->input_of_tap[i]] >> 16;
    p->row[n] = 0;
    if (column % s->stretch == 0)
        solve_stretch(s, k, (size_t)(column / s->stretch));
    const int64_t sum = predict_linearly(k->weights, p->row, n + 1);
    const int shift = s->n_parts == 1 ? WEIGHT_BITS + 2 : WEIGHT_BITS - 2; /* to quarters of a step */
    const int64_t v = 4 * (int64_t)p->mean + ((sum + ((int64_t)1 << (shift - 1))) >> shift), largest = largest4(s);
    p->value4[p->n++] = (int32_t)(v < 0 ? 0 : v > largest ? largest : v);
}

static inline void learn_squares(const pixels_state *s, pixel *p, int32_t value)
{
    const int n_rows = s->shape->n_taps + 1, column = s->x / s->n_channels;
    const size_t size = (size_t)(n_rows * n_rows);
    pixel_squares *k = &s->squares[p->channel];
    p->row[n_rows - 1] = s->n_parts == 1 ? (value - p->mean) * 16 : clip(value - p->mean, -32767, 32767);
    for (int i = 0; i < n_rows; i++) {
        const wide factor = wide_of(p->row[i]);
        for (int j = i / N_WIDE * N_WIDE; j < n_rows; j += N_WIDE) {
            int64_t *at = &k->stretch_gram[i * n_rows + j];
            wide_store(at, wide_add(wide_load(at), wide_multiply(factor, wide_load(&p->row[j]))));
        }
    }
    const int is_last = column == s->width - 1;
    if (column % s->stretch < s->stretch - 1 && !is_last)
        return;
    int64_t *gram = k->grams + ((size_t)(column / s->stretch) + 1) * size;
    for (size_t i = 0; i < size; i++) {
        gram[i] += k->stretch_gram[i] - (gram[i] >> 2);
        k->line_gram[i] = is_last ? 0 : (k->line_gram[i] >> 1) + k->stretch_gram[i];
        k->stretch_gram[i] = 0;
    }
}

/* How a neighbour differs from a prediction: 0 not at all, 1 to 3 it is less, 4 to 6 more. */
static inline uint32_t difference_class(const pixels_state *s, int32_t d)
{
    static const int16_t limits[3] = {1, 7, 25};
    d = d < 0 ? -(-d >> 8 * (s->n_parts - 1)) : d >> 8 * (s->n_parts - 1);
    return (uint32_t)(level_of(magnitude(d), limits, 3) + (d > 0 ? 3 : 0));
}

/* The last learned prediction, more by the mean error where neighbours differed from it alike. */
static inline void predict_corrected(const pixels_state *s, pixel *p)
{
    const int32_t *a = p->around, c = s->n_channels, v4 = p->uncorrected4 = p->value4[p->n - 1], v = v4 >> 2;
    const uint32_t classes =
        ((difference_class(s, a[W] - v) * 7 + difference_class(s, a[N] - v)) * 7 + difference_class(s, a[NW] - v)) * 7 +
        difference_class(s, a[NE] - v);
    int32_t signs = (a[W] > v) | (a[N] > v) << 1 | (a[NW] > v) << 2 | (a[NE] > v) << 3 | (a[WW] > v) << 4 |
                    (a[NN] > v) << 5 | (2 * a[N] - a[NN] > v) << 6 | (2 * a[W] - a[WW] > v) << 7;
    if (p->channel) {
        const int32_t last = s->line[0][s->x - 1];
        signs |= (last > s->line[0][s->x - 1 - c]) << 8 | (last > s->line[1][s->x - 1]) << 9;
    }
    int32_t *corrections = s->corrections + p->channel * (N_CLASSES_OF_FOUR + N_SIGNS);
    p->correction[0] = corrections + classes;
    p->correction[1] = corrections + N_CLASSES_OF_FOUR + signs;
    for (int k = 0; k < N_CORRECTIONS; k++)
        p->value4[p->n++] = clip(v4 + ((*p->correction[k] + 32) >> 6), 0, largest4(s));
}

static inline void predict_learned(const pixels_state *s, pixel *p)
{
    set_inputs(s, p);
    predict_by_mean_squares(s, p);
    if (s->shape->n_taps)
        predict_by_squares(s, p);
    predict_corrected(s, p);
}

static inline void learn_weights(const pixels_state *s, pixel *p, int32_t value)
{
    learn_mean_squares(s, p, value);
    if (s->shape->n_taps)
        learn_squares(s, p, value);
    for (int k = 0; k < N_CORRECTIONS; k++) {
        const int32_t error = (4 * value - p->uncorrected4) * 64;
        *p->correction[k] += (error - *p->correction[k] + (1 << (CORRECTION_RATE - 1))) >> CORRECTION_RATE;
    }
}

#endif

/* pixels_predict.h - what a sample may be: predictions from the samples around it (PIXELS 4). */
#ifndef LMZ_PIXELS_PREDICT_H
#define LMZ_PIXELS_PREDICT_H

#include <string.h>

#include "internal.h"
#include "mixer.h"
#include "pixels_base.h"

/* Samples around the current one, of its channel: to the west, north and so on of it. */
enum { W, N, NW, NE, WW, NN, NNE, NNW, NWW, NEE, WWW, NNN, N_NEIGHBOURS };

/* Weights of predictions in quarters. */
static const int8_t pixel_rows[MAX_PIXEL_ROWS - 2][N_NEIGHBOURS] = {
    /* W   N  NW  NE  WW  NN NNE NNW NWW NEE WWW NNN */
    {4},
    {0, 4},
    {4, 4, -4},
    {0, 4, 0, 4, 0, 0, -4},
    {4, -4, 0, 4},
    {0, 8, 0, 0, 0, -4},
    {8, 0, 0, 0, -4},
    {2, 0, 0, 2},
    {2, 2},
    {4, 0, -2, 2},
    {0, 4, 4, 0, 0, 0, 0, -4},
    {4, 0, 4, 0, 0, 0, 0, 0, -4},
    {0, 0, 0, 4},
    {0, 4, 2, 0, -2},
    {12, 0, 0, 0, -12, 0, 0, 0, 0, 0, 4},
    {0, 12, 0, 0, 0, -12, 0, 0, 0, 0, 0, 4},
    {0, 0, 4},
    {3, 3, -2},
    {0, 0, 4, 4, 0, -4},
    {1, 1, 1, 1},
    {2, 0, 0, 0, 0, 0, 0, 0, 0, 2},
    {2, 4, -1, 1, 0, -2},
};

typedef struct { /* the sample to come */
    int32_t channel, n; /* n: predictions, of all kinds */
    int32_t value4[MAX_PIXEL_PREDICTIONS]; /* in quarters; the learned and blended ones are the last */
    int32_t n_fixed;
    int32_t around[N_NEIGHBOURS];
    int32_t mean, lms_value[MAX_LMS]; /* lms_value: in sixteenths of a step of 8 bits, or whole ones of 16 */
    int64_t energy[2];                /* of the first half of the inputs, of the second */
    int32_t inputs[N_LMS_INPUTS] __attribute__((aligned(64)));
} pixel;

static inline int32_t clip(int32_t v, int32_t low, int32_t high) { return v < low ? low : v > high ? high : v; }
static inline int32_t lesser(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t greater(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t magnitude(int32_t a) { return a < 0 ? -a : a; }

/* W + N - NW within what W and N span (LOCO-I). */
static inline int32_t median_edge(const int32_t *p)
{
    return clip(p[W] + p[N] - p[NW], lesser(p[W], p[N]), greater(p[W], p[N]));
}

/* The gradient-adjusted prediction of CALIC, in quarters; `shift`: bits of a sample beyond eight. */
static inline int32_t gradient_adjusted(const int32_t *p, int shift)
{
    const int32_t across = magnitude(p[W] - p[WW]) + magnitude(p[N] - p[NW]) + magnitude(p[NE] - p[N]);
    const int32_t down = magnitude(p[W] - p[NW]) + magnitude(p[N] - p[NN]) + magnitude(p[NE] - p[NNE]);
    const int32_t d = (magnitude(down - across) >> shift), nearer = 4 * (down > across ? p[W] : p[N]);
    const int32_t middle = 2 * (p[W] + p[N]) + p[NE] - p[NW];
    return d > 80 ? nearer : d > 32 ? (middle + nearer) >> 1 : d > 8 ? (3 * middle + nearer) >> 2 : middle;
}

static inline void look_around(const pixels_state *s, int32_t at, int32_t *p)
{
    const int32_t c = s->n_channels, *l0 = s->line[0] + at, *l1 = s->line[1] + at, *l2 = s->line[2] + at;
    p[W] = l0[-c];
    p[N] = l1[0];
    p[NW] = l1[-c];
    p[NE] = l1[c];
    p[WW] = l0[-2 * c];
    p[NN] = l2[0];
    p[NNE] = l2[c];
    p[NNW] = l2[-c];
    p[NWW] = l1[-2 * c];
    p[NEE] = l1[2 * c];
    p[WWW] = l0[-3 * c];
    p[NNN] = s->line[3][at];
}

/* Predictions of fixed weights of a plane, all of it more by `base`: the median, the gradient-adjusted, linear ones. */
static inline void predict_plane(const pixels_state *s, pixel *p, const int32_t *around, int32_t base, int n)
{
    const int32_t largest = (1024 << 8 * (s->n_parts - 1)) - 4;
    int32_t *out = p->value4 + p->n;
    out[0] = 4 * (base + median_edge(around));
    out[1] = 4 * base + gradient_adjusted(around, 8 * (s->n_parts - 1));
    for (int i = 2; i < n; i++) {
        int32_t sum = 0;
        for (int k = 0; k < N_NEIGHBOURS; k++)
            sum += pixel_rows[i - 2][k] * around[k];
        out[i] = 4 * base + sum;
    }
    for (int i = 0; i < n; i++)
        out[i] = clip(out[i], 0, largest);
    p->n += n;
}

static inline void predict_fixed(const pixels_state *s, pixel *p)
{
    look_around(s, s->x, p->around);
    predict_plane(s, p, p->around, 0, s->shape->n_own);
    for (int32_t k = 1; k <= p->channel && k < MAX_PLANES; k++) {
        int32_t other[N_NEIGHBOURS];
        look_around(s, s->x - k, other);
        for (int i = 0; i < N_NEIGHBOURS; i++)
            other[i] = p->around[i] - other[i];
        predict_plane(s, p, other, s->line[0][s->x - k], s->shape->n_others);
    }
    p->n_fixed = p->n;
}

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

static inline void set_lms_inputs(const pixels_state *s, pixel *p)
{
    const int32_t c = s->n_channels, x = s->x;
    const int32_t mean = p->mean = (p->around[W] + p->around[N] + 1) >> 1;
    int32_t *in = p->inputs;
    int n = 0;
    for (; n < (c == 1 ? 25 : 16); n++)
        in[n] = s->line[lms_places[n][0]][x + lms_places[n][1] * c] - mean;
    for (int32_t k = 1; k < c && n + 6 <= N_LMS_INPUTS; k++) /* channels before, the nearest first; others */
        n += k <= p->channel ? set_other_inputs(s, x - k, 1, in + n)
                             : set_other_inputs(s, x - p->channel + k, 0, in + n);
    while (n < N_LMS_INPUTS)
        in[n++] = 0;
    p->energy[0] = p->energy[1] = 0;
    for (int i = 0; i < N_LMS_INPUTS; i++)
        p->energy[i >= 16] += (int64_t)in[i] * in[i];
    for (int i = 0; i < N_LMS_INPUTS; i++)
        in[i] = MIX_INPUT(s->n_parts == 1 ? in[i] * 16 : clip(in[i], -32767, 32767));
}

static inline int lms_size(int k) { return k < 3 ? N_LMS_INPUTS : N_LMS_INPUTS / 2; }

static inline void predict_learned(const pixels_state *s, pixel *p)
{
    const int32_t unit = s->n_parts == 1 ? 16 : 1, largest = s->n_parts == 1 ? 255 * 16 : 65535;
    set_lms_inputs(s, p);
    for (int k = 0; k < s->shape->n_lms; k++) {
        const int32_t *weights = s->lms + (p->channel * MAX_LMS + k) * N_LMS_INPUTS;
        const int32_t v = clip(p->mean * unit + mix_dot(p->inputs, weights, lms_size(k)), 0, largest);
        p->lms_value[k] = v;
        p->value4[p->n++] = s->n_parts == 1 ? (v + 2) >> 2 : 4 * v;
    }
}

/* Steps against the error, less where the inputs are large (normalised least mean squares). */
static inline void learn_weights(const pixels_state *s, const pixel *p, int32_t value)
{
    const int is_wide = s->n_parts > 1;
    for (int k = 0; k < s->shape->n_lms; k++) {
        const int64_t energy = p->energy[0] + (k < 3 ? p->energy[1] : 0);
        const int64_t error = is_wide ? (int64_t)(value - p->lms_value[k]) : value * 16 - p->lms_value[k];
        const int64_t g = error * pixel_prior.lms_rate[k] * (is_wide ? 1 << 20 : 1 << 12) /
                          (energy + ((int64_t)pixel_prior.lms_margin << (is_wide ? 16 : 0)));
        mix_train(p->inputs, s->lms + (p->channel * MAX_LMS + k) * N_LMS_INPUTS, lms_size(k),
                  g > 32767 ? 32767 : g < -32767 ? -32767 : (int32_t)g);
    }
}

#endif

/* pixels_predict.h - what a sample may be: predictions from the samples around it (PIXELS 4). */
#ifndef LMZ_PIXELS_PREDICT_H
#define LMZ_PIXELS_PREDICT_H

#include <string.h>

#include "internal.h"
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
    int32_t mean;
    int32_t inputs[N_LMS_INPUTS] ALIGNED; /* samples around less means, in sixteenths of 8 bits, whole ones of 16 */
    int64_t energy;                       /* of the inputs, in steps */
    int32_t lms_value;                    /* as inputs are */
    int64_t row[MAX_PIXEL_TAPS + 1] ALIGNED; /* the taps of least squares, and what they predict */
    int32_t uncorrected4, *correction[N_CORRECTIONS];
} pixel;

static inline int32_t clip(int32_t v, int32_t low, int32_t high) { return v < low ? low : v > high ? high : v; }
static inline int32_t lesser(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t greater(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t magnitude(int32_t a) { return a < 0 ? -a : a; }

/* How many of the n rising limits a number reaches. */
static inline int32_t level_of(int32_t v, const int16_t *limits, int n)
{
    int32_t level = 0;
    for (int i = 0; i < n; i++)
        level += v >= limits[i];
    return level;
}

/* The largest sample, in quarters. */
static inline int32_t largest4(const pixels_state *s) { return (1024 << 8 * (s->n_parts - 1)) - 4; }

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
        out[i] = clip(out[i], 0, largest4(s));
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

#endif

/* pixels_base.h - the shapes and the state of the pixels base (PIXELS 1, 2). */
#ifndef LMZ_PIXELS_BASE_H
#define LMZ_PIXELS_BASE_H

#include <stdint.h>

#include "factoring.h"
#include "histogram.h"
#include "plain_byte.h"

#define MAX_PIXEL_CHANNELS 4
#define MAX_LINE_SIZE (1u << 20) /* bytes of a line, its padding not counted */
#define LINE_PAD 4               /* pixels to both sides of a line */

/* Flags of a content (FORMAT 4.5). */
#define LINE_UNIT(flags) (1u << ((uint32_t)(flags) >> 4 & 3))

#define N_PIXEL_SHAPES 3
#define MAX_PLANES 3 /* a channel by itself, and less one of the two before it */
#define MAX_PIXEL_ROWS 24
#define N_LMS_INPUTS 32
#define MAX_PIXEL_TAPS 23
#define MAX_STRETCHES 512 /* of a line */
#define N_CORRECTIONS 2
#define N_CLASSES_OF_FOUR 2401
#define N_SIGNS 1024
#define N_BLENDS 2
#define N_SHARED 2       /* more histograms of the last blend, by contexts that all pixels share */
#define MAX_PIXEL_PREDICTIONS 64 /* and N_SHARED, a multiple of 16 */
#define MAX_CELLS 8
#define MAX_PIXEL_INPUTS 96 /* 64-byte aligned rows: the predictions, two for each context of cells, the bias */
#define MAX_PIXEL_SETS 5
#define N_PIXEL_APMS 2
#define MIN_CELL_LINES (1u << 15) /* what small blocks fill, too */
#define CELL_LINE 16 /* the check of a context, and the cells of a nibble */

#define N_ERROR_CLASSES 32
#define N_SHARED_CLASSES 256
#define N_ERROR_SUMS 1536
#define PIXEL_BIAS 256

typedef struct {            /* how many of each there are */
    int n_own, n_others;    /* predictions of fixed weights in the plane of the channel itself, in others */
    int n_taps;             /* of the prediction by least squares; 0: there is none */
    int n_cells, n_sets;
    int cell_bits;          /* of the number of lines of cells, at most */
} pixels_shape;

/* Kinds of predictions, in their order: of fixed weights in each plane, learned, each blend, with shared histograms. */
enum { BY_OWN, BY_LAST, BY_BEFORE_LAST, BY_LEARNED, BY_BLEND, BY_MIDDLE, BY_SHARED, N_PREDICTION_KINDS };

typedef struct { /* initial values and rates, made by scripts/train_media.py (PIXELS 3.2) */
    uint32_t mass;                /* of a new histogram */
    int32_t total_weight;         /* of all histograms in the mixer, */
    int32_t share[MAX_PLANES][N_PREDICTION_KINDS]; /* in these proportions: of channels 0, 1, others */
    int32_t cell_weight;          /* of the stretch of a cell */
    int32_t lms_start[MAX_PLANES + 1][N_LMS_INPUTS]; /* 1.0 = 4096: of single channels; of channels 0, 1, others */
    int32_t rate, rate_extra, rate_delay, final_rate;
    int32_t lms_rate, lms_margin;
} pixels_prior;

typedef struct { /* what a channel is predicted by with least squares; matrices are (n_taps + 1, n_taps + 1) */
    int64_t start[MAX_PIXEL_TAPS + 1], weights[MAX_PIXEL_TAPS + 1] ALIGNED; /* 1.0 = 2^22 */
    int8_t input_of_tap[MAX_PIXEL_TAPS];
    int64_t *stretch_gram, *line_gram; /* of this stretch, of those before it in the line */
    int64_t *grams;                    /* (stretches and one more to both sides) of the lines above */
} pixel_squares;

typedef struct {
    const pixels_shape *shape;
    plain_state *plain; /* of bytes before the first sample, and behind lines */
    histogram_bins *bins;
    uint8_t error_class[N_ERROR_SUMS];
    uint16_t blend_weight[N_ERROR_SUMS]; /* of a prediction by the sum of its errors */
    int32_t n_channels, n_parts;       /* bytes of a sample */
    int32_t width, line_samples;
    uint32_t line_size, padded_size;   /* bytes of a line */
    int32_t *line[4];                  /* this one and the three above: samples of the block, padded to both sides */
    uint8_t *errors[2];                /* (samples, parts, MAX_PIXEL_PREDICTIONS) of this line and the one above */
    uint16_t *histograms;              /* (slots, MAX_PIXEL_PREDICTIONS, N_ERROR_CLASSES, N_BINS) */
    uint16_t *shared_histograms;       /* (slots, N_SHARED, N_SHARED_CLASSES, N_BINS) */
    int32_t *lms;                      /* (channels, N_LMS_INPUTS) */
    int32_t stretch;                   /* pixels of a line that are predicted by the same solution */
    pixel_squares *squares;            /* (channels) */
    int64_t *gram;                     /* space for one, */
    factoring *factoring;              /* and for its solution */
    int32_t *corrections;              /* (channels, N_CLASSES_OF_FOUR + N_SIGNS) in 256ths of a step */
    int32_t *weights[MAX_PIXEL_SETS];  /* (slots, contexts of the set, MAX_PIXEL_INPUTS) */
    int32_t *final_weights;            /* (slots, 8, N_ERROR_CLASSES, 8) */
    uint16_t *apm[N_PIXEL_APMS];       /* (contexts, APM_ROW) */
    uint32_t *cells, cell_mask;        /* (cell_mask + 1, CELL_LINE) */
    int32_t x, y;                      /* the next sample of which line */
    int32_t last_class;                /* of the error of the last byte's last blend */
    uint32_t n_bytes;                  /* of samples coded */
} pixels_state;

/* Predictions of a channel's samples, the shared histograms not counted. */
static inline int32_t n_predictions(const pixels_state *s, int32_t channel)
{
    const int32_t n_other_planes = channel < MAX_PLANES ? channel : MAX_PLANES - 1;
    const int32_t n_learned = 1 + (s->shape->n_taps > 0) + N_CORRECTIONS;
    return s->shape->n_own + n_other_planes * s->shape->n_others + n_learned + N_BLENDS;
}

/* Inputs of learned weights: of the channel itself, of others. */
static inline int32_t n_own_inputs(const pixels_state *s) { return s->n_channels == 1 ? 25 : 16; }
static inline int32_t n_other_inputs(const pixels_state *s, int32_t channel)
{
    int32_t n = 0;
    for (int32_t k = 1; k < s->n_channels && n + 6 <= N_LMS_INPUTS - 16; k++)
        n += k <= channel ? 6 : 4;
    return n;
}

/* Which of the inputs is a tap of least squares: those of other channels first; where there are no more, one of 0. */
static inline int32_t input_of_tap(const pixels_state *s, int32_t channel, int32_t tap)
{
    const int32_t n_own = n_own_inputs(s), n_others = n_other_inputs(s, channel);
    return tap < n_others ? n_own + tap : tap < n_others + n_own ? tap - n_others : N_LMS_INPUTS - 1;
}

/* The kind of a prediction of a channel. */
static inline int prediction_kind(const pixels_state *s, int32_t channel, int32_t k)
{
    const int32_t n_planes = channel < MAX_PLANES ? channel : MAX_PLANES - 1;
    const int32_t n_fixed = s->shape->n_own + n_planes * s->shape->n_others, n = n_predictions(s, channel);
    if (k < s->shape->n_own)
        return BY_OWN;
    if (k < n_fixed)
        return BY_LAST + (k - s->shape->n_own) / s->shape->n_others;
    return k < n - N_BLENDS ? BY_LEARNED : k < n ? BY_BLEND + k - (n - N_BLENDS) : BY_SHARED;
}

/* Which of the lists of starting weights a channel's learned predictions take. */
static inline int lms_start_of(const pixels_state *s, int32_t channel)
{
    return s->n_channels == 1 ? 0 : channel < MAX_PLANES ? channel + 1 : MAX_PLANES;
}

extern const uint16_t pixel_set_size[MAX_PIXEL_SETS], pixel_apm_size[N_PIXEL_APMS];
extern const pixels_prior pixel_prior;

#endif
